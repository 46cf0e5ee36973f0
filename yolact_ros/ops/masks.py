"""Instance masks from prototypes and coefficients (Bolya et al. 2019, Mask Assembly)."""

from __future__ import annotations

import torch
from torch import Tensor


def assemble_masks(prototypes: Tensor, coefficients: Tensor) -> Tensor:
    """
    Return soft masks, sigmoid(P C^T), not cropped.

    :param prototypes: (Hp, Wp, K).
    :param coefficients: (N, K) in [-1, 1].
    :returns: (N, Hp, Wp) in [0, 1].
    """
    height, width, channels = prototypes.shape
    logits = coefficients @ prototypes.reshape(height * width, channels).T
    return torch.sigmoid(logits).reshape(-1, height, width)


def crop_limits(low: Tensor, high: Tensor, size: int, padding: int = 1) -> tuple[Tensor, Tensor]:
    """
    Return the fractional limits [px of the grid] between which a mask is kept along one axis.

    Grid index i stays where start <= i < stop. The limits are not rounded; start is not capped
    above nor stop below, so a box outside the image keeps nothing (as in the original).

    :param low: (N,) relative coordinates of one box side.
    :param high: (N,) of the opposite side; swapped where smaller.
    """
    first, second = low * size, high * size
    start = (torch.minimum(first, second) - padding).clamp(min=0)
    stop = (torch.maximum(first, second) + padding).clamp(max=size)
    return start, stop


def crop_masks(masks: Tensor, boxes_xyxy: Tensor, padding: int = 1) -> Tensor:
    """
    Return the masks with zeros outside their boxes.

    :param masks: (N, Hp, Wp), prototype grid.
    :param boxes_xyxy: (N, 4) relative corners.
    :param padding: kept around the box [px of the grid].
    """
    height, width = masks.shape[-2:]
    left, right = crop_limits(boxes_xyxy[:, 0], boxes_xyxy[:, 2], width, padding)
    top, bottom = crop_limits(boxes_xyxy[:, 1], boxes_xyxy[:, 3], height, padding)
    columns = torch.arange(width, device=masks.device, dtype=boxes_xyxy.dtype)
    rows = torch.arange(height, device=masks.device, dtype=boxes_xyxy.dtype)
    keep_columns = (columns >= left[:, None]) & (columns < right[:, None])    # (N, Wp)
    keep_rows = (rows >= top[:, None]) & (rows < bottom[:, None])             # (N, Hp)
    # Factors of the masks' own type: a product with booleans converts N whole maps first.
    return masks * keep_rows.to(masks.dtype)[:, :, None] * keep_columns.to(masks.dtype)[:, None, :]
