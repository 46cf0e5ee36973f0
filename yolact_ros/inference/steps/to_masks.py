"""From Detections to Instances: scores, boxes and masks in the image's pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from yolact_ros.inference.steps.mask_resize import interpolation_matrix
from yolact_ros.inference.steps.select import Detections
from yolact_ros.masks import NO_PIXELS, PixelMask, tighten
from yolact_ros.ops.masks import crop_limits
from yolact_ros.structures import ImageSize, Instances

MASK_THRESHOLD = 0.5


def eager_instances(found: Detections, soft: Tensor, mask_scores: Tensor,
                    size: ImageSize) -> Instances:
    """
    Bring the detections of one image to the host and their masks to its pixels.

    :param found: of a batch of one, without padding.
    :param soft: (1, N, Hp, Wp) cropped soft masks.
    :param mask_scores: (1, N).
    """
    limits = _grid_limits(found.boxes[0], soft.shape[2:])
    # From here on the host; on a GPU the first of them waits for all the work before.
    boxes, class_ids, class_scores, ious, masks = (
        part[0].cpu().numpy() for part in (found.boxes, found.class_ids, found.class_scores,
                                           mask_scores, soft))
    return to_instances(boxes, class_ids, class_scores, ious,
                        lambda row: mask_to_pixels(masks[row], limits[row], size), size)


def to_instances(boxes: np.ndarray, class_ids: np.ndarray, class_scores: np.ndarray,
                 mask_scores: np.ndarray, mask_of: Callable[[int], PixelMask],
                 size: ImageSize) -> Instances:
    """
    Return detections as Instances, sorted by the final score.

    :param boxes: (N, 4) relative corners.
    :param mask_scores: (N,), all NaN without re-scoring.
    :param mask_of: the mask of a detection.
    """
    scores = class_scores if np.isnan(mask_scores).all() else class_scores * mask_scores
    order = np.argsort(-scores, kind='stable')
    masks = [mask_of(row) for row in order.tolist()]
    return Instances(
        image_size=size, boxes=pixel_boxes(boxes[order], size),
        class_scores=class_scores[order], mask_scores=mask_scores[order], scores=scores[order],
        class_ids=class_ids[order].astype(np.int64),
        rois=np.array([roi for roi, _ in masks], np.int32).reshape(-1, 4),
        crops=tuple(crop for _, crop in masks))


def pixel_boxes(relative: np.ndarray, size: ImageSize) -> np.ndarray:
    """Return (D, 4) float32 corners [px], ordered and clipped to the image."""
    extent = np.array([size.width, size.height], np.float32)
    corners = np.sort(relative.reshape(-1, 2, 2) * extent, axis=1)
    return corners.clip(0, extent, dtype=np.float32).reshape(-1, 4)


def _grid_limits(boxes: Tensor, grid: Sequence[int]) -> list[list[int]]:
    """Return left, top, right, bottom of D boxes: the grid cells that crop_masks keeps."""
    left, right = crop_limits(boxes[:, 0], boxes[:, 2], grid[1])
    top, bottom = crop_limits(boxes[:, 1], boxes[:, 3], grid[0])
    return torch.stack((left, top, right, bottom), 1).ceil().long().tolist()


def mask_to_pixels(soft: np.ndarray, limits: Sequence[int],
                   size: ImageSize) -> PixelMask:
    """
    Resize one soft mask bilinearly to the image and threshold it, only where it lives.

    :param soft: (Hp, Wp) in [0, 1], zero outside the limits.
    :param limits: left, top, right, bottom [cells], half-open.
    """
    left, top, right, bottom = limits
    if right <= left or bottom <= top:
        return NO_PIXELS
    rows = interpolation_matrix(soft.shape[0], size.height)
    columns = interpolation_matrix(soft.shape[1], size.width)
    (x0, x1), (y0, y1) = columns.pixels_over_half(left, right), rows.pixels_over_half(top, bottom)
    bands = list(columns.resize(soft[top:bottom, left:right].T, left, x0, x1))
    wide = (bands[0] if len(bands) == 1 else np.concatenate(bands)).T
    mask, done = np.empty((y1 - y0, x1 - x0), bool), 0
    for band in rows.resize(wide, top, y0, y1):
        np.greater(band, MASK_THRESHOLD, out=mask[done:done + len(band)])
        done += len(band)
    return tighten(mask, x0, y0)
