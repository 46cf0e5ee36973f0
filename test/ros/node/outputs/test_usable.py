"""Objects that are too small or too near to the border are left out; what is cut is marked."""

import numpy as np
import pytest
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from yolact_ros.ros.instance_codec import encode_array
from yolact_ros.ros.node.outputs.usable import usable_rows
from yolact_ros.structures import ImageSize, Instances


def instances(*rois, cut=0):
    """Return objects that fill their rois, but for `cut` pixels."""
    crops = []
    for x0, y0, x1, y1 in rois:
        crop = np.ones((y1 - y0, x1 - x0), bool)
        crop.ravel()[:cut] = False
        crops.append(crop)
    count = len(rois)
    scores = np.full(count, 0.5, np.float32)
    return Instances(ImageSize(20, 30), np.zeros((count, 4), np.float32), scores, scores, scores,
                     np.zeros(count, np.int64), np.array(rois, np.int32).reshape(-1, 4),
                     tuple(crops))


def test_without_objects_there_is_nothing_to_leave_out():
    assert usable_rows(instances(), 10, 10).tolist() == []


@pytest.mark.parametrize(('min_area', 'kept'), [(0, True), (11, True), (12, False)])
def test_area_counts_set_pixels(min_area, kept):
    assert usable_rows(instances((5, 5, 9, 8), cut=1), min_area, 0).tolist() == [kept]


@pytest.mark.parametrize(('roi', 'gap'), [
    ((0, 5, 4, 8), 0), ((3, 5, 9, 8), 3), ((5, 2, 9, 8), 2), ((5, 5, 30, 8), 0),
    ((5, 5, 29, 8), 1), ((5, 5, 9, 20), 0), ((5, 5, 9, 16), 4)],
    ids=['left', '3 from left', '2 from top', 'right', '1 from right', 'bottom', '4 from bottom'])
def test_margin_is_the_least_distance_from_any_border(roi, gap):
    kept = [usable_rows(instances(roi), 0, margin).item() for margin in (0, gap, gap + 1)]
    assert kept == [True, True, False]


def test_mask_without_a_pixel_touches_no_border():
    assert usable_rows(instances((0, 0, 0, 0)), 0, 5).tolist() == [True]


@pytest.mark.parametrize(('roi', 'truncated'), [
    ((0, 5, 4, 8), True), ((5, 0, 9, 8), True), ((5, 5, 30, 8), True), ((5, 5, 9, 20), True),
    ((1, 1, 29, 19), False), ((0, 0, 0, 0), False)],
    ids=['left', 'top', 'right', 'bottom', 'inside', 'no pixel'])
def test_what_the_border_cuts_is_marked(roi, truncated):
    array = encode_array(instances(roi), ['mug'], Header())
    assert array.instances[0].truncated is truncated


def test_window_without_pixels_is_not_cut():
    array = encode_array(instances((0, 0, 2, 2), cut=4), ['mug'], Header())
    assert array.instances[0].truncated is False


def test_parameters_leave_objects_out_while_the_node_runs(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    counts = []
    for name, value in (('min_mask_area', 4), ('min_mask_area', 5), ('min_mask_area', 0),
                        ('edge_margin', 1), ('edge_margin', 0)):
        bench.node.set_parameters([Parameter(name, value=value)])
        counts.append(len(bench.segment(camera, messages).instances))
    assert counts == [2, 0, 2, 0, 2]


def test_tracks_go_on_behind_what_is_left_out(bench):
    camera, messages = bench.camera(), bench.listen()
    for margin in (0, 0, 1, 1, 0):
        bench.node.set_parameters([Parameter('edge_margin', value=margin)])
        result = bench.segment(camera, messages)
    # One mask found as two classes is one object: its better half has the number.
    assert [mask.track_id for mask in result.instances] == ['1', '']
