"""What the way through ROS messages and the node costs."""
