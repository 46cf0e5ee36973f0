"""Conversion to vision_msgs, with stand-ins of its types: the package has no wheel."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from yolact_ros.ros.node.vision_messages import VisionMessages
from yolact_ros.structures import ImageSize, Instances


class Message(SimpleNamespace):
    """A message whose missing fields appear when they are asked for."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        value = [] if name in ('detections', 'results', 'class_map') else Message()
        setattr(self, name, value)
        return value


TYPES = ModuleType('vision_msgs.msg')
for _name in ('Detection2DArray', 'Detection2D', 'ObjectHypothesisWithPose', 'LabelInfo',
              'VisionClass'):
    setattr(TYPES, _name, type(_name, (Message,), {}))
ONE = Instances(ImageSize(10, 20), np.float32([[2, 4, 8, 6]]), np.float32([0.5]),
                np.float32([np.nan]), np.float32([0.5]), np.array([1]),
                np.zeros((1, 4), np.int32), (np.zeros((0, 0), bool),))


def test_array_without_instances_has_the_header_and_no_detection():
    header = Header(frame_id='camera')
    array = VisionMessages(TYPES).detections(Instances.empty(ImageSize(1, 1)), ['mug'], header)
    assert (array.header, array.detections) == (header, [])


def test_box_is_given_by_centre_and_size():
    array = VisionMessages(TYPES).detections(ONE, ['mug', 'bowl'], Header())
    detection = array.detections[0]
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (5.0, 5.0)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (6.0, 2.0)
    assert detection.id == '1'
    hypothesis = detection.results[0].hypothesis
    assert (hypothesis.class_id, hypothesis.score) == ('bowl', 0.5)


def test_label_info_numbers_the_class_names():
    info = VisionMessages(TYPES).label_info(['mug', 'bowl'], 0.3, Time(sec=7))
    assert [(each.class_id, each.class_name) for each in info.class_map] \
        == [(0, 'mug'), (1, 'bowl')]
    assert (info.threshold, info.header.stamp) == (0.3, Time(sec=7))


def test_package_is_found_only_where_it_is_installed_and_new_enough(monkeypatch):
    package, old = ModuleType('vision_msgs'), ModuleType('vision_msgs.msg')
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    absent = VisionMessages.if_installed()
    monkeypatch.setitem(sys.modules, 'vision_msgs', package)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', old)
    package.msg = old
    outdated = VisionMessages.if_installed()
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', TYPES)
    package.msg = TYPES
    assert (absent, outdated) == (None, None)
    assert VisionMessages.if_installed().type_of('LabelInfo') is TYPES.LabelInfo
