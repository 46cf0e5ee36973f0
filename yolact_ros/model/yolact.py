"""The whole network, from a normalised image to raw predictions (Bolya et al. 2019, 2020)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from yolact_ros.config import ModelConfig
from yolact_ros.model.backbone import DeformConv, build_backbone
from yolact_ros.model.layers import FPN, MaskIouNet, PredictionHead, protonet
from yolact_ros.model.priors import make_priors
from yolact_ros.structures import InputSize, input_shape


class RawPredictions(NamedTuple):
    """
    What the network says about a batch, before any decision.

    :param box_offsets: (B, P, 4) against the priors, see ops.boxes.decode_boxes.
    :param class_logits: (B, P, C + 1), channel 0 is background.
    :param coefficients: (B, P, K) in [-1, 1].
    :param prototypes: (B, Hp, Wp, K), >= 0.
    :param semantic_logits: (B, C, H3, W3) at the size of P3; only in training mode.
    """

    box_offsets: Tensor
    class_logits: Tensor
    coefficients: Tensor
    prototypes: Tensor
    semantic_logits: Tensor | None = None


class Yolact(nn.Module):
    """
    YOLACT or YOLACT++ as the configuration says; the state dict has the published keys.

    :ivar priors: (P, 4) cx, cy, w, h relative to the input; not part of the state dict.
    :ivar maskiou_net: the re-scoring net, or None.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone, config.dcn_blocks, config.dcn_interval)
        self.fpn = FPN(self.backbone.channels, config.fpn_channels)
        self.proto_net = protonet(config.fpn_channels, config.num_prototypes,
                                  config.prototype_scale)
        self.prediction_layers = nn.ModuleList([PredictionHead(
            config.fpn_channels, config.anchors_per_cell, config.num_classes,
            config.num_prototypes)])
        self.semantic_seg_conv = nn.Conv2d(config.fpn_channels, config.num_classes, 1)
        self.maskiou_net = MaskIouNet(config.num_classes, config.prototype_scale) \
            if config.mask_rescoring else None
        priors = make_priors(level_sizes(config.input_size), config.anchor_scales,
                             config.anchor_ratios, config.input_size, config.square_anchors)
        self.register_buffer('priors', priors, persistent=False)

    def forward(self, x: Tensor) -> RawPredictions:
        """
        Return the raw predictions.

        :param x: (B, 3, H, W) RGB, normalised with the configuration's mean and deviation.
        :raises ValueError: when the input is not of the configuration's size.
        """
        shape = self.config.input_shape
        if x.dim() != 4 or x.shape[1:] != (3, shape.height, shape.width):
            raise ValueError(f'input must be (B, 3, {shape.height}, {shape.width}), '
                             f'got {tuple(x.shape)}')
        levels = self.fpn(self.backbone(x))
        prototypes = self.proto_net(levels[0]).permute(0, 2, 3, 1)
        semantic = self.semantic_seg_conv(levels[0]) if self.training else None
        offsets, logits, coefficients = self.prediction_layers[0](levels)
        return RawPredictions(offsets, logits, coefficients, prototypes, semantic)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """
        Draw fresh weights: Xavier outside the backbone, Kaiming inside, biases 0.

        Offsets of deformable convolutions stay 0, as in the original. The re-scoring net's last
        biases are 0.5 instead: it ends in a ReLU, and a class that starts below 0 never learns.
        The convolution behind the published prototypes begins as one that changes nothing.
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and not name.endswith('conv_offset_mask'):
                if name.startswith('backbone.'):
                    nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu',
                                            generator=generator)
                else:
                    nn.init.xavier_uniform_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, DeformConv):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu',
                                        generator=generator)
        if self.config.prototype_scale > 2:
            nn.init.dirac_(self.proto_net[-2].weight)
        if self.maskiou_net is not None:
            nn.init.constant_(self.maskiou_net.maskiou_net[-2].bias, 0.5)


def level_sizes(input_size: InputSize) -> list[tuple[int, int]]:
    """Return height and width of P3-P7: stride 2 convolutions, each rounding up."""
    shape = input_shape(input_size)
    height, width, sizes = shape.height, shape.width, []
    for stride in (2, 4, 8, 16, 32, 64, 128):
        height, width = (height + 1) // 2, (width + 1) // 2
        if stride >= 8:
            sizes.append((height, width))
    return sizes


def prototype_grid(config: ModelConfig) -> tuple[int, int]:
    """Return height and width of the prototypes and of the masks made of them."""
    height, width = level_sizes(config.input_size)[0]
    return config.prototype_scale * height, config.prototype_scale * width
