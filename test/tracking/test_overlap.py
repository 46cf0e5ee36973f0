"""Overlap of masks on crops, against whole images; the motion of a camera, against its truth."""

import numpy as np
import pytest

from yolact_ros.tracking.camera_motion import Motion, common_shift, fit_motion
from yolact_ros.tracking.overlap import Shapes, box_ious, mask_ious


def shapes(rng, count, largest):
    """Return random masks in an image of 200 x 200 px, and the same at full size."""
    rois, crops, full = [], [], np.zeros((count, 200, 200), bool)
    for row in range(count):
        x0, y0 = rng.integers(0, 200 - largest, 2)
        width, height = rng.integers(1, largest, 2)
        crop = rng.random((height, width)) < 0.7
        rois.append((x0, y0, x0 + width, y0 + height))
        crops.append(crop)
        full[row, y0:y0 + height, x0:x0 + width] = crop
    return Shapes(np.array(rois), crops, full.sum(axis=(1, 2))), full


@pytest.mark.parametrize(('largest', 'tolerance'), [(60, 1e-12), (150, 0.03)])
def test_mask_iou_on_crops_is_that_of_whole_images(largest, tolerance):
    rng = np.random.default_rng(0)
    a, full_a = shapes(rng, 12, largest)
    b, full_b = shapes(rng, 9, largest)
    rows, columns = (index.ravel() for index in np.indices((12, 9)))
    wanted = [(full_a[i] & full_b[j]).sum() / (full_a[i] | full_b[j]).sum()
              for i, j in zip(rows, columns)]
    np.testing.assert_allclose(mask_ious(a, b, rows, columns), wanted, atol=tolerance)


def test_box_iou_of_known_boxes():
    a = np.array([[0, 0, 10, 10], [20, 20, 20, 20]], float)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]], float)
    np.testing.assert_allclose(box_ious(a, b), [[1, 1 / 3, 0], [0, 0, 0]])


def test_motions_follow_each_other():
    first, second = Motion(1.1, (5, -3)), Motion(0.9, (2, 4))
    points = np.random.default_rng(1).uniform(0, 500, (6, 2))
    np.testing.assert_allclose(first.then(second).move(points), second.move(first.move(points)))


def test_the_fit_finds_shift_and_zoom_in_spite_of_objects_that_move():
    rng = np.random.default_rng(2)
    before = rng.uniform(0, 1000, (12, 2))
    after = 1.05 * before + (30, -12) + rng.normal(0, 0.3, (12, 2))
    after[:4] += rng.uniform(-80, 80, (4, 2))
    motion = fit_motion(before, after, 60.0)
    assert motion.scale == pytest.approx(1.05, abs=2e-3)
    np.testing.assert_allclose(motion.move(before[4:]), after[4:], atol=2.0)


@pytest.mark.parametrize('count', [0, 1, 2])
def test_few_objects_tell_nothing_about_the_camera(count):
    places = np.full((count, 2), 50.0)
    assert fit_motion(places, places + 9, 20.0) == Motion()
    boxes = np.tile(places, 2) + (0, 0, 20, 20)
    assert common_shift(boxes, boxes + 9, np.ones((count, count), bool)) == Motion()


def test_votes_find_a_shift_larger_than_the_objects():
    rng = np.random.default_rng(4)
    corners = rng.uniform(0, 800, (10, 2))
    boxes = np.concatenate([corners, corners + 40], axis=1)
    found = np.tile((70.0, -45.0), 2) + boxes[rng.permutation(10)]
    shift = common_shift(boxes, found, np.ones((10, 10), bool))
    np.testing.assert_allclose(shift.shift, (70, -45), atol=3)
