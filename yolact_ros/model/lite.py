"""EfficientNet-Lite0 (Tan & Le 2019; Lite: ReLU6, no squeeze-and-excitation): small, for CPUs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3  # of the batch norms of the ImageNet weights
STEM = 32       # channels


class Stage(NamedTuple):
    """
    Blocks of one size.

    :param expansion: how many times wider a block is inside.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0 = (Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40),
         Stage(3, 3, 2, 6, 80), Stage(3, 5, 1, 6, 112), Stage(4, 5, 2, 6, 192),
         Stage(1, 3, 1, 6, 320))


class EfficientNetLite(nn.Module):
    """
    Inverted residual blocks with depthwise convolutions; the last map of each stride is returned.

    Paddings are TensorFlow's SAME, for which the ImageNet weights were learnt.
    """

    strides = (8, 16, 32)

    def __init__(self, stages: tuple[Stage, ...] = LITE0) -> None:
        super().__init__()
        self.stem = _unit(3, STEM, 3, 2)
        self.blocks = nn.ModuleList()
        channels, stride, last = STEM, 2, {}
        for stage in stages:
            stride *= stage.stride
            for index in range(stage.blocks):
                self.blocks.append(LiteBlock(channels, stage, stage.stride if index == 0 else 1))
                channels = stage.channels
            last[stride] = len(self.blocks) - 1, channels
        self._returned = {last[stride][0] for stride in self.strides}
        self.channels = tuple(last[stride][1] for stride in self.strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [C3, C4, C5] of (B, 3, H, W)."""
        x = self.stem(pad_same(x, 3))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._returned:
                features.append(x)
        return features


class LiteBlock(nn.Module):
    """1x1 to more channels, depthwise, 1x1 to few; plus the input where its shape is the same."""

    def __init__(self, in_channels: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = in_channels * stage.expansion
        self.padded_for = stage.kernel if stride == 2 else 0
        self.adds = stride == 1 and in_channels == stage.channels
        self.expand = _unit(in_channels, inner, 1) if stage.expansion > 1 else None
        self.depthwise = _unit(inner, inner, stage.kernel, stride, groups=inner)
        self.project = nn.Sequential(nn.Conv2d(inner, stage.channels, 1, bias=False),
                                     nn.BatchNorm2d(stage.channels, EPSILON))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        inner = x if self.expand is None else self.expand(x)
        if self.padded_for:
            inner = pad_same(inner, self.padded_for)
        projected = self.project(self.depthwise(inner))
        return projected + x if self.adds else projected


def pad_same(x: Tensor, kernel: int) -> Tensor:
    """
    Return x with zeros around it, so that a convolution of stride 2 gives ceil(side / 2).

    TensorFlow puts the odd one of them behind the picture, not in front of it.
    """
    height, width = (max((side - 1) // 2 * 2 + kernel - side, 0) for side in x.shape[2:])
    return functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


def _unit(in_channels: int, out_channels: int, kernel: int, stride: int = 1,
          groups: int = 1) -> nn.Sequential:
    """Return convolution, batch norm and ReLU6; with stride 2 the input is padded before."""
    kind = DepthwiseConv2d if groups > 1 else nn.Conv2d
    return nn.Sequential(
        kind(in_channels, out_channels, kernel, stride,
             kernel // 2 if stride == 1 else 0, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, EPSILON), nn.ReLU6())


class DepthwiseConv2d(nn.Conv2d):
    """
    A convolution of each channel alone, in float32 where a CPU learns in mixed precision.

    In bfloat16 oneDNN (torch 2.13) has only plain loops for most of its gradients, which then
    take several times as long as in float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H', W')."""
        if x.device.type != 'cpu' or not torch.is_autocast_enabled('cpu'):
            return super().forward(x)
        with torch.autocast('cpu', enabled=False):
            return super().forward(x.to(self.weight.dtype))
