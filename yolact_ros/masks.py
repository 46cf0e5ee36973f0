"""Masks as pixels and as COCO run lengths: their boxes, their overlaps, who matches whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from yolact_ros.structures import ImageSize

# Box x0, y0, x1, y1 [px], half-open and tight around the mask, and the (h, w) bool mask inside it.
PixelMask = tuple[tuple[int, int, int, int], np.ndarray]
NO_PIXELS: PixelMask = (0, 0, 0, 0), np.zeros((0, 0), bool)

# COCO's compressed run lengths: {'size': [H, W], 'counts': str}, runs go down the columns.
Rle = Mapping[str, Any]


def box_of_mask(mask: np.ndarray) -> tuple[int, int, int, int]:
    """
    Return x0, y0, x1, y1 around a mask [px], half-open; an empty one has the box 0, 0, 0, 0.

    :param mask: (H, W), nonzero on the object.
    """
    if mask.size == 0:
        return 0, 0, 0, 0
    pixels = mask if mask.dtype == np.uint8 else mask.astype(bool, copy=False).view(np.uint8)
    x0, y0, width, height = cv2.boundingRect(np.ascontiguousarray(pixels))
    return x0, y0, x0 + width, y0 + height


def tighten(mask: np.ndarray, x0: int = 0, y0: int = 0) -> PixelMask:
    """
    Return a mask without empty border rows and columns, and where it lies.

    :param mask: (h, w) bool, its upper left corner lies at x0, y0 [px].
    """
    left, top, right, bottom = box_of_mask(mask)
    if right == 0:
        return NO_PIXELS
    crop = np.ascontiguousarray(mask[top:bottom, left:right])
    return (x0 + left, y0 + top, x0 + right, y0 + bottom), crop


def boxes_of_masks(masks: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """
    Return (N, 4) float32 boxes around masks, see box_of_mask.

    :param masks: N masks (H, W), nonzero on the object.
    """
    return np.array([box_of_mask(mask) for mask in masks], np.float32).reshape(-1, 4)


def encode_mask(mask: np.ndarray) -> Rle:
    """
    Return the run lengths of a mask that is as large as its image.

    :param mask: (H, W), nonzero on the object.
    :raises ImportError: when pycocotools is missing.
    """
    height, width = mask.shape
    return encode_crop(mask, (0, 0, width, height), ImageSize(height, width))


def encode_crop(crop: np.ndarray, roi: Sequence[int], size: ImageSize) -> Rle:
    """
    Return the run lengths of a mask without ever making it as large as its image.

    :param crop: (h, w), nonzero on the object, the mask inside its roi.
    :param roi: (4,) x0, y0, x1, y1 [px], half-open.
    :param size: of the image.
    :raises ImportError: when pycocotools is missing.
    """
    return compress_runs(_run_lengths(crop, roi, size), size)


def compress_runs(counts: Sequence[int], size: ImageSize) -> Rle:
    """
    Return run lengths as pycocotools stores them.

    :param counts: lengths of runs of background, object, background, ... down the columns; they
        add up to the image.
    :raises ImportError: when pycocotools is missing.
    """
    shape = [size.height, size.width]
    runs = {'size': shape, 'counts': list(counts)}
    return _text(_codec().frPyObjects(runs, size.height, size.width))


def decompress_runs(counts: str) -> np.ndarray:
    """
    Return the lengths of runs that COCO's text stores.

    Each number is a chain of characters of five bits, the lowest first, bit 5 of all but the
    last one set; from the fourth number on it is the difference to the last but one.

    :returns: int64, background first.
    :raises ValueError: when the text is damaged.
    """
    codes = np.frombuffer(counts.encode('utf-32-le'), np.uint32).astype(np.int64) - ord('0')
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError('run lengths are damaged: a character that is none of theirs, or no end')
    starts = np.concatenate([[0], np.flatnonzero(codes & 32 == 0)[:-1] + 1])
    places = np.arange(len(codes)) - np.repeat(starts, np.diff([*starts, len(codes)]))
    if places.max() > 7:
        raise ValueError('run lengths are damaged: a number of more than 40 bits')
    runs = np.add.reduceat((codes & 31) << 5 * places, starts)
    ends = np.append(starts[1:], len(codes)) - 1
    runs -= (codes[ends] & 16 != 0) * (np.int64(1) << 5 * (places[ends] + 1))
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def join_masks(parts: Sequence[Rle]) -> Rle:
    """Return the run lengths of all pixels that belong to any of the masks."""
    return _text(_codec().merge(list(parts)))


def rasterise_polygons(polygons: Sequence[Sequence[float]], size: ImageSize) -> Rle:
    """
    Return the run lengths of an object that consists of polygons.

    :param polygons: each x0, y0, x1, y1, ... [px] of at least three points. Keep them near the
        image: pycocotools walks along every edge pixel by pixel, also outside.
    :raises ImportError: when pycocotools is missing.
    """
    return join_masks(_codec().frPyObjects(list(polygons), size.height, size.width))


def decode_mask(rle: Rle, out: np.ndarray | None = None) -> np.ndarray:
    """
    Return the (H, W) uint8 mask of run lengths, 1 on the object.

    :param out: (H, W) uint8, C-contiguous, to write it to.
    """
    mask = _codec().decode(rle)
    # Run lengths go down the columns; OpenCV turns them in blocks, ten times as fast as a copy.
    return mask if out is None else cv2.transpose(mask.T, out)


def rle_area(rle: Rle) -> int:
    """Return how many pixels of the image belong to the object."""
    return int(_codec().area(rle))


def rle_box(rle: Rle) -> tuple[float, float, float, float]:
    """Return x, y, width, height around the object [px]."""
    return tuple(_codec().toBbox(rle).tolist())


def iou_matrix(found: Sequence[Rle] | np.ndarray, true: Sequence[Rle] | np.ndarray,
               crowd: Sequence[bool] | None = None) -> np.ndarray:
    """
    Return the (N, M) overlap, intersection over union, of masks or of boxes.

    :param found: N run lengths, or (N, 4) boxes x, y, width, height [px].
    :param true: M of the same kind.
    :param crowd: (M,); with a crowd the overlap is the share of the found one that lies inside.
    """
    if not len(found) or not len(true):
        return np.zeros((len(found), len(true)))
    flags = [False] * len(true) if crowd is None else crowd
    return _codec().iou(found, true, [int(flag) for flag in flags])


def crop_iou(one: np.ndarray, one_at: tuple[int, int], other: np.ndarray,
             other_at: tuple[int, int]) -> float:
    """
    Return the overlap of two masks, computed only where their windows meet; 0 for empty ones.

    :param one: (h, w) bool, its upper left corner lies at one_at, x and y [px].
    :param other: (h, w) bool, its upper left corner lies at other_at, x and y [px].
    """
    places = (one, *one_at), (other, *other_at)
    x0, y0 = max(one_at[0], other_at[0]), max(one_at[1], other_at[1])
    x1 = min(x + mask.shape[1] for mask, x, _ in places)
    y1 = min(y + mask.shape[0] for mask, _, y in places)
    if x1 <= x0 or y1 <= y0:
        return 0.0
    windows = [mask[y0 - y:y1 - y, x0 - x:x1 - x] for mask, x, y in places]
    common = np.count_nonzero(windows[0] & windows[1])
    union = np.count_nonzero(one) + np.count_nonzero(other) - common
    return common / union if union else 0.0


def greedy_matches(overlaps: np.ndarray, threshold: float,
                   best_overlap_first: bool = False) -> np.ndarray:
    """
    Give each row a column of its own that it overlaps enough.

    The first row chooses first and takes the column that it overlaps most, then the second one
    among those that are left, and so on.

    :param overlaps: (N, M); rows best score first.
    :param threshold: smallest overlap that counts.
    :param best_overlap_first: the largest overlap of all is granted first, whatever its row.
    :returns: (N,) int64 column of each row, -1 where none is left.
    """
    rows, columns = np.nonzero(overlaps >= threshold)
    ranks = -overlaps[rows, columns]
    order = np.argsort(ranks, kind='stable') if best_overlap_first else np.lexsort((ranks, rows))
    matches = np.full(overlaps.shape[0], -1, np.int64)
    free = np.ones(overlaps.shape[1], bool)
    for row, column in zip(rows[order].tolist(), columns[order].tolist()):
        if matches[row] < 0 and free[column]:
            matches[row] = column
            free[column] = False
    return matches


def _run_lengths(crop: np.ndarray, roi: Sequence[int], size: ImageSize) -> list[int]:
    """Return lengths of runs of background, object, background, ... in column order."""
    x0, y0 = int(roi[0]), int(roi[1])
    columns = np.pad(crop.T != 0, ((0, 0), (1, 1))).astype(np.int8)  # (w, h + 2)
    steps = np.diff(columns, axis=1)  # +1 where a run starts, -1 behind its end
    starts, ends = (column * size.height + row for column, row in
                    (np.nonzero(steps == 1), np.nonzero(steps == -1)))
    edges = np.stack([starts, ends], axis=1) + x0 * size.height + y0
    joined = np.flatnonzero(edges[1:, 0] == edges[:-1, 1])  # full columns touch the next one
    flat = np.delete(edges.reshape(-1), np.concatenate([2 * joined + 1, 2 * joined + 2]))
    behind = size.pixels  # a last run of length zero is not written
    last = [behind] if len(flat) == 0 or flat[-1] < behind else []
    return np.diff(np.concatenate([[0], flat, last])).astype(int).tolist()


def _text(rle: Mapping[str, Any]) -> Rle:
    """Return run lengths that can be written as JSON."""
    return {'size': list(rle['size']), 'counts': rle['counts'].decode('ascii')}


def _codec() -> ModuleType:
    """Return pycocotools' functions; a robot that only finds objects does without them."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ImportError('COCO masks need pycocotools; install it with '
                          '"pip install pycocotools"') from error
    return mask
