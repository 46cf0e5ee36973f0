"""Complete IoU: a box loss that sees boxes as a whole (Zheng et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

EPSILON = 1e-9  # of areas and squared lengths, relative to the input


def ciou_loss(found: Tensor, true: Tensor) -> Tensor:
    """
    Return 1 - CIoU of pairs of boxes: overlap, distance of centres, difference of shapes.

    :param found: (N, 4) x_min, y_min, x_max, y_max with positive sides.
    :param true: (N, 4) in the same unit.
    :returns: (N,) 0 where they agree, above 1 where they do not touch.
    """
    low, high = torch.maximum(found[:, :2], true[:, :2]), torch.minimum(found[:, 2:], true[:, 2:])
    overlap = (high - low).clamp(min=0).prod(1)
    sides, true_sides = found[:, 2:] - found[:, :2], true[:, 2:] - true[:, :2]
    iou = overlap / (sides.prod(1) + true_sides.prod(1) - overlap + EPSILON)
    around = torch.maximum(found[:, 2:], true[:, 2:]) - torch.minimum(found[:, :2], true[:, :2])
    apart = (found[:, :2] + found[:, 2:] - true[:, :2] - true[:, 2:]) / 2
    distance = apart.square().sum(1) / (around.square().sum(1) + EPSILON)
    shape = (4 / math.pi ** 2) * (torch.atan2(true_sides[:, 0], true_sides[:, 1])
                                  - torch.atan2(sides[:, 0], sides[:, 1])).square()
    with torch.no_grad():  # a weight, as in the paper
        weight = shape / (1 - iou + shape + EPSILON)
    return 1 - iou + distance + weight * shape
