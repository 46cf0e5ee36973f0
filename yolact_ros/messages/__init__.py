"""The content of ROS messages, read and made without ROS."""
