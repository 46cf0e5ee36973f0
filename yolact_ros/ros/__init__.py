"""Adapters between ROS 2 and the rest of the package."""
