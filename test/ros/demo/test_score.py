"""The running score against examples that can be counted by hand."""

import math

import numpy as np

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


def test_the_figures_are_sums_over_all_frames():
    total = RunningScore()
    total.add([block('mug', 0, 0)], [block('mug', 0, 0), block('ball', 4, 4)])
    total.add([block('mug', 0, 0)], [])
    assert (total.precision, total.recall, total.mean_iou) == (0.5, 0.5, 0.5)
    assert str(total) == 'mask IoU 0.50, precision 0.50, recall 0.50 over 2 frames'
