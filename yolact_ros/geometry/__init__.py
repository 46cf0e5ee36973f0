"""Depth to place: where the objects of an image are in space, without ROS."""

from yolact_ros.geometry.places import Places, lift

__all__ = ['Places', 'lift']
