"""The demo's viewer: what the segmentation node sees, beside the known truth."""
