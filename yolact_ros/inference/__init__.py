"""A picture in, Instances out."""
