"""Boxes and names for RViz."""

from dataclasses import replace

import numpy as np
import pytest
from depth_images import header
from visualization_msgs.msg import Marker

from yolact_ros.geometry import Places
from yolact_ros.ros.node.depth.markers import markers
from yolact_ros.structures import ImageSize, Instances

COLORS = [(255, 0, 51), (0, 255, 0)]


def found(track_ids=(), known=(True, False)):
    """Return the markers of a mug 5 m away and of a bowl that nobody knows the place of."""
    scores = np.array([0.9, 0.8], np.float32)
    rois = np.tile(np.array([0, 0, 1, 1], np.int32), (2, 1))
    instances = Instances(ImageSize(2, 3), rois.astype(np.float32), scores, scores, scores,
                          np.array([0, 1]), rois, (np.ones((1, 1), bool),) * 2)
    places = replace(Places.unknown(2), positions=np.array([[0.0, 3, 4], [np.nan] * 3]),
                     box_centers=np.array([[0.1, 3, 4.5], [np.nan] * 3]),
                     box_rotations=np.stack([np.eye(3), np.full((3, 3), np.nan)]),
                     box_sizes=np.array([[0.2, 0.4, 0.0], [np.nan] * 3]),
                     points=np.where(known, 9, 0))
    return markers(places, instances, ('mug', 'bowl'), COLORS, track_ids, header(2.0)).markers


def test_the_first_marker_takes_the_old_ones_away():
    assert found()[0].action == Marker.DELETEALL
    assert [one.action for one in found(known=(False, False))] == [Marker.DELETEALL]


def test_only_objects_with_a_place_have_a_box():
    assert [(one.ns, one.id, one.type) for one in found()[1:]] == [
        ('boxes', 1, Marker.CUBE), ('names', 1, Marker.TEXT_VIEW_FACING)]


def test_the_box_is_that_of_the_object_in_its_colour():
    box = found()[1]
    assert (box.pose.position.x, box.pose.position.y, box.pose.position.z) == (0.1, 3, 4.5)
    assert box.pose.orientation.w == 1
    assert (box.scale.x, box.scale.y) == (0.2, 0.4)
    assert box.scale.z > 0  # RViz refuses a box without thickness
    assert (box.color.r, box.color.g, box.color.b) == pytest.approx((1, 0, 0.2))
    assert 0 < box.color.a < 1
    assert box.header == header(2.0)


@pytest.mark.parametrize('track_ids, text', [((), 'mug 0.90 5.00 m'), ((0, 3), 'mug 0.90 5.00 m'),
                                             ((12, 3), '12 mug 0.90 5.00 m')])
def test_the_name_says_number_class_score_and_distance(track_ids, text):
    name = found(track_ids)[2]
    assert name.text == text
    assert name.pose.position.y < 3 - 0.2  # above the box: y is down
    assert name.scale.z > 0
