"""Deformable convolution (3x3, padding 1) in the forms that other runtimes' converters know."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolact_ros.model.backbone import DeformConv
from yolact_ros.ops.deform_conv import deform_conv2d

# x, weight, offset, bias, mask and stride, shaped as of deform_conv2d -> (B, O, Ho, Wo).
Convolve = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int], Tensor]


class ExportableDeformConv(nn.Module):
    """A deformable convolution as one operator or decomposed."""

    def __init__(self, deform: DeformConv, convolve: Convolve) -> None:
        super().__init__()
        self.weight, self.bias, self.stride = deform.weight, deform.bias, deform.stride
        self.conv_offset_mask = deform.conv_offset_mask
        self._convolve = convolve

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, O, H / stride, W / stride) of (B, C, H, W)."""
        raw = self.conv_offset_mask(x)
        return self._convolve(x, self.weight, raw[:, :18], self.bias, torch.sigmoid(raw[:, 18:]),
                              self.stride)


# torch 2.4 cannot read the schema from annotations that are kept as text.
DEFORM_SCHEMA = ('(Tensor x, Tensor weight, Tensor offset, Tensor bias, Tensor mask, int stride)'
                 ' -> Tensor')


@torch.library.custom_op('yolact_ros::deform_conv2d', mutates_args=(), schema=DEFORM_SCHEMA)
def deform_operator(x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor, mask: Tensor,
                    stride: int) -> Tensor:
    """Return ops.deform_conv2d as one operator, arguments in the order of ONNX DeformConv."""
    return deform_conv2d(x, offset, mask, weight, bias, stride).contiguous()


@deform_operator.register_fake
def _(x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor, mask: Tensor,
      stride: int) -> Tensor:
    """Return an empty result of the right shape."""
    return x.new_empty(x.shape[0], weight.shape[0], offset.shape[2], offset.shape[3])


def deform_by_grid_sample(x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor, mask: Tensor,
                          stride: int) -> Tensor:
    """
    Return a deformable convolution by operators that every runtime has.

    grid_sample reads all taps as one image of nine times the height; with corners aligned its
    coordinates are pixels scaled to [-1, 1].
    """
    _, channels, height, width = x.shape
    out_h, out_w = offset.shape[2:]
    tap, rows, columns = (torch.arange(count, device=x.device) for count in (9, out_h, out_w))
    start_y = (rows * stride - 1)[None, :, None] + (tap // 3)[:, None, None]
    start_x = (columns * stride - 1)[None, None, :] + (tap % 3)[:, None, None]
    shifts = offset.reshape(-1, 9, 2, out_h, out_w)
    y = (shifts[:, :, 0] + start_y) * (2 / (height - 1)) - 1
    x_at = (shifts[:, :, 1] + start_x) * (2 / (width - 1)) - 1
    grid = torch.stack((x_at, y), -1).reshape(-1, 9 * out_h, out_w, 2)
    samples = functional.grid_sample(x, grid, mode='bilinear', padding_mode='zeros',
                                     align_corners=True)
    samples = samples.reshape(-1, channels, 9, out_h, out_w) * mask[:, None]
    return functional.conv2d(samples.reshape(-1, channels * 9, out_h, out_w),
                             weight.reshape(weight.shape[0], channels * 9, 1, 1), bias)


def deform_by_embedding_bag(x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor, mask: Tensor,
                            stride: int) -> Tensor:
    """
    Return a deformable convolution by weighted sums of four rows of channels and a 1x1 one.

    The idea of ops.deform_conv, in operators that OpenVINO has and that it joins to few loops.
    """
    batch, channels, height, width = x.shape
    out_channels, (out_h, out_w), wide = weight.shape[0], offset.shape[2:], width + 2
    tap, rows, columns = (torch.arange(count, device=x.device) for count in (9, out_h, out_w))
    # (B, 18, Ho, Wo) -> (B, Ho, Wo, taps, y and x)
    shifts = offset.permute(0, 2, 3, 1).reshape(-1, out_h, out_w, 9, 2)
    row, share_y = _pixel_after(
        shifts[..., 0] + ((rows * stride - 1)[:, None, None] + tap // 3), height)
    column, share_x = _pixel_after(
        shifts[..., 1] + ((columns * stride - 1)[:, None] + tap % 3), width)
    corner = torch.arange(4, device=x.device)
    below, right = corner // 2, corner % 2
    first = (torch.arange(batch, device=x.device) * ((height + 2) * wide)).reshape(-1, 1, 1, 1, 1)
    indices = (row * wide + column).int() + (below * wide + right).int() + first.int()
    # The share of the pixels before the position, 1 - share of those after it.
    weights = ((below + (1 - 2 * below) * share_y) * (right + (1 - 2 * right) * share_x)
               * mask.permute(0, 2, 3, 1)[..., None])
    pixels = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).reshape(-1, channels)
    samples = functional.embedding_bag(indices.reshape(-1, 4), pixels, mode='sum',
                                       per_sample_weights=weights.reshape(-1, 4))
    kernel = weight.permute(0, 2, 3, 1).reshape(out_channels, 9 * channels, 1, 1)
    return functional.conv2d(
        samples.reshape(-1, out_h, out_w, 9 * channels).permute(0, 3, 1, 2), kernel, bias)


def _pixel_after(at: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """
    Return the pixel after each position along one axis and the share of the one before.

    :param at: (...) positions [px]; those further out than a pixel read the border.
    :param size: of the image along the axis.
    :returns: (..., 1) whole numbers in [0, size], which count the pixel before from a border of
        one pixel, and (..., 1) in [0, 1].
    """
    at = at.clamp(-1, size)
    after = (at.floor() + 1).clamp(max=size)
    return after[..., None], (after - at)[..., None]
