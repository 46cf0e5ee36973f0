"""
Modulated deformable convolution (Zhu et al. 2019, Deformable ConvNets v2), nothing to compile.

A sample at a fractional position is the sum of four neighbouring pixels, weighted bilinearly and
by the modulation mask. That is exactly what embedding_bag computes: the picture's pixels
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
    picture count 0; a position a whole pixel outside contributes nothing.

    :param x: (B, C, H, W).
    :param offset: (B, 2 * kh * kw, Ho, Wo), y and x interleaved [px].
    :param mask: (B, kh * kw, Ho, Wo), usually in [0, 1].
    :param weight: (O, C, kh, kw).
    :param bias: (O,) or None.
    :returns: (B, O, Ho, Wo).
    :raises ValueError: when offset or mask do not have the shape of the output.
    """
    batch, channels, height, width = x.shape
    out_channels, _, kernel_h, kernel_w = weight.shape
    out_h = (height + 2 * padding - kernel_h) // stride + 1
    out_w = (width + 2 * padding - kernel_w) // stride + 1
    taps = kernel_h * kernel_w
    for name, tensor, rows in (('offset', offset, 2 * taps), ('mask', mask, taps)):
        if tensor.shape != (batch, rows, out_h, out_w):
            raise ValueError(f'{name} must be {(batch, rows, out_h, out_w)}, '
                             f'got {tuple(tensor.shape)}')
    indices, weights = _neighbours(offset, mask, (height, width), (kernel_h, kernel_w),
                                   stride, padding)
    pixels = x.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    columns = functional.embedding_bag(indices, pixels, mode='sum',
                                       per_sample_weights=weights.to(pixels.dtype))
    columns = columns.reshape(batch * out_h * out_w, taps * channels)
    kernel = weight.permute(0, 2, 3, 1).reshape(out_channels, taps * channels)
    out = functional.linear(columns, kernel, bias)
    return out.reshape(batch, out_h, out_w, out_channels).permute(0, 3, 1, 2)


def _neighbours(offset: Tensor, mask: Tensor, size: tuple[int, int], kernel: tuple[int, int],
                stride: int, padding: int) -> tuple[Tensor, Tensor]:
    """
    Return which pixels every tap reads and how much of each.

    :returns: indices (B * Ho * Wo * taps, 4) into the flattened (B * H * W) pixels, and weights
        of the same shape; neighbours outside the picture have weight 0.
    """
    batch, taps, out_h, out_w = mask.shape
    height, width = size
    device, real = offset.device, offset.dtype
    tap = torch.arange(taps, device=device)
    base_y = torch.arange(out_h, device=device) * stride - padding
    base_x = torch.arange(out_w, device=device) * stride - padding
    shift_y, shift_x = offset.reshape(batch, taps, 2, out_h, out_w).unbind(2)
    y = shift_y + (base_y[None, :, None] + (tap // kernel[1])[:, None, None]).to(real)
    x = shift_x + (base_x[None, None, :] + (tap % kernel[1])[:, None, None]).to(real)
    # A diverged training may offer NaN: read somewhere valid, the NaN weight reports it.
    low_y, low_x = (at.detach().floor().nan_to_num(-1.0) for at in (y, x))
    indices, weights = [], []
    first_row = (torch.arange(batch, device=device) * height).reshape(-1, 1, 1, 1)
    for corner_y in (low_y, low_y + 1):
        weight_y = 1 - (y - corner_y).abs()
        inside_y = (corner_y >= 0) & (corner_y < height)
        row = (first_row + corner_y.clamp(0, height - 1).long()) * width
        for corner_x in (low_x, low_x + 1):
            inside = inside_y & (corner_x >= 0) & (corner_x < width)
            share = weight_y * (1 - (x - corner_x).abs()) * mask
            indices.append(row + corner_x.clamp(0, width - 1).long())
            weights.append(torch.where(inside, share, torch.zeros_like(share)))
    return _flatten_taps(indices), _flatten_taps(weights)


def _flatten_taps(corners: list[Tensor]) -> Tensor:
    """Return four (B, taps, Ho, Wo) tensors as rows of four: (B * Ho * Wo * taps, 4)."""
    return torch.stack(corners, -1).permute(0, 2, 3, 1, 4).reshape(-1, 4)
