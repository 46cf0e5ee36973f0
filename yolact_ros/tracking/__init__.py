"""Identity: which object of this image is which object of the images before."""

from yolact_ros.tracking.config import TrackerConfig
from yolact_ros.tracking.tracker import Tracker
from yolact_ros.tracking.trails import Trails

__all__ = ['Tracker', 'TrackerConfig', 'Trails']
