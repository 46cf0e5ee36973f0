"""Boxes: formats, overlap, and their encoding against priors."""

from __future__ import annotations

import torch
from torch import Tensor

# SSD variances: offsets are divided by them so that all targets have a similar spread.
CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Return (..., 4) corners x_min, y_min, x_max, y_max of (..., 4) centre-size boxes."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    low = centre - size / 2
    return torch.cat((low, low + size), -1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Return (..., 4) centre x, centre y, width, height of (..., 4) corner boxes."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat(((low + high) / 2, high - low), -1)


def box_intersection(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Return the (..., N, M) overlap areas of (..., N, 4) and (..., M, 4) corner boxes."""
    # One coordinate at a time: a last axis of two would keep the processor from vectorising.
    width, height = (_overlap(boxes_a[..., side], boxes_b[..., side],
                              boxes_a[..., side + 2], boxes_b[..., side + 2]) for side in (0, 1))
    return width * height


def _overlap(low_a: Tensor, low_b: Tensor, high_a: Tensor, high_b: Tensor) -> Tensor:
    """Return the (..., N, M) lengths that (..., N) and (..., M) intervals share."""
    low = torch.maximum(low_a[..., :, None], low_b[..., None, :])
    high = torch.minimum(high_a[..., :, None], high_b[..., None, :])
    return (high - low).clamp_(min=0)


def box_area(boxes: Tensor) -> Tensor:
    """Return the (...) areas of (..., 4) corner boxes; negative sides are not mended."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """
    Return the (..., N, M) intersection over union of corner boxes.

    Two boxes without area give NaN, as in the original; every threshold comparison with it is
    false.

    :param boxes_a: (..., N, 4) x_min, y_min, x_max, y_max, any unit.
    :param boxes_b: (..., M, 4) in the same unit.
    """
    overlap = box_intersection(boxes_a, boxes_b)
    union = box_area(boxes_a)[..., :, None] + box_area(boxes_b)[..., None, :] - overlap
    return overlap / union


def decode_boxes(offsets: Tensor, priors: Tensor) -> Tensor:
    """
    Turn predicted offsets into boxes (Liu et al. 2016, SSD; the order of operations is kept).

    :param offsets: (..., P, 4) dx, dy, dw, dh as the head predicts them.
    :param priors: (P, 4) cx, cy, w, h relative to the input.
    :returns: (..., P, 4) x_min, y_min, x_max, y_max, relative, not clipped.
    """
    centre = priors[..., :2] + offsets[..., :2] * CENTRE_VARIANCE * priors[..., 2:]
    size = priors[..., 2:] * torch.exp(offsets[..., 2:] * SIZE_VARIANCE)
    low = centre - size / 2
    return torch.cat((low, low + size), -1)


def encode_boxes(boxes_cxcywh: Tensor, priors: Tensor) -> Tensor:
    """
    Return the offsets that decode_boxes turns back into the boxes.

    :param boxes_cxcywh: (..., P, 4) centre x, centre y, width, height, relative; sizes > 0.
    :param priors: (P, 4) cx, cy, w, h relative to the input.
    """
    centre = (boxes_cxcywh[..., :2] - priors[..., :2]) / (CENTRE_VARIANCE * priors[..., 2:])
    size = torch.log(boxes_cxcywh[..., 2:] / priors[..., 2:]) / SIZE_VARIANCE
    return torch.cat((centre, size), -1)
