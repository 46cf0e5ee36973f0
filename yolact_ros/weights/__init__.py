"""State dicts of the original, the weights known by a name, and the packaged demo model."""
