"""Images, videos, bags and COCO results in files: no network inside."""
