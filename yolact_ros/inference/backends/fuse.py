"""
The network for inference: activations and sums inside the convolutions.

A ReLU of its own reads and writes the whole feature map again. On a CPU the fresh memory costs
more than the arithmetic: ResNet-50 spends a third of its float32 time there. On a GPU every
operator is a kernel to launch. Libraries apply activation and shortcut while the result is still
in registers; which library is told by Operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolact_ros.model.backbone import BasicBlock, Bottleneck, DeformConv, ResNet
from yolact_ros.model.layers import FPN, PredictionHead, Upsample2, upsample
from yolact_ros.model.lite import LiteBlock, pad_same
from yolact_ros.model.yolact import Yolact


@dataclass(frozen=True)
class Operators:
    """
    What a library offers.

    :param conv: (convolution, activation, any_batch) -> module with forward(x) =
        activation(conv(x)) and add_to(total, x) = activation(conv(x) + total), which may write
        into total. The activation is nn.ReLU, nn.ReLU6, nn.LeakyReLU or None; any_batch tells
        that the batch size changes at every call.
    :param sample: (x (B, C, H, W), raw (B, 27, Ho, Wo), stride) -> (B, 9 * C, Ho, Wo) channels
        last, what the taps of a 3x3 deformable convolution read; raw is what its convolution of
        offsets gives: 18 offsets, y and x interleaved [px], then 9 modulation logits.
    """

    conv: Callable[..., nn.Module]
    sample: Callable[[Tensor, Tensor, int], Tensor]


def activate(x: Tensor, activation: nn.Module | None) -> Tensor:
    """Apply nn.ReLU, nn.ReLU6, nn.LeakyReLU or nothing in place; for what is not fused."""
    if isinstance(activation, nn.LeakyReLU):
        return functional.leaky_relu_(x, activation.negative_slope)
    if isinstance(activation, nn.ReLU6):
        return functional.hardtanh_(x, 0.0, 6.0)
    return x if activation is None else functional.relu_(x)


def fuse_activations(model: Yolact, operators: Operators) -> Yolact:
    """
    Replace the modules of a network by fused ones, in place; batch norm must be folded already.

    :param model: in eval mode, on its device, in its final precision.
    :returns: the same model; it is for inference only from now on.
    """
    if isinstance(model.backbone, ResNet):
        model.backbone = FusedResNet(model.backbone, operators)
    else:
        _fuse_sequences(model.backbone, operators)
    model.fpn = FusedFPN(model.fpn, operators)
    model.proto_net = _fuse_sequence(model.proto_net, operators)
    model.prediction_layers[0] = FusedHead(model.prediction_layers[0], operators)
    if model.maskiou_net is not None:
        model.maskiou_net.maskiou_net = _fuse_sequence(model.maskiou_net.maskiou_net, operators,
                                                       any_batch=True)
    return model


class FusedDeformConv(nn.Module):
    """A deformable convolution with its ReLU: sampling, then a 1x1 convolution over the taps."""

    def __init__(self, deform: DeformConv, operators: Operators) -> None:
        super().__init__()
        out_channels, in_channels, *kernel = deform.weight.shape
        self.stride = deform.stride
        self.conv_offset_mask = operators.conv(deform.conv_offset_mask, None)
        self._sample_taps = operators.sample
        taps = nn.Conv2d(in_channels * kernel[0] * kernel[1], out_channels, 1,
                         device='meta', dtype=deform.weight.dtype)
        # (O, C, kh, kw) -> (O, kh * kw * C, 1, 1): the order in which the samples lie
        taps.weight = nn.Parameter(deform.weight.detach().permute(0, 2, 3, 1)
                                   .reshape(out_channels, -1, 1, 1))
        taps.bias = deform.bias
        self.taps = operators.conv(taps, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(deformable convolution)."""
        return self.taps(self._sample(x))

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Return relu(deformable convolution + total), written into total."""
        return self.taps.add_to(total, self._sample(x))

    def _sample(self, x: Tensor) -> Tensor:
        """Return what the taps read, (B, taps * C, Ho, Wo) channels last, of (B, C, H, W)."""
        return self._sample_taps(x, self.conv_offset_mask(x), self.stride)


class FusedBlock(nn.Module):
    """
    A residual block whose last convolution adds the shortcut and applies the ReLU.

    The shortcut's memory may become the result. That is safe: the maps a backbone hands out
    are never an identity shortcut, because every later stage starts with a downsampling one.
    """

    def __init__(self, block: Bottleneck | BasicBlock, operators: Operators) -> None:
        super().__init__()
        relu = nn.ReLU()
        convs = [block.conv1, block.conv2] + ([block.conv3] if hasattr(block, 'conv3') else [])
        self.inner = nn.Sequential(*(_fuse_conv(conv, relu, operators) for conv in convs[:-1]))
        self.last = _fuse_conv(convs[-1], relu, operators)
        self.downsample = None if block.downsample is None \
            else operators.conv(block.downsample[0], None)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.last.add_to(shortcut, self.inner(x))


class FusedResNet(nn.Module):
    """A ResNet of fused blocks."""

    def __init__(self, backbone: ResNet, operators: Operators) -> None:
        super().__init__()
        self.stem = operators.conv(backbone.conv1, nn.ReLU())
        self.layers = nn.ModuleList(
            nn.Sequential(*(FusedBlock(block, operators) for block in stage))
            for stage in backbone.layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [C3, C4, C5] of (B, 3, H, W)."""
        x = functional.max_pool2d(self.stem(x), 3, 2, 1)
        features = []
        for stage in self.layers:
            x = stage(x)
            features.append(x)
        return features[1:]


class FusedLiteBlock(nn.Module):
    """
    A block of EfficientNet-Lite whose last convolution adds the input.

    The input's memory becomes the result. That is safe as in FusedBlock: a block that follows a
    map handed out adds nothing.
    """

    def __init__(self, block: LiteBlock, operators: Operators) -> None:
        super().__init__()
        self.padded_for, self.adds = block.padded_for, block.adds
        self.expand = None if block.expand is None else _fuse_sequence(block.expand, operators)
        self.depthwise = _fuse_sequence(block.depthwise, operators)
        self.project = operators.conv(block.project[0], None)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        inner = x if self.expand is None else self.expand(x)
        if self.padded_for:
            inner = pad_same(inner, self.padded_for)
        inner = self.depthwise(inner)
        return self.project.add_to(x, inner) if self.adds else self.project(inner)


class FusedFPN(nn.Module):
    """A feature pyramid whose lateral convolutions add to the upsampled map."""

    def __init__(self, fpn: FPN, operators: Operators) -> None:
        super().__init__()
        self.lat_layers = nn.ModuleList(operators.conv(conv, None) for conv in fpn.lat_layers)
        self.pred_layers = nn.ModuleList(
            operators.conv(conv, nn.ReLU()) for conv in fpn.pred_layers)
        self.downsample_layers = nn.ModuleList(
            operators.conv(conv, None) for conv in fpn.downsample_layers)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return [P3, P4, P5, P6, P7] of [C3, C4, C5]."""
        levels: list[Tensor] = []
        top: Tensor | None = None
        for lateral, predict, feature in zip(self.lat_layers, self.pred_layers,
                                             reversed(features)):
            top = lateral(feature) if top is None \
                else lateral.add_to(upsample(top, feature.shape[2:]), feature)
            levels.insert(0, predict(top))
        for downsample in self.downsample_layers:
            levels.append(downsample(levels[-1]))
        return levels


class FusedHead(nn.Module):
    """
    A prediction head of one convolution, which reads every level once for all three results.

    They are written where they belong, as float32.
    """

    def __init__(self, head: PredictionHead, operators: Operators) -> None:
        super().__init__()
        self.upfeature = _fuse_sequence(head.upfeature, operators)
        layers = head.bbox_layer, head.conf_layer, head.mask_layer
        self._channels = [layer.out_channels for layer in layers]
        joined = nn.Conv2d(layers[0].in_channels, sum(self._channels), 3, padding=1,
                           device='meta', dtype=layers[0].weight.dtype)
        joined.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]))
        joined.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))
        self.layer = operators.conv(joined, None)
        self._widths = 4, head.num_classes + 1, head.num_prototypes
        self._anchors = self._channels[0] // 4

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return box offsets (B, P, 4), class logits (B, P, C + 1), coefficients (B, P, K)."""
        counts = [level.shape[2] * level.shape[3] * self._anchors for level in levels]
        batch = len(levels[0])
        results = [levels[0].new_empty(batch, sum(counts), width, dtype=torch.float32)
                   for width in self._widths]
        start = 0
        for level, count in zip(levels, counts):
            joined = self.layer(self.upfeature(level)).permute(0, 2, 3, 1)
            for result, part in zip(results, joined.split(self._channels, -1)):
                # (B, H, W, anchors * width) of (B, H * W * anchors, width)
                result[:, start:start + count].view(part.shape).copy_(part)
            start += count
        offsets, logits, coefficients = results
        return offsets, logits, coefficients.tanh_()


def _fuse_conv(conv: nn.Conv2d | DeformConv, activation: nn.Module,
               operators: Operators) -> nn.Module:
    """Return the fused form of a plain or deformable convolution."""
    if isinstance(conv, DeformConv):
        return FusedDeformConv(conv, operators)
    return operators.conv(conv, activation)


def _fuse_sequences(module: nn.Module, operators: Operators) -> None:
    """Fuse every sequence of layers inside a module, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, LiteBlock):
            setattr(module, name, FusedLiteBlock(child, operators))
        elif isinstance(child, nn.Sequential) and isinstance(child[0], nn.Conv2d):
            setattr(module, name, _fuse_sequence(child, operators))
        else:
            _fuse_sequences(child, operators)


def _fuse_sequence(layers: nn.Sequential, operators: Operators,
                   any_batch: bool = False) -> nn.Sequential:
    """
    Return a sequence with every activation in the convolution before it.

    The ReLU after the upsampling goes: interpolating numbers >= 0 gives no negative one.
    """
    kept = [layer for layer in layers if not isinstance(layer, nn.Identity)]
    fused: list[nn.Module] = []
    for layer, following in zip(kept, [*kept[1:], None]):
        if isinstance(layer, nn.Conv2d):
            fused.append(operators.conv(layer, following, any_batch))
        elif isinstance(layer, Upsample2):
            fused.append(layer)
    return nn.Sequential(*fused)
