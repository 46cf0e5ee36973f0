"""
Convolutions for x86 and ARM CPUs, with activations and sums inside, by oneDNN.

torch has these operators (its own compiler emits them), so nothing needs compiling on the user's
machine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from yolact_ros.inference.backends import winograd
from yolact_ros.inference.backends.fuse import Operators
from yolact_ros.inference.backends.winograd import WinogradConv
from yolact_ros.ops.deform_conv import sample_columns


def onednn_operators() -> Operators | None:
    """Return oneDNN's fused operators, None where this torch lacks them."""
    available = torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name)
        for name in ('_convolution_pointwise', '_convolution_pointwise_'))
    return Operators(make_conv, sample_taps) if available else None


def make_conv(conv: nn.Conv2d, activation: nn.Module | None, any_batch: bool = False) -> nn.Module:
    """Return a convolution as Operators.conv wants it, with fewer multiplications where it can."""
    direct = OneDnnConv(conv, activation, any_batch)
    return WinogradConv(conv, direct, activation) if winograd.suits(conv) else direct


def sample_taps(x: Tensor, raw: Tensor, stride: int) -> Tensor:
    """
    Return what the taps of a 3x3 deformable convolution read, as Operators.sample wants it.

    :param raw: (B, 27, Ho, Wo) offsets and modulation logits.
    """
    raw = raw.float()
    return sample_columns(x, raw[:, :18], raw[:, 18:].sigmoid_(), (3, 3), stride,
                          1).permute(0, 3, 1, 2)


class OneDnnConv(nn.Module):
    """
    A convolution with its activation and, if wanted, a sum before the activation.

    The weights are brought into oneDNN's own layout at the first call with a shape and kept;
    doing it at every call would cost as much as the deepest layers themselves.

    :param activation: nn.ReLU, nn.ReLU6, nn.LeakyReLU or None.
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
        names = {nn.ReLU: ('relu', []), nn.ReLU6: ('hardtanh', [0.0, 6.0]),
                 nn.LeakyReLU: ('leaky_relu', [])}
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
        # The batch of re-scoring is the number of objects, another one in every image.
        shape = x.shape[1:] if self._any_batch else x.shape
        packed = self._packed.get(shape)
        if packed is None:
            weight = next(iter(self._packed.values()))
            plain = weight.to_dense() if weight.is_mkldnn else weight
            # The head sees one shape per level; shapes of another batch size are forgotten.
            self._packed = {known: kept for known, kept in self._packed.items()
                            if known is not None and kept.is_mkldnn
                            and (self._any_batch or known[0] == shape[0])}
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                plain, *self._geometry, list(x.shape))
            self._packed[shape] = packed
        return packed
