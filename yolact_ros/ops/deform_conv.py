"""
Modulated deformable convolution (Zhu et al. 2019, Deformable ConvNets v2), nothing to compile.

A sample at a fractional position is the sum of four neighbouring pixels, weighted bilinearly and
by the modulation mask. That is exactly what embedding_bag computes: the image's pixels
are the rows of a table, every kernel tap of every output position is a bag of four rows, and the
weights are per-sample weights. So sampling is one vectorised kernel that exists, with gradients,
in every build of torch on CPU and CUDA, and the convolution itself is a matrix product.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor,
                  bias: Tensor | None = None, stride: int = 1, padding: int = 1) -> Tensor:
    """
    Convolve x at shifted, modulated sampling positions.

    Tap t = kw * ky + kx of output (oy, ox) reads x at row oy * stride - padding + ky + offset
    channel 2t and column ox * stride - padding + kx + offset channel 2t + 1. Pixels outside the
    image count 0; a position a whole pixel outside contributes nothing.

    :param x: (B, C, H, W).
    :param offset: (B, 2 * kh * kw, Ho, Wo), y and x interleaved [px].
    :param mask: (B, kh * kw, Ho, Wo), usually in [0, 1].
    :param weight: (O, C, kh, kw).
    :param bias: (O,) or None.
    :returns: (B, O, Ho, Wo).
    :raises ValueError: when offset or mask do not have the shape of the output.
    """
    out_channels, channels, kernel_h, kernel_w = weight.shape
    columns = sample_columns(x, offset, mask, (kernel_h, kernel_w), stride, padding)
    kernel = weight.permute(0, 2, 3, 1).reshape(out_channels, kernel_h * kernel_w * channels)
    return functional.linear(columns, kernel, bias).permute(0, 3, 1, 2)


def sample_columns(x: Tensor, offset: Tensor, mask: Tensor, kernel: tuple[int, int],
                   stride: int = 1, padding: int = 1) -> Tensor:
    """
    Return what every kernel tap reads: (B, Ho, Wo, taps * C), channels fastest.

    Parameters as of deform_conv2d; the convolution is a matrix product of this.
    """
    batch, channels, height, width = x.shape
    out_h = (height + 2 * padding - kernel[0]) // stride + 1
    out_w = (width + 2 * padding - kernel[1]) // stride + 1
    taps = kernel[0] * kernel[1]
    for name, tensor, rows in (('offset', offset, 2 * taps), ('mask', mask, taps)):
        if tensor.shape != (batch, rows, out_h, out_w):
            raise ValueError(f'{name} must be {(batch, rows, out_h, out_w)}, '
                             f'got {tuple(tensor.shape)}')
    # A border of zeros stands for everything outside the image.
    pixels = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).reshape(-1, channels)
    indices, weights = _neighbours(offset, mask, (height, width), kernel, stride, padding)
    columns = functional.embedding_bag(indices, pixels, mode='sum',
                                       per_sample_weights=weights.to(pixels.dtype))
    return columns.reshape(batch, out_h, out_w, taps * channels)


def _neighbours(offset: Tensor, mask: Tensor, size: tuple[int, int], kernel: tuple[int, int],
                stride: int, padding: int) -> tuple[Tensor, Tensor]:
    """
    Return which pixels every tap reads and how much of each.

    :param size: height and width of the image [px] without its border of one pixel.
    :returns: indices (B * Ho * Wo * taps, 4) int32 into the flattened (B, H + 2, W + 2) pixels,
        and weights of the same shape.
    """
    batch, taps, out_h, out_w = mask.shape
    (height, width), device = size, offset.device
    # (B, 2 * taps, Ho, Wo) -> (B, Ho, Wo, taps) twice: the order in which the bags lie
    shift_y, shift_x = offset.permute(0, 2, 3, 1).reshape(batch, out_h, out_w, taps, 2).unbind(-1)
    tap = torch.arange(taps, device=device)
    start_y = torch.arange(-padding, out_h * stride - padding, stride, device=device)
    start_x = torch.arange(-padding, out_w * stride - padding, stride, device=device)
    row, share_y = _split(shift_y, start_y[:, None, None] + tap // kernel[1], height)
    column, share_x = _split(shift_x, start_x[:, None] + tap % kernel[1], width)
    first = torch.arange(batch, device=device, dtype=torch.int32).reshape(-1, 1, 1, 1) \
        * ((height + 2) * (width + 2))
    top_left = row * (width + 2) + column + first
    mask = mask.permute(0, 2, 3, 1)
    upper = share_y * mask
    lower = mask - upper
    upper_left, lower_left = upper * share_x, lower * share_x
    # On a CPU torch.stack takes twice as long for floats along a new last axis.
    weights = mask.new_empty(*mask.shape, 4)
    for corner, weight in enumerate((upper_left, upper - upper_left,
                                     lower_left, lower - lower_left)):
        weights[..., corner] = weight
    indices = torch.stack([top_left + corner for corner in (0, 1, width + 2, width + 3)], -1)
    return indices.reshape(-1, 4), weights.reshape(-1, 4)


def _split(shift: Tensor, start: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """
    Return the pixel before each position along one axis, counted from the border, and its share.

    :param shift: (B, Ho, Wo, taps) offset from the start [px].
    :param start: broadcasts to it, integers.
    :param size: of the image along the axis; positions further out read the border.
    :returns: int32 in [0, size], and (B, Ho, Wo, taps) in [0, 1].
    """
    at = (shift + start.to(shift.dtype)).clamp(-1, size)
    # A diverged training may offer NaN: read somewhere valid, the NaN weight reports it.
    after = at.detach().floor().add_(1).clamp_(max=size).nan_to_num_(0.0)
    # One pixel after the image's is the same pixel counted from the border.
    return after.int(), after - at
