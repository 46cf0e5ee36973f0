"""An image in, Instances out."""
