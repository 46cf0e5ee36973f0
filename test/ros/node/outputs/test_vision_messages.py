"""Conversion to vision_msgs, with stand-ins of its types: the package has no wheel."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, PoseWithCovariance, Vector3
from std_msgs.msg import Header

from yolact_ros.geometry import Places
from yolact_ros.ros.node.outputs.vision_messages import VisionMessages
from yolact_ros.structures import ImageSize, Instances

# The definitions of vision_msgs 4, as its .msg files give them.
DEFINITIONS = {
    'Point2D': 'float64 x, float64 y',
    'Pose2D': 'Point2D position, float64 theta',
    'BoundingBox2D': 'Pose2D center, float64 size_x, float64 size_y',
    'ObjectHypothesis': 'string class_id, float64 score',
    'ObjectHypothesisWithPose': 'ObjectHypothesis hypothesis, '
                                'geometry_msgs/PoseWithCovariance pose',
    'Detection2D': 'std_msgs/Header header, ObjectHypothesisWithPose[] results, '
                   'BoundingBox2D bbox, string id',
    'Detection2DArray': 'std_msgs/Header header, Detection2D[] detections',
    'BoundingBox3D': 'geometry_msgs/Pose center, geometry_msgs/Vector3 size',
    'Detection3D': 'std_msgs/Header header, ObjectHypothesisWithPose[] results, '
                   'BoundingBox3D bbox, string id',
    'Detection3DArray': 'std_msgs/Header header, Detection3D[] detections',
    'VisionClass': 'uint16 class_id, string class_name',
    'LabelInfo': 'std_msgs/Header header, VisionClass[] class_map, float32 threshold',
}
PLAIN = {'float64': float, 'float32': float, 'uint16': int, 'string': str,
         'std_msgs/Header': Header, 'geometry_msgs/PoseWithCovariance': PoseWithCovariance,
         'geometry_msgs/Pose': Pose, 'geometry_msgs/Vector3': Vector3}
TYPES = ModuleType('vision_msgs.msg')


class Message:
    """A message that, like a generated one, takes its own fields only, of the right type."""

    def __init__(self, **values):
        for name, kind in self.kinds.items():
            setattr(self, name, values.pop(name) if name in values else kind())
        assert not values, f'{type(self).__name__} has no {sorted(values)}'

    def __setattr__(self, name, value):
        assert name in self.kinds, f'{type(self).__name__} has no {name}'
        assert type(value) is self.kinds[name], f'{name} takes {self.kinds[name]}, got {value!r}'
        for each in value if isinstance(value, list) else ():
            assert type(each) is self.elements[name]
        super().__setattr__(name, value)


def make_type(name, definition):
    """Return the class of a definition whose parts have been made."""
    rows = [row.split(' ') for row in definition.split(', ')]
    parts = {field: PLAIN.get(kind) or getattr(TYPES, kind.removesuffix('[]'))
             for kind, field in rows}
    return type(name, (Message,), {
        'elements': parts,
        'kinds': {field: list if kind.endswith('[]') else parts[field] for kind, field in rows}})


for _name, _definition in DEFINITIONS.items():
    setattr(TYPES, _name, make_type(_name, _definition))
ONE = Instances(ImageSize(10, 20), np.float32([[2, 4, 8, 6]]), np.float32([0.5]),
                np.float32([np.nan]), np.float32([0.5]), np.array([1]),
                np.zeros((1, 4), np.int32), (np.zeros((0, 0), bool),))


def test_stand_ins_refuse_what_generated_messages_refuse():
    for wrong in ({'label': 'mug'}, {'class_id': '1'}):
        with pytest.raises(AssertionError):
            TYPES.VisionClass(**wrong)


def test_array_without_instances_has_the_header_and_no_detection():
    header = Header(frame_id='camera')
    array = VisionMessages(TYPES).detections(Instances.empty(ImageSize(1, 1)), ['mug'], header)
    assert (array.header, array.detections) == (header, [])


def test_box_is_given_by_centre_and_size():
    array = VisionMessages(TYPES).detections(ONE, ['mug', 'bowl'], Header())
    detection = array.detections[0]
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (5.0, 5.0)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (6.0, 2.0)
    hypothesis = detection.results[0].hypothesis
    assert (hypothesis.class_id, hypothesis.score) == ('bowl', 0.5)


@pytest.mark.parametrize(('track_ids', 'number'), [((), ''), ((0,), ''), ((17,), '17')],
                         ids=['not followed', 'not yet', 'followed'])
def test_detections_of_one_object_have_its_number_in_every_message(track_ids, number):
    places = replace(Places.unknown(1), points=np.array([9]), positions=np.ones((1, 3)),
                     box_centers=np.ones((1, 3)), box_rotations=np.eye(3)[None],
                     box_sizes=np.ones((1, 3)))
    vision = VisionMessages(TYPES)
    flat = vision.detections(ONE, ['mug', 'bowl'], Header(), track_ids)
    deep = vision.detections_3d(places, ONE, ['mug', 'bowl'], Header(), track_ids)
    assert (flat.detections[0].id, deep.detections[0].id) == (number, number)


def test_score_leaves_within_its_range():
    high = replace(ONE, scores=np.float32([1.011]))  # by a mask score above one
    array = VisionMessages(TYPES).detections(high, ['mug', 'bowl'], Header())
    assert array.detections[0].results[0].hypothesis.score == 1.0


def test_box_in_space_has_its_pose_and_the_surface_as_position():
    places = replace(Places.unknown(1), positions=np.array([[1.0, 2, 3]]), points=np.array([9]),
                     box_centers=np.array([[4.0, 5, 6]]), box_rotations=np.eye(3)[None],
                     box_sizes=np.array([[0.1, 0.2, 0.3]]))
    array = VisionMessages(TYPES).detections_3d(places, ONE, ['mug', 'bowl'], Header())
    detection = array.detections[0]
    center, size = detection.bbox.center, detection.bbox.size
    assert (center.position.x, center.position.y, center.position.z) == (4.0, 5.0, 6.0)
    assert (center.orientation.x, center.orientation.w) == (0.0, 1.0)
    assert (size.x, size.y, size.z) == (0.1, 0.2, 0.3)
    result = detection.results[0]
    assert (result.hypothesis.class_id, result.hypothesis.score) == ('bowl', 0.5)
    assert result.pose.pose.position.z == 3.0


def test_object_of_unknown_place_is_no_detection_in_space():
    header = Header(frame_id='camera')
    array = VisionMessages(TYPES).detections_3d(Places.unknown(1), ONE, ['mug', 'bowl'], header)
    assert (array.header, array.detections) == (header, [])


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
