"""The node `frame_source`: images, videos, bags or made-up scenes as a camera."""
