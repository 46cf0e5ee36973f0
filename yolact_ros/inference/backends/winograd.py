"""
3x3 convolutions with a quarter of the multiplications (Lavin and Gray 2016, F(4x4, 3x3)).

The image is cut into tiles of 4x4 results. Each is transformed to 6x6 numbers for which a
convolution is one product each, so all tiles together are 36 matrix products; 36 instead of 144
multiplications for 16 results. The transforms are sums, which is worth it for many channels. The
rounding error is five times that of the plain way, some 1e-5 of the largest result in float32;
half precision would lose too much.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolact_ros.inference.backends.fuse import activate

# Measured with one and two threads: below this the transforms cost more than they save.
LEAST_CHANNELS = 128
LEAST_TILES = 64
# Tiles of more than this are worked off in bands [bytes].
LARGEST_BAND = 96 << 20

# Transform of the kernel, 6x3; those of image and result are the functions below.
KERNEL = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
          (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))


def suits(conv: nn.Conv2d) -> bool:
    """Return whether a convolution can be computed this way and has the channels to gain by it."""
    return (conv.kernel_size == (3, 3) and conv.padding == (1, 1) and conv.stride == (1, 1)
            and conv.dilation == (1, 1) and conv.groups == 1
            and conv.weight.dtype == torch.float32
            and min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS)


class WinogradConv(nn.Module):
    """
    A 3x3 convolution of stride 1 with its activation, for the CPU.

    :param conv: one that suits.
    :param direct: module for the same convolution and activation, for images of few tiles.
    :param activation: nn.ReLU, nn.ReLU6, nn.LeakyReLU or None.
    """

    def __init__(self, conv: nn.Conv2d, direct: nn.Module,
                 activation: nn.Module | None) -> None:
        super().__init__()
        self._direct, self._activation = direct, activation
        self._weight, self._kernel = conv.weight.detach(), None
        self._bias = None if conv.bias is None else conv.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Return activation(conv(x)), channels last."""
        if self._is_small(x):
            return self._direct(x)
        padded = self._convolve(x)
        if isinstance(self._activation, nn.ReLU):
            # One pass takes the result out of its padding and applies the activation.
            dense = torch.empty_like(padded, memory_format=torch.channels_last)
            return torch.clamp(padded, min=0, out=dense)
        return activate(padded.contiguous(memory_format=torch.channels_last), self._activation)

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Return activation(conv(x) + total), written into total."""
        if self._is_small(x):
            return self._direct.add_to(total, x)
        return activate(total.add_(self._convolve(x)), self._activation)

    def _is_small(self, x: Tensor) -> bool:
        """Return whether an image has too few tiles; make the kernel ready where it has not."""
        if -(-x.shape[2] // 4) * -(-x.shape[3] // 4) < LEAST_TILES:
            return True
        if self._kernel is None:
            # Only now: it takes four times the memory of the weight, for deep layers in vain.
            transform = torch.tensor(KERNEL, dtype=torch.float64)
            kernel = torch.einsum('ia,ocab,jb->ijco', transform, self._weight.double(), transform)
            self._kernel = kernel.flatten(0, 1).float().contiguous()          # (36, C, O)
        return False

    def _convolve(self, x: Tensor) -> Tensor:
        """Return conv(x) (B, O, H, W), a part of a map of whole tiles."""
        batch, channels, height, width = x.shape
        down, across = -(-height // 4), -(-width // 4)
        out_channels = len(self._weight)
        padded = functional.pad(x.permute(0, 2, 3, 1), (
            0, 0, 1, 4 * across + 1 - width, 1, 4 * down + 1 - height))       # (B, h, w, C)
        result = x.new_empty(batch, 4 * down, 4 * across, out_channels)
        row_bytes = 36 * across * (channels + out_channels) * x.element_size()
        rows = min(max(LARGEST_BAND // row_bytes, 1), down)
        for image in range(batch):
            for start in range(0, down, rows):
                stop = min(start + rows, down)
                self._convolve_band(padded[image, 4 * start:4 * stop + 2],
                                    result[image, 4 * start:4 * stop])
        return result[:, :height, :width].permute(0, 3, 1, 2)

    def _convolve_band(self, image: Tensor, result: Tensor) -> None:
        """
        Write some rows of tiles.

        :param image: (4 * rows + 2, 4 * columns + 2, C).
        :param result: (4 * rows, 4 * columns, O).
        """
        rows, columns, channels = len(result) // 4, result.shape[1] // 4, image.shape[2]
        half = image.new_empty(6, rows, 4 * columns + 2, channels)
        _transform([image[row:row + 4 * rows - 3:4] for row in range(6)], half.unbind(0))
        tiles = image.new_empty(6, 6, rows, columns, channels)
        _transform([half[:, :, column:column + 4 * columns - 3:4] for column in range(6)],
                   tiles.unbind(1))
        products = torch.bmm(tiles.view(36, rows * columns, channels), self._kernel)
        if self._bias is not None:
            # What is added to this one reaches every result once.
            products[7] += self._bias
        products = products.view(6, 6, rows, columns, -1)
        half = image.new_empty(4, 6, rows, columns, products.shape[-1])
        _transform_back(products.unbind(0), half.unbind(0))
        result = result.view(rows, 4, columns, 4, -1)
        _transform_back(half.unbind(1), [result[:, :, :, column].transpose(0, 1)
                                         for column in range(4)])


def _transform(x: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """
    Write the six sums of six neighbours along one axis, B^T x of the paper.

    (4 x0 - 5 x2 + x4, -4 x1 - 4 x2 + x3 + x4, 4 x1 - 4 x2 - x3 + x4,
    -2 x1 - x2 + 2 x3 + x4, 2 x1 - x2 - 2 x3 + x4, 4 x1 - 5 x3 + x5)
    """
    even, odd = torch.sub(x[4], x[2], alpha=4), torch.sub(x[3], x[1], alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(x[4], x[2], out=even)
    torch.sub(x[3], x[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    first = torch.sub(x[2], x[0])
    torch.sub(even, first, alpha=4, out=out[0])
    last = torch.sub(x[5], x[3], out=first)
    torch.sub(last, odd, alpha=4, out=out[5])


def _transform_back(x: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """
    Write the four results of six products along one axis, A^T x of the paper.

    (x0 + x1 + x2 + x3 + x4, x1 - x2 + 2 x3 - 2 x4, x1 + x2 + 4 x3 + 4 x4,
    x1 - x2 + 8 x3 - 8 x4 + x5)
    """
    sum12, difference12 = x[1] + x[2], x[1] - x[2]
    sum34, difference34 = x[3] + x[4], x[3] - x[4]
    torch.add(sum12, sum34, out=out[0])
    out[0].add_(x[0])
    torch.add(difference12, difference34, alpha=2, out=out[1])
    torch.add(sum12, sum34, alpha=4, out=out[2])
    torch.add(difference12, difference34, alpha=8, out=out[3])
    out[3].add_(x[5])
