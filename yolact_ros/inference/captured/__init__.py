"""The same steps as one captured CUDA graph."""
