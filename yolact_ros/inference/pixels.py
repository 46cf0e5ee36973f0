"""From Detections to Instances: mask assembly, re-scoring, pixels of the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from yolact_ros.inference.selection import Detections
from yolact_ros.ops.masks import assemble_masks, crop_limits, crop_masks
from yolact_ros.structures import ImageSize, Instances

MASK_THRESHOLD = 0.5
BAND = 64  # rows of a mask resized at once [px]


def assemble(detections: Detections, prototypes: Tensor) -> Tensor:
    """
    Return cropped soft masks, (D, Hp, Wp) in [0, 1].

    :param prototypes: (Hp, Wp, K).
    """
    masks = assemble_masks(prototypes.float(), detections.coefficients)
    return crop_masks(masks, detections.boxes)


def rescore(detections: Detections, masks: Tensor,
            net: Callable[[Tensor], Tensor] | None) -> Tensor:
    """
    Return the predicted IoU of masks (Bolya et al. 2020, section 3.4), (D,), NaN without a net.

    :param masks: (D, Hp, Wp) cropped soft masks.
    :param net: (D, 1, Hp, Wp) -> (D, C).
    """
    if net is None:
        return torch.full_like(detections.class_scores, torch.nan)
    return net(masks[:, None]).float().gather(1, detections.class_ids[:, None])[:, 0]


def to_instances(detections: Detections, masks: Tensor, mask_scores: Tensor,
                 size: ImageSize) -> Instances:
    """
    Bring detections to the host and their masks to the picture's pixels.

    :param masks: (D, Hp, Wp) cropped soft masks.
    :param mask_scores: (D,).
    """
    limits = _grid_limits(detections.boxes, masks.shape[1:])
    # The one transfer from the device.
    relative, class_ids, class_scores, ious, soft = (
        tensor.cpu().numpy() for tensor in (detections.boxes, detections.class_ids,
                                            detections.class_scores, mask_scores, masks))
    scores = class_scores if np.isnan(ious).all() else class_scores * ious
    order = np.argsort(-scores, kind='stable')
    pixels = [mask_to_pixels(soft[row], limits[row], size) for row in order.tolist()]
    return Instances(
        image_size=size, boxes=pixel_boxes(relative[order], size),
        class_scores=class_scores[order], mask_scores=ious[order], scores=scores[order],
        class_ids=class_ids[order],
        rois=np.array([roi for roi, _ in pixels], np.int32).reshape(-1, 4),
        crops=tuple(crop for _, crop in pixels))


def pixel_boxes(relative: np.ndarray, size: ImageSize) -> np.ndarray:
    """Return (D, 4) float32 corners [px], ordered and clipped to the picture."""
    extent = np.array([size.width, size.height], np.float32)
    first, second = relative[:, :2] * extent, relative[:, 2:] * extent
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.concatenate((np.clip(low, 0, extent), np.clip(high, 0, extent)), 1,
                          dtype=np.float32)


def _grid_limits(boxes: Tensor, grid: Sequence[int]) -> list[list[int]]:
    """Return left, top, right, bottom of D boxes: the grid cells that crop_masks keeps."""
    left, right = crop_limits(boxes[:, 0], boxes[:, 2], grid[1])
    top, bottom = crop_limits(boxes[:, 1], boxes[:, 3], grid[0])
    return torch.stack((left, top, right, bottom), 1).ceil().long().tolist()


def mask_to_pixels(soft: np.ndarray, limits: Sequence[int],
                   size: ImageSize) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """
    Resize one soft mask bilinearly to the picture and threshold it, only where it lives.

    Interpolation along an axis is a product with a matrix of two weights a row, so the crop is
    rows @ mask @ columns, restricted to the part of the matrices that touches the mask. The
    last product goes band by band: few cells touch a band, and its floats stay in the cache.

    :param soft: (Hp, Wp) in [0, 1], zero outside the limits.
    :param limits: left, top, right, bottom [cells], half-open.
    :returns: roi x0, y0, x1, y1 [px], tight around the mask, and the boolean crop; an empty
        mask has the roi (0, 0, 0, 0).
    """
    left, top, right, bottom = limits
    if right <= left or bottom <= top:
        return (0, 0, 0, 0), np.zeros((0, 0), bool)
    grid_h, grid_w = soft.shape
    columns = interpolation_matrix(grid_w, size.width)
    rows = interpolation_matrix(grid_h, size.height)
    x0, x1 = _touched_pixels(left, right, grid_w, size.width)
    y0, y1 = _touched_pixels(top, bottom, grid_h, size.height)
    wide = soft[top:bottom, left:right] @ columns[x0:x1, left:right].T
    mask = np.empty((y1 - y0, x1 - x0), bool)
    for start in range(y0, y1, BAND):
        stop = min(start + BAND, y1)
        first, last = _touching_cells(start, stop, grid_h, size.height)
        first, last = min(max(first, top), bottom), max(min(last, bottom), top)
        band = rows[start:stop, first:last] @ wide[first - top:last - top]
        np.greater(band, MASK_THRESHOLD, out=mask[start - y0:stop - y0])
    return _tighten(mask, x0, y0)


@lru_cache(maxsize=16)
def interpolation_matrix(cells: int, pixels: int) -> np.ndarray:
    """
    Return the (pixels, cells) float32 weights of bilinear resizing, align_corners=False.

    Every row holds the two weights of the cells around a pixel's centre; read only.
    """
    at = np.maximum((np.arange(pixels, dtype=np.float32) + np.float32(0.5))
                    * np.float32(cells / pixels) - np.float32(0.5), 0)
    low = np.minimum(at.astype(np.int64), cells - 1)
    share = at - low
    matrix = np.zeros((pixels, cells), np.float32)
    matrix[np.arange(pixels), low] = 1 - share
    matrix[np.arange(pixels), np.minimum(low + 1, cells - 1)] += share
    matrix.flags.writeable = False
    return matrix


def _touched_pixels(start: int, stop: int, cells: int, pixels: int) -> tuple[int, int]:
    """Return the pixels whose value can depend on cells start to stop - 1, half-open."""
    scale = pixels / cells
    # One pixel more on both sides covers the rounding of float32 coordinates.
    first = math.floor((start - 0.5) * scale - 0.5) - 1
    last = math.ceil((stop + 0.5) * scale - 0.5) + 1
    return min(max(first, 0), pixels), min(max(last, 0), pixels)


def _touching_cells(start: int, stop: int, cells: int, pixels: int) -> tuple[int, int]:
    """Return the cells that pixels start to stop - 1 can depend on, half-open."""
    scale = cells / pixels
    # One cell more on both sides covers the rounding of float32 coordinates.
    first = math.floor((start + 0.5) * scale - 0.5) - 1
    last = math.floor((stop - 0.5) * scale - 0.5) + 3
    return max(first, 0), min(last, cells)


def _tighten(mask: np.ndarray, x0: int, y0: int) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """Return roi and crop without empty border rows and columns."""
    rows, columns = np.logical_or.reduce(mask, 1), np.logical_or.reduce(mask, 0)
    if mask.size == 0 or not rows[top := int(rows.argmax())]:
        return (0, 0, 0, 0), np.zeros((0, 0), bool)
    left = int(columns.argmax())
    bottom, right = len(rows) - int(rows[::-1].argmax()), len(columns) - int(
        columns[::-1].argmax())
    crop = np.ascontiguousarray(mask[top:bottom, left:right])
    return (x0 + left, y0 + top, x0 + right, y0 + bottom), crop
