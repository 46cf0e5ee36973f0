"""Trails: where numbered objects were in the last second."""

import numpy as np

from yolact_ros.structures import ImageSize, Instances
from yolact_ros.tracking import Trails


def boxes(*corners):
    """Return objects of 10 x 10 px without masks."""
    count = len(corners)
    scores = np.linspace(0.9, 0.8, count).astype(np.float32)
    corners = np.array(corners, np.float32).reshape(-1, 2)
    return Instances(ImageSize(100, 100), np.concatenate([corners, corners + 10], axis=1), scores,
                     scores, scores, np.zeros(count, np.int64), np.zeros((count, 4), np.int32),
                     (np.zeros((0, 0), bool),) * count)


def test_a_trail_holds_the_centres_of_the_last_second_oldest_first():
    trails = Trails(seconds=1.0)
    for stamp in (0.0, 0.5, 1.0, 1.25):
        (trail,) = trails.update(boxes((40 * stamp, 20)), np.array([4]), stamp)
    assert trail.tolist() == [[25, 25], [45, 25], [55, 25]]


def test_objects_without_a_number_have_no_trail():
    trails = Trails()
    for stamp in (0.0, 0.1):
        first, second = trails.update(boxes((0, 0), (50, 50)), np.array([0, 3]), stamp)
    assert first.shape == (0, 2)
    assert second.shape == (2, 2)


def test_a_stamp_that_jumps_back_starts_trails_anew():
    trails = Trails()
    trails.update(boxes((0, 0)), np.array([1]), 5.0)
    (trail,) = trails.update(boxes((10, 0)), np.array([1]), 1.0)
    assert trail.tolist() == [[15, 5]]
