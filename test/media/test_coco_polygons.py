"""Polygons drawn again by pycocotools are the masks they came from."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api

from yolact_ros.media.coco_polygons import mask_polygons


def drawn(polygons, height, width):
    """Return the mask that pycocotools makes of polygons."""
    return mask_api.decode(mask_api.merge(mask_api.frPyObjects(polygons, height, width))) > 0


def test_a_rectangle_is_drawn_again_exactly():
    mask = np.zeros((40, 60), bool)
    mask[10:20, 15:45] = True
    np.testing.assert_array_equal(drawn(mask_polygons(mask[10:20, 15:45], 15, 10), 40, 60), mask)


@pytest.mark.parametrize('angle', [0, 20, 45, 70])
def test_an_ellipse_is_drawn_again_nearly(angle):
    mask = np.zeros((100, 120), np.uint8)
    cv2.ellipse(mask, (60, 50), (40, 22), angle, 0, 360, 1, -1)
    polygons = mask_polygons(mask.astype(bool), 0, 0)
    again = drawn(polygons, 100, 120)
    assert (again & (mask > 0)).sum() / (again | (mask > 0)).sum() > 0.97
    assert len(polygons[0]) / 2 < 60  # few enough corners to correct by hand


def test_parts_become_polygons_of_their_own_and_nothing_none():
    mask = np.zeros((20, 40), bool)
    mask[5:15, 5:15], mask[5:15, 25:35] = True, True
    assert len(mask_polygons(mask, 0, 0)) == 2
    assert mask_polygons(np.zeros((5, 5), bool), 0, 0) == []
