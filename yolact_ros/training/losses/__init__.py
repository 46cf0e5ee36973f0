"""What a training minimises: which anchor learns which object, and the five losses."""
