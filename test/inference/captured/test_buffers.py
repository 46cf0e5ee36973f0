"""What a captured frame sends back, read on the host."""

import numpy as np
import pytest
import torch

from yolact_ros.inference.captured.buffers import (
    FrameLimits,
    FrameResult,
    make_result,
    mask_bytes,
    read_result,
)
from yolact_ros.structures import ImageSize

# Loose roi x0, y0, x1, y1 and pixels of three masks in an image of 30 x 20 pixels.
MASKS = (((2, 3, 20, 7), [(5, 4), (17, 4), (6, 5)]),
         ((0, 0, 5, 4), []),
         ((21, 0, 30, 20), [(21, 0), (29, 19), (25, 10)]))
TIGHT = [(5, 4, 18, 6), (0, 0, 0, 0), (21, 0, 30, 20)]


def filled_result(size, masks, scores):
    """Return a result with room for four, in whose first image there is nothing."""
    block = make_result(FrameLimits(2, 4, 600, 300), torch.device('cpu'))
    result = FrameResult(*(part.numpy() for part in block.host))
    result.bits[:] = 255  # of a frame before
    result.counts[1], result.class_scores[1, :len(scores)] = len(masks), scores
    result.mask_scores[:] = np.nan
    first_byte = 0
    for row, ((x0, y0, x1, y1), pixels) in zip(result.table[1], masks):
        xs, ys = [x for x, _ in pixels], [y for _, y in pixels]
        tight = (min(xs), min(ys), max(xs) + 1, max(ys) + 1) if pixels else \
            (size.width, size.height, 0, 0)
        row[:] = x0, y0, x1, y1, *tight, first_byte
        for y in range(y0, y1):
            for start in range(x0, x1, 8):
                result.bits[1, first_byte] = sum(128 >> bit for bit in range(8)
                                                 if (start + bit, y) in pixels)
                first_byte += 1
    return result, first_byte


@pytest.mark.parametrize('scores', [[0.9, 0.8, 0.7], [0.7, 0.9, 0.8]], ids=['sorted', 'mixed'])
def test_masks_are_read_pixel_by_pixel_best_score_first(scores):
    size = ImageSize(20, 30)
    result, _ = filled_result(size, MASKS, scores)

    found = read_result(result, 1, size)

    order = sorted(range(3), key=lambda row: -scores[row])
    assert found.rois.tolist() == [list(TIGHT[row]) for row in order]
    for row, mask in zip(order, found.full_masks()):
        assert {(x, y) for y, x in np.argwhere(mask).tolist()} == set(MASKS[row][1])


def test_an_image_without_objects_is_read_as_none():
    result, _ = filled_result(ImageSize(20, 30), MASKS, [0.9, 0.8, 0.7])

    assert len(read_result(result, 0, ImageSize(20, 30))) == 0


def test_what_was_read_stays_when_the_memory_is_used_again():
    size = ImageSize(20, 30)
    result, _ = filled_result(size, MASKS, [0.9, 0.8, 0.7])
    found = read_result(result, 1, size)
    before = found.full_masks(), found.scores.copy(), found.boxes.copy(), found.rois.copy()

    for part in result:
        part[:] = 1

    for kept, was in zip((found.full_masks(), found.scores, found.boxes, found.rois), before):
        np.testing.assert_array_equal(kept, was)


def test_the_bytes_of_all_masks_are_counted():
    result, expected = filled_result(ImageSize(20, 30), MASKS, [0.9, 0.8, 0.7])

    assert mask_bytes(result, 0) == 0
    # Rows of 18, 5 and 9 pixels: 3, 1 and 2 bytes
    assert mask_bytes(result, 1) == expected == 4 * 3 + 4 * 1 + 20 * 2
