"""Masks in every form that labelling tools write give the same pixels, or the reason why not."""

import numpy as np
import pytest
from pycocotools import mask as oracle

from yolact_ros.data.segmentation import LeftOut, NoMask, read_segmentation
from yolact_ros.masks import decode_mask
from yolact_ros.structures import ImageSize

SIZE = ImageSize(20, 30)
MASK = np.zeros((20, 30), np.uint8)
MASK[5:15, 5:15] = 1
MASK[0:4, 20:24] = 1
FLAT = [[5, 5, 15, 5, 15, 15, 5, 15], [20, 0, 24, 0, 24, 4, 20, 4]]
POINTS = [[[5, 5], [15, 5], [15, 15], [5, 15]], [[20, 0], [24, 0], [24, 4], [20, 4]]]


def compressed(mask):
    rle = oracle.encode(np.asfortranarray(mask))
    return {'size': list(mask.shape), 'counts': rle['counts'].decode()}


def parts():
    left = MASK.copy()
    left[:, 18:] = 0
    return [compressed(left), compressed(MASK - left)]


@pytest.mark.parametrize('segmentation', [FLAT, POINTS, compressed(MASK), parts()],
                         ids=['polygons', 'polygons of points', 'RLE', 'list of RLEs'])
def test_every_form_gives_the_same_pixels(segmentation):
    np.testing.assert_array_equal(decode_mask(read_segmentation(segmentation, SIZE)), MASK)


@pytest.mark.parametrize('segmentation', [FLAT[0], POINTS[0]], ids=['bare', 'points'])
def test_one_polygon_needs_no_list_around_it(segmentation):
    mask = decode_mask(read_segmentation(segmentation, SIZE))
    assert mask.sum() == 100 and mask[5:15, 5:15].all()


@pytest.mark.parametrize('segmentation', [None, [], {}, ''])
def test_no_mask_is_told_apart_from_a_damaged_one(segmentation):
    with pytest.raises(NoMask):
        read_segmentation(segmentation, SIZE)


@pytest.mark.parametrize('segmentation, reason', [
    ([[1e8, 5, 15, 5, 15, 15]], 'picture sizes outside'),
    ([[1, 1, 5, 5]], 'fewer than three'), ([[1, 1, 5, 5, 9, 'x']], 'finite numbers'),
    ([FLAT[0], 7], 'finite numbers'), ([[1, 1, 5, 5, 9, 10 ** 400]], 'finite numbers'),
    ([[1, 1, 5, 5, 9, float('nan')]], 'finite numbers'),
    ({'size': [20, 30]}, 'no counts'), ({'size': [20, 30], 'counts': [600.0]}, 'no counts'),
    ({'size': None, 'counts': [600]}, 'size of the RLE'),
    ([{'x': 1, 'y': 1}, {'x': 5, 'y': 5}, {'x': 9, 'y': 5}], 'neither polygons nor RLE'),
    ({'size': [20, 30], 'counts': [700, -100]}, 'add up'),
    ({'size': [20, 30], 'counts': compressed(MASK)['counts'][:-2]}, 'damaged|add up'),
    ({'size': [20, 30], 'counts': 'no counts!'}, 'damaged')])
def test_a_damaged_mask_is_left_out_with_the_reason(segmentation, reason):
    with pytest.raises(LeftOut, match=reason):
        read_segmentation(segmentation, SIZE)
