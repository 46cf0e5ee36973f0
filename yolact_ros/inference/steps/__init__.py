"""The steps of one frame: preprocess, select, masks, pixels."""
