"""What the taps of a deformable convolution read (Zhu et al. 2019, Deformable ConvNets v2)."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TAPS = 9
ROWS = 8        # output positions per program
CHANNELS = 128  # and at most so many channels: 8 halves in one load of every thread


def sample_columns(x: Tensor, raw: Tensor, stride: int) -> Tensor:
    """
    Return what every tap of a 3x3 deformable convolution with padding 1 reads.

    The result times the kernel, tap by tap, is the convolution; as ops.deform_conv, whose
    definition of positions and borders holds here. Weights and sums are float32.

    :param x: (B, C, H, W), channels last.
    :param raw: (B, 27, Ho, Wo), channels last, what the offset convolution gives: 18 offsets,
        y and x interleaved [px], then 9 modulation logits.
    :returns: (B, 9 * C, Ho, Wo) of x's dtype, channels last; channel C * tap + c.
    """
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert raw.is_contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = x.shape
    out_h, out_w = raw.shape[2:]
    columns = torch.empty((batch, TAPS * channels, out_h, out_w), dtype=x.dtype, device=x.device,
                          memory_format=torch.channels_last)
    positions = batch * out_h * out_w
    block = min(CHANNELS, triton.next_power_of_2(channels))
    _sample[triton.cdiv(positions, ROWS), TAPS, triton.cdiv(channels, block)](
        x, raw, columns, positions, height, width, out_h, out_w, channels=channels,
        stride=stride, rows=ROWS, block=block)
    return columns


@triton.jit
def _split(position, size):
    """Return the pixel before each position along one axis, and that pixel's share."""
    at = tl.minimum(tl.maximum(position, -1.0), size * 1.0)
    low = tl.minimum(tl.floor(at), size - 1.0)
    # NaN reads somewhere valid and shows in the weight.
    defined = position == position
    return tl.where(defined, low, -1.0).to(tl.int32), tl.where(defined, 1 - (at - low), position)


@triton.jit
def _sample(x, raw, columns, positions, height, width, out_h, out_w, channels: tl.constexpr,
            stride: tl.constexpr, rows: tl.constexpr, block: tl.constexpr):
    """Write some channels of one tap at some output positions of the whole batch."""
    position = tl.program_id(0) * rows + tl.arange(0, rows)
    tap = tl.program_id(1)
    channel = tl.program_id(2) * block + tl.arange(0, block)
    inside = position < positions
    predicted = raw + position.to(tl.int64) * 27
    shift_y = tl.load(predicted + 2 * tap, mask=inside, other=0.0).to(tl.float32)
    shift_x = tl.load(predicted + 2 * tap + 1, mask=inside, other=0.0).to(tl.float32)
    logit = tl.load(predicted + 18 + tap, mask=inside, other=0.0).to(tl.float32)
    row = position // out_w
    start_y = row % out_h * stride - 1 + tap // 3
    start_x = position % out_w * stride - 1 + tap % 3
    y, above = _split(start_y.to(tl.float32) + shift_y, height)
    x_low, before = _split(start_x.to(tl.float32) + shift_x, width)

    # (rows, block): the image's rows above and below, in each the pixels left and right
    wanted = inside[:, None] & (channel < channels)[None, :]
    total = tl.zeros((rows, block), tl.float32)
    first = (row // out_h).to(tl.int64) * height
    modulation = tl.sigmoid(logit)
    for corner in tl.static_range(4):
        at_y, at_x = y + corner // 2, x_low + corner % 2
        share_y = above if corner < 2 else 1 - above
        share_x = before if corner % 2 == 0 else 1 - before
        exists = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
        pixel = x + ((first + at_y) * width + at_x) * channels
        value = tl.load(pixel[:, None] + channel[None, :], mask=wanted & exists[:, None],
                        other=0.0)
        total += (share_y * share_x * modulation)[:, None] * value.to(tl.float32)
    target = columns + position.to(tl.int64) * (9 * channels) + tap * channels
    tl.store(target[:, None] + channel[None, :], total.to(columns.dtype.element_ty), mask=wanted)
