"""Anchor boxes (priors) of all levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from yolact_ros.structures import ImageSize, InputSize, input_shape


def make_priors(level_sizes: Sequence[tuple[int, int]], scales: Sequence[Sequence[float]],
                ratios: Sequence[float], input_size: InputSize, square: bool) -> Tensor:
    """
    Return the anchors in the order in which the head predicts: level, row, column, scale, ratio.

    :param level_sizes: (height, width) of each level's feature map.
    :param scales: for each level the anchor sides [px of the input].
    :param ratios: width / height.
    :param input_size: of the network [px]; an anchor of ratio 1 is a square of its pixels.
    :param square: original: use_square_anchors; height = width, keeps YOLACT weights valid.
    :returns: (P, 4) float32 cx, cy, w, h relative to the input; not clipped to it.
    """
    return torch.cat([_level_priors(size, level_scales, ratios, input_shape(input_size), square)
                      for size, level_scales in zip(level_sizes, scales, strict=True)]).float()


def _level_priors(size: tuple[int, int], scales: Sequence[float], ratios: Sequence[float],
                  shape: ImageSize, square: bool) -> Tensor:
    """Return the (H * W * anchors, 4) float64 anchors of one level."""
    height, width = size
    root = torch.tensor(ratios, dtype=torch.float64).sqrt()
    sides = torch.tensor(scales, dtype=torch.float64)[:, None]
    anchor_w = (sides * root / shape.width).flatten()
    anchor_h = ((sides * root if square else sides / root) / shape.height).flatten()
    centre_y = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    centre_x = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    grid = (height, width, len(anchor_w))
    return torch.stack((centre_x[None, :, None].expand(grid), centre_y[:, None, None].expand(grid),
                        anchor_w.expand(grid), anchor_h.expand(grid)), -1).reshape(-1, 4)
