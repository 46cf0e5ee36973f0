"""Run lengths, boxes, overlaps and matches against pycocotools and against naive loops."""

import json

import numpy as np
import pytest
from pycocotools import mask as oracle

from yolact_ros.masks import (
    box_of_mask,
    boxes_of_masks,
    compress_runs,
    crop_iou,
    decode_mask,
    decompress_runs,
    encode_crop,
    encode_mask,
    greedy_matches,
    iou_matrix,
    join_masks,
    rasterise_polygons,
    rle_area,
    rle_box,
    tighten,
)
from yolact_ros.structures import ImageSize


def full(crop, roi, size):
    """Return the mask at the size of the image."""
    mask = np.zeros((size.height, size.width), np.uint8)
    mask[roi[1]:roi[3], roi[0]:roi[2]] = crop
    return mask


def scattered(shape, seed, share=0.5):
    return np.random.default_rng(seed).random(shape) < share


@pytest.mark.parametrize(('roi', 'size'), [
    ((0, 0, 0, 0), (5, 7)), ((0, 0, 7, 5), (5, 7)), ((2, 0, 6, 5), (5, 7)), ((2, 1, 6, 4), (5, 7)),
    ((6, 4, 7, 5), (5, 7)), ((0, 0, 1, 1), (1, 1)), ((0, 3, 1, 90), (100, 1)),
    ((3, 0, 80, 1), (1, 99))],
    ids=['empty', 'whole', 'full height', 'inside', 'last pixel', '1x1', 'column', 'row'])
@pytest.mark.parametrize('kind', ['full', 'random', 'ring'])
def test_run_lengths_of_a_crop_equal_those_of_pycocotools_at_image_size(roi, size, kind):
    size = ImageSize(*size)
    crop = np.ones((roi[3] - roi[1], roi[2] - roi[0]), bool)
    if kind == 'random':
        crop = scattered(crop.shape, 7, 0.6)
    if kind == 'ring':
        crop[1:-1, 1:-1] = False
    expected = oracle.encode(np.asfortranarray(full(crop, roi, size)))
    assert encode_crop(crop, roi, size) == {'size': [size.height, size.width],
                                            'counts': expected['counts'].decode()}


@pytest.mark.parametrize('mask, roi, crop', [
    ([[0, 0], [0, 0]], (0, 0, 0, 0), np.zeros((0, 0))),
    (np.zeros((0, 3)), (0, 0, 0, 0), np.zeros((0, 0))),
    ([[1]], (10, 20, 11, 21), [[1]]),
    ([[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], (11, 21, 13, 23), [[0, 1], [1, 0]]),
    ([[0, 1, 0, 0, 1]], (11, 20, 15, 21), [[1, 0, 0, 1]])],
    ids=['empty', 'no pixels', 'one', 'bordered', 'with a gap'])
def test_a_mask_is_tightened_where_it_lies(mask, roi, crop):
    found_roi, found = tighten(np.array(mask, bool), 10, 20)
    assert found_roi == roi and found.flags.c_contiguous
    np.testing.assert_array_equal(found, np.array(crop, bool))


@pytest.mark.parametrize('dtype', [bool, np.uint8, np.float32])
def test_a_mask_survives_run_lengths_and_json(dtype):
    mask = scattered((9, 13), 3).astype(dtype)
    rle = json.loads(json.dumps(encode_mask(mask)))
    np.testing.assert_array_equal(decode_mask(rle), mask != 0)
    assert rle_area(rle) == sum(map(bool, mask.ravel()))


def test_plain_run_lengths_go_down_the_columns():
    rle = compress_runs([1, 2, 3], ImageSize(3, 2))
    assert decode_mask(rle).tolist() == [[0, 0], [1, 0], [1, 0]]
    assert rle_box(rle) == (0, 1, 1, 2)


def test_an_object_of_two_polygons_is_one_mask():
    halves = [[0, 0, 4, 0, 4, 4, 0, 4], [10, 0, 14, 0, 14, 4, 10, 4]]
    mask = decode_mask(rasterise_polygons(halves, ImageSize(20, 30)))
    np.testing.assert_array_equal(np.argwhere(mask), [
        (y, x) for y in range(4) for x in (0, 1, 2, 3, 10, 11, 12, 13)])


@pytest.mark.parametrize('share', [0.02, 0.5, 0.98])
def test_stored_run_lengths_are_the_counted_ones(share):
    mask = scattered((70, 90), 5, share)
    counts, value = [0], False
    for pixel in mask.ravel('F'):
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    stored = oracle.encode(np.asfortranarray(mask, np.uint8))['counts'].decode()
    assert decompress_runs(stored).tolist() == counts


def test_long_runs_are_read_too():
    counts = [10_000_000, 3, 20_000_000, 1_000_000, 5]
    assert decompress_runs(compress_runs(counts, ImageSize(1000, 31_000))['counts']).tolist() == \
        counts


@pytest.mark.parametrize('text', ['', '!', 'P', 'o' * 30 + '0', '\N{SNOWMAN}'],
                         ids=['nothing', 'foreign', 'no end', 'too long', 'not ASCII'])
def test_damaged_run_lengths_are_refused(text):
    with pytest.raises(ValueError, match='damaged'):
        decompress_runs(text)


def test_joined_masks_have_the_pixels_of_all():
    one, other = scattered((6, 7), 1), scattered((6, 7), 2)
    np.testing.assert_array_equal(decode_mask(join_masks([encode_mask(one), encode_mask(other)])),
                                  one | other)


def naive_box(mask):
    pixels = [(x, y) for y in range(mask.shape[0]) for x in range(mask.shape[1]) if mask[y, x]]
    if not pixels:
        return 0, 0, 0, 0
    return (min(x for x, _ in pixels), min(y for _, y in pixels),
            max(x for x, _ in pixels) + 1, max(y for _, y in pixels) + 1)


@pytest.mark.parametrize('mask', [
    np.zeros((0, 0), bool), np.zeros((3, 4), bool), np.ones((3, 4), bool),
    scattered((8, 9), 1, 0.04), scattered((8, 9), 2, 0.04).astype(np.uint8),
    scattered((8, 9), 3, 0.04).astype(np.float32) * 0.5, scattered((16, 18), 4, 0.02)[::-2, ::2],
    scattered((8, 9), 5, 0.04).T],
    ids=['no pixels', 'empty', 'full', 'bool', 'uint8', 'float', 'every other', 'transposed'])
def test_the_box_of_a_mask_is_that_of_its_pixels(mask):
    assert box_of_mask(mask) == naive_box(mask)


def test_boxes_of_masks_are_rows_also_when_there_are_none():
    masks = scattered((3, 6, 7), 8, 0.05)
    np.testing.assert_array_equal(boxes_of_masks(masks), [naive_box(mask) for mask in masks])
    assert boxes_of_masks(np.zeros((0, 6, 7), np.uint8)).shape == (0, 4)


def naive_iou(one, other):
    pairs = list(zip(one.ravel() != 0, other.ravel() != 0))
    union = sum(a or b for a, b in pairs)
    return sum(a and b for a, b in pairs) / union if union else 0.0


@pytest.mark.parametrize('count', [0, 1, 3])
def test_overlaps_of_masks_equal_counted_pixels(count):
    found = [scattered((7, 9), seed) for seed in range(count)]
    true = [scattered((7, 9), 10 + seed) for seed in range(2)]
    overlaps = iou_matrix([encode_mask(mask) for mask in found],
                          [encode_mask(mask) for mask in true])
    assert overlaps.shape == (count, 2)
    expected = [[naive_iou(one, other) for other in true] for one in found]
    np.testing.assert_allclose(overlaps, np.reshape(expected, (count, 2)))


def test_overlaps_of_boxes_and_with_crowds():
    boxes = np.array([[0, 0, 10, 10], [20, 0, 10, 10]], float)
    crowd = np.array([[0, 0, 5, 100]], float)
    assert iou_matrix(boxes, crowd, [True]).tolist() == [[0.5], [0]]
    assert iou_matrix(boxes, crowd)[0, 0] == pytest.approx(50 / 550)


SQUARE = np.ones((2, 2), bool)


@pytest.mark.parametrize('other, at, expected', [
    (SQUARE, (0, 0), 1.0), (SQUARE, (1, 0), 2 / 6), (SQUARE, (1, 1), 1 / 7),
    (SQUARE, (2, 0), 0.0), (SQUARE, (9, 9), 0.0), (np.zeros((0, 0), bool), (0, 0), 0.0),
    (np.array([[True, False]]), (0, 0), 1 / 4)])
def test_the_overlap_of_crops_counts_common_and_covered_pixels(other, at, expected):
    assert crop_iou(SQUARE, (0, 0), other, at) == pytest.approx(expected)
    assert crop_iou(other, at, SQUARE, (0, 0)) == pytest.approx(expected)


def test_the_overlap_of_crops_is_that_of_the_whole_masks():
    size = ImageSize(20, 30)
    places = [(scattered((6, 8), 1), (3, 4)), (scattered((9, 5), 2), (5, 2))]
    wholes = [full(crop, (x, y, x + crop.shape[1], y + crop.shape[0]), size)
              for crop, (x, y) in places]
    (one, at), (other, other_at) = places
    assert crop_iou(one, at, other, other_at) == pytest.approx(naive_iou(*wholes))


def test_two_empty_crops_do_not_overlap():
    empty = np.zeros((1, 1), bool)
    assert crop_iou(empty, (0, 0), empty, (0, 0)) == 0.0


def naive_matches(overlaps, threshold):
    free, matches = list(range(overlaps.shape[1])), []
    for row in overlaps:
        good = [column for column in free if row[column] >= threshold]
        best = max(good, key=lambda column: row[column]) if good else -1
        matches.append(best)
        free = [column for column in free if column != best]
    return matches


def naive_best_first(overlaps, threshold):
    matches = [-1] * len(overlaps)
    left = {(row, column) for row in range(overlaps.shape[0])
            for column in range(overlaps.shape[1]) if overlaps[row, column] >= threshold}
    while left:
        row, column = max(left, key=lambda pair: overlaps[pair])
        matches[row] = column
        left = {pair for pair in left if pair[0] != row and pair[1] != column}
    return matches


@pytest.mark.parametrize('shape', [(0, 0), (0, 3), (3, 0), (1, 1), (5, 3), (4, 8)])
@pytest.mark.parametrize('threshold', [0.0, 0.5, 0.8])
def test_matches_equal_those_of_a_naive_loop(shape, threshold):
    for seed in range(20):
        overlaps = np.random.default_rng(seed).random(shape)
        assert greedy_matches(overlaps, threshold).tolist() == naive_matches(overlaps, threshold)
        assert greedy_matches(overlaps, threshold, True).tolist() == naive_best_first(
            overlaps, threshold)


def test_the_first_row_chooses_first_unless_the_best_overlap_does():
    overlaps = np.array([[0.6, 0.5], [0.9, 0.1]])
    assert greedy_matches(overlaps, 0.5).tolist() == [0, -1]
    assert greedy_matches(overlaps, 0.5, best_overlap_first=True).tolist() == [1, 0]


def test_an_overlap_at_the_threshold_counts():
    assert greedy_matches(np.array([[0.5]]), 0.5).tolist() == [0]
    assert greedy_matches(np.array([[0.5]]), np.nextafter(0.5, 1)).tolist() == [-1]
