"""
Backbones: image in, feature maps C3, C4, C5 (strides 8, 16, 32) out.

Attribute names follow the published state dicts. A backbone announces channels and strides
of what it returns; adding one is a class and a row in BACKBONES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolact_ros.model.lite import EfficientNetLite
from yolact_ros.ops.deform_conv import deform_conv2d


class DeformConv(nn.Module):
    """
    A 3x3 deformable convolution that predicts its own offsets and modulation (YOLACT++).

    Offsets start at 0 and modulation at 0.5, so a fresh layer gives half of a plain convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.conv_offset_mask = nn.Conv2d(in_channels, 27, 3, stride, 1)
        nn.init.kaiming_normal_(self.weight, mode='fan_out', nonlinearity='relu')
        nn.init.zeros_(self.conv_offset_mask.weight)
        nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, O, H / stride, W / stride) of (B, C, H, W)."""
        # Offsets are distances in pixels: half precision would round them, so float32.
        raw = self.conv_offset_mask(x).to(torch.promote_types(x.dtype, torch.float32))
        return deform_conv2d(x, raw[:, :18], torch.sigmoid(raw[:, 18:]), self.weight, self.bias,
                             self.stride)


def conv3x3(in_channels: int, out_channels: int, stride: int, deformable: bool) -> nn.Module:
    """Return the spatial convolution of a residual block, deformable or plain."""
    if deformable:
        return DeformConv(in_channels, out_channels, stride)
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)


class Bottleneck(nn.Module):
    """1x1, 3x3 (carries stride and deformation), 1x1 with a shortcut (He et al. 2016)."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, deformable: bool,
                 downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, stride, deformable)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.expansion)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.relu(self.bn3(self.conv3(x)) + shortcut)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; the second one may be deformable (He et al. 2016)."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, deformable: bool,
                 downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, 1, deformable)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet(nn.Module):
    """
    A residual network of four stages, its last three returned (He et al. 2016).

    :param block: Bottleneck or BasicBlock.
    :param depths: blocks per stage.
    :param width: channels of the stem; stage s has width * 2^s (times the block's expansion).
    :param dcn_blocks: deformable blocks per stage, () for none.
    :param dcn_interval: every how many blocks a deformable one.
    """

    strides = (8, 16, 32)

    def __init__(self, block: type[Bottleneck] | type[BasicBlock], depths: Sequence[int],
                 width: int = 64, dcn_blocks: Sequence[int] = (), dcn_interval: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layers = nn.ModuleList()
        channels = width
        for stage, depth in enumerate(depths):
            deformable = deformable_blocks(
                depth, dcn_blocks[stage] if dcn_blocks else 0, dcn_interval)
            self.layers.append(_residual_stage(block, channels, width * 2 ** stage,
                                               1 if stage == 0 else 2, deformable))
            channels = width * 2 ** stage * block.expansion
        self.channels = tuple(width * 2 ** stage * block.expansion for stage in (1, 2, 3))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [C3, C4, C5] of (B, 3, H, W)."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        features = []
        for stage in self.layers:
            x = stage(x)
            features.append(x)
        return features[1:]


def deformable_blocks(depth: int, dcn_count: int, interval: int) -> list[bool]:
    """Return which blocks of a stage are deformable (Bolya et al. 2020, section 3.2)."""
    return [dcn_count > 0 and index + dcn_count >= depth and index % interval == 0
            for index in range(depth)]


def _residual_stage(block: type[Bottleneck] | type[BasicBlock], in_channels: int, channels: int,
                    stride: int, deformable: list[bool]) -> nn.Sequential:
    """Return the blocks of one stage; the first one changes size and channels."""
    out_channels = channels * block.expansion
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                                   nn.BatchNorm2d(out_channels))
    blocks = [block(in_channels, channels, stride, deformable[0], downsample)]
    blocks += [block(out_channels, channels, 1, is_deformable, None)
               for is_deformable in deformable[1:]]
    return nn.Sequential(*blocks)


class DarkNet(nn.Module):
    """
    DarkNet-53: five stages of 1x1 / 3x3 pairs, its last three returned (Redmon et al. 2018).

    :param depths: residual blocks per stage.
    """

    strides = (8, 16, 32)

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self._preconv = _dark_unit(3, 32, 3)
        self.layers = nn.ModuleList()
        for stage, depth in enumerate(depths):
            channels = 32 * 2 ** stage
            blocks = [DarkBlock(channels) for _ in range(depth)]
            self.layers.append(nn.Sequential(_dark_unit(channels, 2 * channels, 3, 2), *blocks))
        self.channels = tuple(64 * 2 ** stage for stage in (2, 3, 4))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [C3, C4, C5] of (B, 3, H, W)."""
        x = self._preconv(x)
        features = []
        for stage in self.layers:
            x = stage(x)
            features.append(x)
        return features[2:]


class DarkBlock(nn.Module):
    """1x1 to c channels, 3x3 back to 2c, plus the input; no activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _dark_unit(2 * channels, channels, 1)
        self.conv2 = _dark_unit(channels, 2 * channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        return self.conv2(self.conv1(x)) + x


def _dark_unit(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return convolution, batch norm and leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels), nn.LeakyReLU(0.1))


# name -> constructor(dcn_blocks, dcn_interval)
BACKBONES: dict[str, Callable[[Sequence[int], int], nn.Module]] = {
    'resnet50': lambda dcn, every: ResNet(Bottleneck, (3, 4, 6, 3), 64, dcn, every),
    'resnet101': lambda dcn, every: ResNet(Bottleneck, (3, 4, 23, 3), 64, dcn, every),
    'resnet_tiny': lambda dcn, every: ResNet(BasicBlock, (2, 2, 2, 2), 32, dcn, every),
    'darknet53': lambda dcn, every: DarkNet((1, 2, 8, 8, 4)),
    'efficientnet_lite0': lambda dcn, every: EfficientNetLite(),
}


def build_backbone(name: str, dcn_blocks: Sequence[int] = (), dcn_interval: int = 1) -> nn.Module:
    """
    Return the backbone of that name.

    :raises ValueError: for an unknown name, or deformable blocks where it has none.
    """
    if name not in BACKBONES:
        raise ValueError(f'backbone {name!r} is unknown; known: {", ".join(BACKBONES)}')
    if any(dcn_blocks) and not name.startswith('resnet'):
        raise ValueError(f'backbone {name!r} has no deformable blocks; leave dcn_blocks empty')
    return BACKBONES[name](dcn_blocks, dcn_interval)
