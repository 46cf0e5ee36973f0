"""
The network for x86 and ARM CPUs: activations and sums inside the convolutions of oneDNN.

A ReLU of its own reads and writes the whole feature map again, and on a CPU the fresh memory costs
more than the arithmetic: ResNet-50 spends a third of its float32 time there. oneDNN applies
activation and shortcut while the result is still in registers. torch has these operators
(its own compiler emits them), so nothing needs compiling on the user's machine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolact_ros.model.backbone import BasicBlock, Bottleneck, DeformConv, ResNet
from yolact_ros.model.layers import FPN, PredictionHead, Upsample2, upsample
from yolact_ros.model.yolact import Yolact
from yolact_ros.ops.deform_conv import sample_columns


def onednn_available() -> bool:
    """Return whether this torch has oneDNN and its fused convolutions."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name)
        for name in ('_convolution_pointwise', '_convolution_pointwise_'))


def fuse_activations(model: Yolact) -> Yolact:
    """
    Replace the modules of a network by fused ones, in place; batch norm must be folded already.

    :param model: in eval mode, on the CPU, in its final precision.
    :returns: the same model; it is for inference only from now on.
    """
    if isinstance(model.backbone, ResNet):
        model.backbone = FusedResNet(model.backbone)
    else:
        _fuse_sequences(model.backbone)
    model.fpn = FusedFPN(model.fpn)
    model.proto_net = _fuse_sequence(model.proto_net)
    model.prediction_layers[0] = FusedHead(model.prediction_layers[0])
    if model.maskiou_net is not None:
        model.maskiou_net.maskiou_net = _fuse_sequence(model.maskiou_net.maskiou_net,
                                                       any_batch=True)
    return model


class FusedConv(nn.Module):
    """
    A convolution with its activation and, if wanted, a sum before the activation.

    The weights are brought into oneDNN's own layout at the first call with a shape and kept;
    doing it at every call would cost as much as the deepest layers themselves.

    :param activation: nn.ReLU, nn.LeakyReLU or None.
    :param any_batch: the weight packed for one batch size serves all: right for small layers
        whose batch size changes at every call.
    """

    def __init__(self, conv: nn.Conv2d, activation: nn.Module | None = None,
                 any_batch: bool = False) -> None:
        super().__init__()
        self.out_channels = conv.out_channels
        self._any_batch = any_batch
        self._bias = conv.bias
        self._geometry = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self._packed: dict[torch.Size | None, Tensor] = {None: conv.weight.detach()}
        names = {nn.ReLU: ('relu', []), nn.LeakyReLU: ('leaky_relu', [])}
        self._activation, self._scalars = names.get(type(activation), ('none', []))
        if isinstance(activation, nn.LeakyReLU):
            self._scalars = [activation.negative_slope]

    def forward(self, x: Tensor) -> Tensor:
        """Return activation(conv(x))."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._pack(x), self._bias, *self._geometry, self._activation, self._scalars, '')

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Return activation(conv(x) + total), written into total."""
        activation = None if self._activation == 'none' else self._activation
        return torch.ops.mkldnn._convolution_pointwise_.binary(
            total, x, self._pack(x), self._bias, *self._geometry, 'add', 1.0, activation,
            self._scalars, '')

    def _pack(self, x: Tensor) -> Tensor:
        """Return the weight in the layout that oneDNN wants for an input of this shape."""
        # The batch of re-scoring is the number of objects, another one in every picture.
        shape = x.shape[1:] if self._any_batch else x.shape
        packed = self._packed.get(shape)
        if packed is None:
            weight = next(iter(self._packed.values()))
            plain = weight.to_dense() if weight.is_mkldnn else weight
            # The head sees one shape per level; shapes of another batch size are forgotten.
            self._packed = {known: kept for known, kept in self._packed.items()
                            if kept.is_mkldnn and (self._any_batch or known[0] == shape[0])}
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                plain, *self._geometry, list(x.shape))
            self._packed[shape] = packed
        return packed


class FusedDeformConv(nn.Module):
    """A deformable convolution with its ReLU: sampling, then a 1x1 convolution over the taps."""

    def __init__(self, deform: DeformConv) -> None:
        super().__init__()
        out_channels, in_channels, *kernel = deform.weight.shape
        self.stride = deform.stride
        self.conv_offset_mask = FusedConv(deform.conv_offset_mask)
        taps = nn.Conv2d(in_channels * kernel[0] * kernel[1], out_channels, 1,
                         device='meta', dtype=deform.weight.dtype)
        # (O, C, kh, kw) -> (O, kh * kw * C, 1, 1): the order in which the samples lie
        taps.weight = nn.Parameter(deform.weight.detach().permute(0, 2, 3, 1)
                                   .reshape(out_channels, -1, 1, 1))
        taps.bias = deform.bias
        self.taps = FusedConv(taps, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(deformable convolution)."""
        return self.taps(self._sample(x))

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Return relu(deformable convolution + total), written into total."""
        return self.taps.add_to(total, self._sample(x))

    def _sample(self, x: Tensor) -> Tensor:
        """Return what the taps read, (B, taps * C, Ho, Wo) channels last, of (B, C, H, W)."""
        raw = self.conv_offset_mask(x).float()
        return sample_columns(x, raw[:, :18], raw[:, 18:].sigmoid_(), (3, 3), self.stride,
                              1).permute(0, 3, 1, 2)


class FusedBlock(nn.Module):
    """
    A residual block whose last convolution adds the shortcut and applies the ReLU.

    The shortcut's memory becomes the result. That is safe: the maps a backbone hands out
    are never an identity shortcut, because every later stage starts with a downsampling one.
    """

    def __init__(self, block: Bottleneck | BasicBlock) -> None:
        super().__init__()
        relu = nn.ReLU()
        convs = [block.conv1, block.conv2] + ([block.conv3] if hasattr(block, 'conv3') else [])
        self.inner = nn.Sequential(*(_fuse_conv(conv, relu) for conv in convs[:-1]))
        self.last = _fuse_conv(convs[-1], relu)
        self.downsample = None if block.downsample is None else FusedConv(block.downsample[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.last.add_to(shortcut, self.inner(x))


class FusedResNet(nn.Module):
    """A ResNet of fused blocks."""

    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.stem = FusedConv(backbone.conv1, nn.ReLU())
        self.layers = nn.ModuleList(nn.Sequential(*(FusedBlock(block) for block in stage))
                                    for stage in backbone.layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [C3, C4, C5] of (B, 3, S, S)."""
        x = functional.max_pool2d(self.stem(x), 3, 2, 1)
        features = []
        for stage in self.layers:
            x = stage(x)
            features.append(x)
        return features[1:]


class FusedFPN(nn.Module):
    """A feature pyramid whose lateral convolutions add to the upsampled map in place."""

    def __init__(self, fpn: FPN) -> None:
        super().__init__()
        self.lat_layers = nn.ModuleList(FusedConv(conv) for conv in fpn.lat_layers)
        self.pred_layers = nn.ModuleList(FusedConv(conv, nn.ReLU()) for conv in fpn.pred_layers)
        self.downsample_layers = nn.ModuleList(FusedConv(conv) for conv in fpn.downsample_layers)

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
    """A prediction head that writes every level's result where it belongs, as float32."""

    def __init__(self, head: PredictionHead) -> None:
        super().__init__()
        self.upfeature = _fuse_sequence(head.upfeature)
        self.layers = nn.ModuleList(FusedConv(conv) for conv in (
            head.bbox_layer, head.conf_layer, head.mask_layer))
        self._widths = 4, head.num_classes + 1, head.num_prototypes
        self._anchors = head.bbox_layer.out_channels // 4

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return box offsets (B, P, 4), class logits (B, P, C + 1), coefficients (B, P, K)."""
        counts = [level.shape[2] * level.shape[3] * self._anchors for level in levels]
        batch = len(levels[0])
        results = [levels[0].new_empty(batch, sum(counts), width, dtype=torch.float32)
                   for width in self._widths]
        start = 0
        for level, count in zip(levels, counts):
            shared = self.upfeature(level)
            for result, layer, width in zip(results, self.layers, self._widths):
                # (B, anchors * width, H, W) -> (B, H * W * anchors, width)
                result[:, start:start + count] = layer(shared).permute(0, 2, 3, 1).reshape(
                    batch, count, width)
            start += count
        offsets, logits, coefficients = results
        return offsets, logits, coefficients.tanh_()


def _fuse_conv(conv: nn.Conv2d | DeformConv, activation: nn.Module) -> nn.Module:
    """Return the fused form of a plain or deformable convolution."""
    return FusedDeformConv(conv) if isinstance(conv, DeformConv) else FusedConv(conv, activation)


def _fuse_sequences(module: nn.Module) -> None:
    """Fuse every sequence of layers inside a module, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Sequential) and isinstance(child[0], nn.Conv2d):
            setattr(module, name, _fuse_sequence(child))
        else:
            _fuse_sequences(child)


def _fuse_sequence(layers: nn.Sequential, any_batch: bool = False) -> nn.Sequential:
    """
    Return a sequence with every activation in the convolution before it.

    The ReLU after the upsampling goes: interpolating numbers >= 0 gives no negative one.
    """
    kept = [layer for layer in layers if not isinstance(layer, nn.Identity)]
    fused: list[nn.Module] = []
    for layer, following in zip(kept, [*kept[1:], None]):
        if isinstance(layer, nn.Conv2d):
            fused.append(FusedConv(layer, following, any_batch))
        elif isinstance(layer, Upsample2):
            fused.append(layer)
    return nn.Sequential(*fused)
