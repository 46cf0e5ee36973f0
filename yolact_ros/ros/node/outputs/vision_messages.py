"""The same results as vision_msgs, where that package is installed."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from yolact_ros.geometry import Places
from yolact_ros.structures import Instances


class VisionMessages:
    """Builds messages of vision_msgs 4 (ROS Humble and later)."""

    DETECTIONS = ('Detection2DArray', '~/detections', 'The boxes for consumers that know '
                  'vision_msgs (only where that package is installed); id is track_id.')
    DETECTIONS_3D = ('Detection3DArray', '~/detections_3d', 'With `use_depth`: the boxes of '
                     'objects whose place is known (only where vision_msgs is installed).')
    LABEL_INFO = ('LabelInfo', '~/label_info', 'Latched: class id and name of every class (only '
                  'where vision_msgs is installed).')

    CLASS_IMAGE_INFO = ('LabelInfo', '~/class_image/label_info', 'Latched: the values of '
                        '~/class_image and their names (only where vision_msgs is installed).')

    def __init__(self, types: ModuleType) -> None:
        """:param types: the module vision_msgs.msg."""
        self._types = types

    @classmethod
    def if_installed(cls) -> VisionMessages | None:
        """Return the builder, or None where vision_msgs cannot be imported or is too old."""
        try:
            import vision_msgs.msg as types
        except ImportError:
            return None
        return cls(types) if hasattr(types, 'LabelInfo') else None

    def type_of(self, name: str) -> type:
        """Return a message type of vision_msgs."""
        return getattr(self._types, name)

    def label_info(self, class_names: Sequence[str], threshold: float, stamp: Time,
                   first: int = 0) -> Any:
        """Return the class names as LabelInfo, numbered from `first`."""
        info = self._types.LabelInfo(threshold=float(threshold))
        info.header.stamp = stamp
        info.class_map = [self._types.VisionClass(class_id=index, class_name=name)
                          for index, name in enumerate(class_names, first)]
        return info

    def detections(self, instances: Instances, class_names: Sequence[str],
                   header: Header, track_ids: Sequence[int] = ()) -> Any:
        """
        Return the boxes as Detection2DArray; class_id is the name of the class.

        :param track_ids: a number for each instance, 0 for none; empty when nobody follows them.
        """
        array = self._types.Detection2DArray(header=header)
        for row in range(len(instances)):
            detection = self._detection(instances, row, class_names, header)
            detection.id = _identity(track_ids, row)
            array.detections.append(detection)
        return array

    def _detection(self, instances: Instances, row: int, class_names: Sequence[str],
                   header: Header) -> Any:
        """Return one instance as Detection2D."""
        x_min, y_min, x_max, y_max = instances.boxes[row].tolist()
        detection = self._types.Detection2D(header=header)
        detection.bbox.center.position.x = (x_min + x_max) / 2
        detection.bbox.center.position.y = (y_min + y_max) / 2
        detection.bbox.size_x, detection.bbox.size_y = x_max - x_min, y_max - y_min
        detection.results.append(self._hypothesis(instances, row, class_names))
        return detection

    def detections_3d(self, places: Places, instances: Instances, class_names: Sequence[str],
                      header: Header, track_ids: Sequence[int] = ()) -> Any:
        """Return the boxes in space as Detection3DArray, without objects of unknown place."""
        array = self._types.Detection3DArray(header=header)
        turns = places.box_quaternions
        for row in places.known.nonzero()[0].tolist():
            detection = self._types.Detection3D(header=header, id=_identity(track_ids, row))
            pose, size = detection.bbox.center, detection.bbox.size
            pose.position.x, pose.position.y, pose.position.z = places.box_centers[row].tolist()
            (pose.orientation.x, pose.orientation.y, pose.orientation.z,
             pose.orientation.w) = turns[row].tolist()
            size.x, size.y, size.z = places.box_sizes[row].tolist()
            hypothesis = self._hypothesis(instances, row, class_names)
            position = hypothesis.pose.pose.position
            position.x, position.y, position.z = places.positions[row].tolist()
            detection.results.append(hypothesis)
            array.detections.append(detection)
        return array

    def _hypothesis(self, instances: Instances, row: int, class_names: Sequence[str]) -> Any:
        """Return the class of an instance and its score."""
        hypothesis = self._types.ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = class_names[int(instances.class_ids[row])]
        hypothesis.hypothesis.score = min(max(float(instances.scores[row]), 0.0), 1.0)
        return hypothesis


def _identity(track_ids: Sequence[int], row: int) -> str:
    """Return the id that detections of one object share in all messages, '' without a number."""
    return str(track_ids[row]) if len(track_ids) and track_ids[row] else ''
