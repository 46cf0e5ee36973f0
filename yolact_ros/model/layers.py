"""The parts between backbone and detections: FPN, protonet, prediction head, re-scoring net."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return x resized bilinearly, pixel centres at +0.5."""
    return functional.interpolate(x, size=tuple(size), mode='bilinear', align_corners=False)


class FPN(nn.Module):
    """
    Feature pyramid P3-P7 from C3-C5 (Lin et al. 2017; P6 and P7 without ReLU as in YOLACT).

    Published indices are reversed: lat_layers and pred_layers [0] belong to the coarsest map.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.lat_layers = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in reversed(in_channels))
        self.pred_layers = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels)
        self.downsample_layers = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(2))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return [P3, P4, P5, P6, P7] of [C3, C4, C5]."""
        levels: list[Tensor] = []
        top: Tensor | None = None
        for lateral, predict, feature in zip(self.lat_layers, self.pred_layers,
                                             reversed(features)):
            top = lateral(feature) if top is None \
                else upsample(top, feature.shape[2:]) + lateral(feature)
            levels.insert(0, functional.relu(predict(top)))
        for downsample in self.downsample_layers:
            levels.append(downsample(levels[-1]))
        return levels


class Upsample2(nn.Module):
    """Twice the size, bilinear."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, 2H, 2W) of (B, C, H, W)."""
        return functional.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)


def protonet(channels: int, num_prototypes: int, scale: int = 2) -> nn.Sequential:
    """
    Return the net that makes prototypes of (B, C, H3, W3), P3 (Bolya et al. 2019, 3.1).

    :param scale: theirs, against P3: 2 as published; for 4 the published net's are enlarged
        and go through one more convolution, this project's own.
    """
    net = nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(),
        Upsample2(), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(),
        nn.Conv2d(channels, num_prototypes, 1), nn.ReLU())
    if scale == 4:
        net.extend((Upsample2(), nn.Conv2d(num_prototypes, num_prototypes, 3, padding=1),
                    nn.ReLU()))
    return net


class PredictionHead(nn.Module):
    """Boxes, classes and coefficients for every anchor, shared by all levels (3.2)."""

    def __init__(self, channels: int, anchors: int, num_classes: int, num_prototypes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_prototypes = num_prototypes
        self.upfeature = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())
        self.bbox_layer = nn.Conv2d(channels, anchors * 4, 3, padding=1)
        self.conf_layer = nn.Conv2d(channels, anchors * (num_classes + 1), 3, padding=1)
        self.mask_layer = nn.Conv2d(channels, anchors * num_prototypes, 3, padding=1)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return box offsets (B, P, 4), class logits (B, P, C + 1), coefficients (B, P, K)."""
        shared = [self.upfeature(level) for level in levels]
        offsets = [_per_anchor(self.bbox_layer(x), 4) for x in shared]
        logits = [_per_anchor(self.conf_layer(x), self.num_classes + 1) for x in shared]
        coefficients = [_per_anchor(self.mask_layer(x), self.num_prototypes) for x in shared]
        return torch.cat(offsets, 1), torch.cat(logits, 1), torch.tanh(torch.cat(coefficients, 1))


def _per_anchor(x: Tensor, values: int) -> Tensor:
    """Return (B, H * W * anchors, values) of (B, anchors * values, H, W)."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values)


# Cells on each side that five convolutions, 3x3 of stride 2 without padding, leave one of.
LEAST_RESCORED = 63


class MaskIouNet(nn.Module):
    """
    Fast mask re-scoring: the IoU of a cropped soft mask, per class (Bolya et al. 2020, 3.4).

    :param prototype_scale: of the masks, against P3; larger ones are brought to the published 2.
    """

    def __init__(self, num_classes: int, prototype_scale: int = 2) -> None:
        super().__init__()
        self.shrink = nn.AvgPool2d(prototype_scale // 2) if prototype_scale > 2 else nn.Identity()
        self.num_classes = num_classes
        widths = (1, 8, 16, 32, 64, 128)
        layers: list[nn.Module] = []
        for in_channels, out_channels in zip(widths, widths[1:]):
            layers += [nn.Conv2d(in_channels, out_channels, 3, 2), nn.ReLU()]
        layers += [nn.Conv2d(widths[-1], num_classes, 1), nn.ReLU()]
        self.maskiou_net = nn.Sequential(*layers)

    def forward(self, masks: Tensor) -> Tensor:
        """
        Return (N, C) predicted mask IoU for each class, >= 0.

        :param masks: (N, 1, Hp, Wp) soft masks, cropped with their boxes.
        """
        if masks.shape[0] == 0:
            return masks.new_zeros(0, self.num_classes)
        return self.maskiou_net(pad_small(self.shrink(masks))).amax((2, 3))

    def before_relu(self, masks: Tensor) -> Tensor:
        """
        Return (N, C) what forward returns, but negative where its last ReLU makes it 0.

        Losses take this one: a value below 0 then still has a gradient, and no class can die.
        """
        if masks.shape[0] == 0:
            return masks.new_zeros(0, self.num_classes)
        return self.maskiou_net[:-1](pad_small(self.shrink(masks))).amax((2, 3))


def pad_small(masks: Tensor) -> Tensor:
    """
    Return masks with as much emptiness around them as the re-scoring net needs.

    :param masks: (N, 1, Hp, Wp), zero outside their boxes; unchanged where large enough.
    """
    down, right = (max(LEAST_RESCORED - side, 0) for side in masks.shape[2:])
    return functional.pad(masks, (0, right, 0, down)) if down or right else masks
