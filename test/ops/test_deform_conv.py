"""Deformable convolution against naive loops in float64."""

import math

import pytest
import torch
from torch.nn import functional

from yolact_ros.ops.deform_conv import deform_conv2d


def naive_sample(plane, y, x):
    """Return the bilinear value of a 2-D list at a position, 0 outside."""
    height, width = len(plane), len(plane[0])
    if y <= -1 or y >= height or x <= -1 or x >= width:
        return 0.0
    total, low_y, low_x = 0.0, math.floor(y), math.floor(x)
    for row in (low_y, low_y + 1):
        for column in (low_x, low_x + 1):
            if 0 <= row < height and 0 <= column < width:
                total += plane[row][column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def naive_deform_conv(x, offset, mask, weight, bias, stride, padding):
    """Return the convolution by its definition, one number at a time."""
    batch, channels = x.shape[:2]
    out_channels, _, kernel_h, kernel_w = weight.shape
    out = torch.zeros(batch, out_channels, *mask.shape[2:], dtype=x.dtype)
    for b, o, oy, ox in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        total = bias[o].item()
        for tap in range(kernel_h * kernel_w):
            ky, kx = divmod(tap, kernel_w)
            y = oy * stride - padding + ky + offset[b, 2 * tap, oy, ox].item()
            x_at = ox * stride - padding + kx + offset[b, 2 * tap + 1, oy, ox].item()
            for c in range(channels):
                total += (weight[o, c, ky, kx].item() * mask[b, tap, oy, ox].item()
                          * naive_sample(x[b, c].tolist(), y, x_at))
        out[b, o, oy, ox] = total
    return out


def random_inputs(stride, spread=1.5, batch=2):
    """Return x, offset, mask, weight, bias in float64; the offsets leave the image often."""
    generator = torch.Generator().manual_seed(stride)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    out_h, out_w = (5 - 1) // stride + 1, (6 - 1) // stride + 1
    return (normal(batch, 2, 5, 6), normal(batch, 18, out_h, out_w) * spread,
            torch.sigmoid(normal(batch, 9, out_h, out_w)), normal(3, 2, 3, 3), normal(3))


@pytest.mark.parametrize('stride', [1, 2])
def test_it_equals_naive_loops(stride):
    inputs = random_inputs(stride)

    torch.testing.assert_close(deform_conv2d(*inputs, stride=stride),
                               naive_deform_conv(*inputs, stride, 1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('shift', [-1.0, -0.5, 0.5, 1.0])
def test_border_samples_equal_naive_loops(shift):
    x, offset, mask, weight, bias = random_inputs(1)
    offset = torch.full_like(offset, shift)

    torch.testing.assert_close(deform_conv2d(x, offset, mask, weight, bias),
                               naive_deform_conv(x, offset, mask, weight, bias, 1, 1),
                               rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('stride', [1, 2])
def test_without_offsets_it_is_a_convolution(stride):
    x, offset, mask, weight, bias = random_inputs(stride)

    out = deform_conv2d(x, torch.zeros_like(offset), torch.ones_like(mask), weight, bias, stride)

    torch.testing.assert_close(out, functional.conv2d(x, weight, bias, stride, 1))


def test_offsets_far_outside_leave_only_the_bias():
    x, offset, mask, weight, bias = random_inputs(1)

    out = deform_conv2d(x, torch.full_like(offset, 1e9), mask, weight, bias)

    torch.testing.assert_close(out, bias[None, :, None, None].expand_as(out))


@pytest.mark.parametrize('stride', [1, 2])
def test_gradients_are_exact(stride):
    inputs = [tensor.requires_grad_() for tensor in random_inputs(stride, batch=1)]

    assert torch.autograd.gradcheck(lambda *args: deform_conv2d(*args, stride=stride), inputs)


def test_a_wrong_offset_shape_is_named():
    x, offset, mask, weight, bias = random_inputs(1)

    with pytest.raises(ValueError, match=r'offset must be \(2, 18, 5, 6\), got \(2, 9, 5, 6\)'):
        deform_conv2d(x, offset[:, :9], mask, weight, bias)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('stride', [1, 2])
def test_cuda_equals_cpu(stride):
    inputs = random_inputs(stride)

    on_gpu = deform_conv2d(*(tensor.cuda() for tensor in inputs), stride=stride)

    torch.testing.assert_close(on_gpu.cpu(), deform_conv2d(*inputs, stride=stride))
