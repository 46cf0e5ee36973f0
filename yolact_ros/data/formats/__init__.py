"""Labels as tools write them, read as one COCO content."""
