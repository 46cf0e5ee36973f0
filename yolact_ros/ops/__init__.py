"""Pure tensor functions: boxes, non-maximum suppression, masks, deformable convolution."""
