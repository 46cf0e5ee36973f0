"""From Detections to Instances: mask assembly, re-scoring, pixels of the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from yolact_ros.inference.steps.mask_resize import pixel_axis
from yolact_ros.inference.steps.select import Detections
from yolact_ros.ops.masks import assemble_masks, crop_limits, crop_masks
from yolact_ros.structures import ImageSize, Instances

MASK_THRESHOLD = 0.5


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

    :param soft: (Hp, Wp) in [0, 1], zero outside the limits.
    :param limits: left, top, right, bottom [cells], half-open.
    :returns: roi x0, y0, x1, y1 [px], tight around the mask, and the boolean crop; an empty
        mask has the roi (0, 0, 0, 0).
    """
    left, top, right, bottom = limits
    if right <= left or bottom <= top:
        return (0, 0, 0, 0), np.zeros((0, 0), bool)
    rows, columns = pixel_axis(soft.shape[0], size.height), pixel_axis(soft.shape[1], size.width)
    (x0, x1), (y0, y1) = columns.pixels_over_half(left, right), rows.pixels_over_half(top, bottom)
    bands = list(columns.resize(soft[top:bottom, left:right].T, left, x0, x1))
    wide = (bands[0] if len(bands) == 1 else np.concatenate(bands)).T
    mask, done = np.empty((y1 - y0, x1 - x0), bool), 0
    for band in rows.resize(wide, top, y0, y1):
        np.greater(band, MASK_THRESHOLD, out=mask[done:done + len(band)])
        done += len(band)
    return _tighten(mask, x0, y0)


def _tighten(mask: np.ndarray, x0: int, y0: int) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """Return roi and crop without empty border rows and columns."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width == 0:
        return (0, 0, 0, 0), np.zeros((0, 0), bool)
    crop = np.ascontiguousarray(mask[top:top + height, left:left + width])
    return (x0 + left, y0 + top, x0 + left + width, y0 + top + height), crop
