"""The node `yolact`: one image message in, its results out."""
