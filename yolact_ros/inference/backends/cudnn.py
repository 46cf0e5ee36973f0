"""
Convolutions for CUDA with activations and sums inside, by cuDNN.

torch has these operators (its own freezing emits them). A convolution without ReLU gets its bias
by a kernel of its own: cuDNN's fusion is for convolution, sum, bias and ReLU.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolact_ros.devices import is_device_failure
from yolact_ros.inference.backends.fuse import Operators, activate
from yolact_ros.inference.backends.onednn import sample_taps

logger = logging.getLogger(__name__)


def cudnn_operators() -> Operators | None:
    """Return cuDNN's fused operators, None where this torch has no cuDNN."""
    return Operators(CudnnConv, _sampler()) if torch.backends.cudnn.is_available() else None


def _sampler():
    """Return Triton's sampling of deformable taps, torch's where Triton is missing."""
    try:
        from yolact_ros.ops.kernels.sampling import sample_columns
    except ImportError:  # the predictor says so
        return sample_taps
    return sample_columns


class CudnnConv(nn.Module):
    """
    A convolution with its activation and, if wanted, a sum before the activation.

    Some cuDNN releases have no fused kernel for few channels or old GPUs; a convolution that
    is refused runs unfused from then on.

    :param conv: channels last, on the device.
    :param activation: nn.ReLU, nn.ReLU6, nn.LeakyReLU or None.
    :param any_batch: of no concern to cuDNN.
    """

    def __init__(self, conv: nn.Conv2d, activation: nn.Module | None,
                 any_batch: bool = False) -> None:
        super().__init__()
        self._weight = conv.weight.detach().to(memory_format=torch.channels_last)
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._geometry = conv.stride, conv.padding, conv.dilation, conv.groups
        self._activation = activation
        self._fused = isinstance(activation, nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        """Return activation(conv(x))."""
        if self._fused:
            try:
                return torch.cudnn_convolution_relu(x, self._weight, self._bias, *self._geometry)
            except RuntimeError as error:
                self._give_up(error)
        return activate(functional.conv2d(x, self._weight, self._bias, *self._geometry),
                        self._activation)

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Return activation(conv(x) + total)."""
        if self._fused:
            try:
                return torch.cudnn_convolution_add_relu(x, self._weight, total, 1.0, self._bias,
                                                        *self._geometry)
            except RuntimeError as error:
                self._give_up(error)
        found = functional.conv2d(x, self._weight, self._bias, *self._geometry)
        return activate(found.add_(total), self._activation)

    def _give_up(self, error: RuntimeError) -> None:
        """
        Run unfused from now on.

        :raises RuntimeError: the error, when the device failed and no kernel is missing.
        """
        if is_device_failure(error):
            raise error
        logger.info('no fused kernel for a convolution of %s: %s', tuple(self._weight.shape),
                    str(error).splitlines()[0])
        self._fused = False
