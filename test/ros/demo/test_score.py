"""The running score against examples that can be counted by hand."""

import math

import numpy as np
import pytest

from yolact_ros.ros.demo.score import Region, RunningScore


def block(name, x0, y0, width=2, height=2):
    return Region(name, x0, y0, np.ones((height, width), bool))


def score(found, true):
    total = RunningScore()
    total.add(found, true)
    return total


def test_an_empty_frame_without_finds_leaves_all_figures_open():
    total = score([], [])
    assert total.frames == 1
    assert all(math.isnan(value) for value in (total.precision, total.recall, total.mean_iou))


def test_a_find_of_another_class_is_wrong():
    total = score([block('ball', 0, 0)], [block('mug', 0, 0)])
    assert (total.precision, total.recall, total.mean_iou) == (0, 0, 0)


def test_a_second_find_of_the_same_object_is_a_false_one():
    total = score([block('mug', 0, 0), block('mug', 0, 0)], [block('mug', 0, 0)])
    assert (total.precision, total.recall, total.mean_iou) == (0.5, 1, 1)


def test_a_find_takes_the_best_object_that_is_free():
    true = [block('mug', 0, 0, 4), block('mug', 0, 0, 3)]
    total = score([block('mug', 0, 0, 4), block('mug', 0, 0, 4)], true)
    assert (total.right, total.precision, total.recall) == (2, 1, 1)


def test_an_object_that_need_not_be_found_changes_nothing():
    ignored = [block('mug', 8, 8), block('ball', 8, 8)]
    total = RunningScore()
    total.add([block('mug', 0, 0), block('mug', 8, 8)], [block('mug', 0, 0)], ignored)
    total.add([], [], ignored)
    assert (total.precision, total.recall, total.mean_iou) == (1, 1, 1)


def at(name, x0, distance):
    return Region(name, x0, 0, np.ones((2, 2), bool), distance)


def test_distances_of_right_finds_are_compared_where_both_are_known():
    total = RunningScore()
    true = [at('mug', 0, 1.0), at('mug', 4, 2.0), at('ball', 8, 3.0), at('ball', 12, 4.0)]
    # the last but one is unknown, the last a ball of which nobody knows
    found = [at('mug', 4, 2.02), at('mug', 0, 0.99), at('ball', 8, math.nan), at('ball', 20, 9.0)]
    total.add(found, true)
    assert total.distance_errors == pytest.approx([0.02, 0.01])
    assert str(total).endswith(', distances 15.0 mm off (median), 19.5 mm (95 %)')


def test_the_figures_are_sums_over_all_frames():
    total = RunningScore()
    total.add([block('mug', 0, 0)], [block('mug', 0, 0), block('ball', 4, 4)])
    total.add([block('mug', 0, 0)], [])
    assert (total.precision, total.recall, total.mean_iou) == (0.5, 0.5, 0.5)
    assert str(total) == 'mask IoU 0.50, precision 0.50, recall 0.50 over 2 frames'
