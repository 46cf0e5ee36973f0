"""Winograd convolution against torch's own in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from yolact_ros.inference.backends import winograd
from yolact_ros.inference.backends.winograd import WinogradConv, suits


def convolution(in_channels=5, out_channels=3, bias=True):
    generator = torch.Generator().manual_seed(0)
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
    for parameter in conv.parameters():
        parameter.data.normal_(generator=generator)
    return conv


def image(*shape):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    return x.to(memory_format=torch.channels_last)


def exact(conv, x):
    bias = None if conv.bias is None else conv.bias.double()
    return functional.conv2d(x.double(), conv.weight.double(), bias, padding=1)


class Refusing(nn.Module):
    """Stands where no convolution may be left to."""


@pytest.fixture
def any_size(monkeypatch):
    monkeypatch.setattr(winograd, 'LEAST_TILES', 0)


@pytest.mark.parametrize('shape', [(1, 5, 1, 1), (1, 5, 4, 4), (1, 5, 5, 3), (1, 5, 13, 8),
                                   (3, 5, 9, 14)], ids=str)
@pytest.mark.parametrize('band', [1, 1 << 20], ids=['row by row', 'at once'])
@torch.inference_mode()
def test_it_equals_the_plain_convolution(any_size, monkeypatch, shape, band):
    monkeypatch.setattr(winograd, 'LARGEST_BAND', band)
    conv, x = convolution(), image(*shape)

    found = WinogradConv(conv, Refusing(), None)(x)

    # Sums of 45 products of normal numbers, with coefficients up to 8, in float32
    torch.testing.assert_close(found.double(), exact(conv, x), atol=2e-4, rtol=0)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(('activation', 'function'), [
    (None, lambda x: x), (nn.ReLU(), functional.relu),
    (nn.LeakyReLU(0.1), lambda x: functional.leaky_relu(x, 0.1))],
    ids=['none', 'relu', 'leaky relu'])
@pytest.mark.parametrize('bias', [True, False], ids=['bias', 'no bias'])
@torch.inference_mode()
def test_activation_and_sum_are_applied(any_size, activation, function, bias):
    conv, x = convolution(bias=bias), image(2, 5, 6, 7)
    total = torch.ones(2, 3, 6, 7).to(memory_format=torch.channels_last)
    fast = WinogradConv(conv, Refusing(), activation)

    torch.testing.assert_close(fast(x).double(), function(exact(conv, x)), atol=2e-4, rtol=0)
    torch.testing.assert_close(fast.add_to(total, x).double(), function(exact(conv, x) + 1),
                               atol=2e-4, rtol=0)


@torch.inference_mode()
def test_a_constant_image_gives_the_sum_of_the_kernel(any_size):
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    conv.weight.data[:] = torch.arange(9.0).reshape(3, 3)

    found = WinogradConv(conv, Refusing(), None)(torch.ones(1, 1, 5, 5))

    # In the corner only the four taps 4, 5, 7, 8 lie inside of the image.
    assert found[0, 0, 2, 2].item() == pytest.approx(36, abs=1e-4)
    assert found[0, 0, 0, 0].item() == pytest.approx(24, abs=1e-4)


@torch.inference_mode()
def test_small_images_are_left_to_the_direct_convolution():
    conv, x = convolution(), image(1, 5, 36, 28)
    direct = nn.Conv2d(5, 3, 3, padding=1)

    # 9 x 7 tiles
    assert torch.equal(WinogradConv(conv, direct, None)(x), direct(x))


@pytest.mark.parametrize(('options', 'expected'), [
    ({}, True), ({'bias': False}, True), ({'stride': 2}, False), ({'padding': 0}, False),
    ({'dilation': 2, 'padding': 2}, False), ({'groups': 2}, False),
    ({'kernel_size': 1, 'padding': 0}, False), ({'in_channels': 126}, False),
    ({'dtype': torch.bfloat16}, False)], ids=str)
def test_only_wide_plain_convolutions_suit(options, expected):
    usual = {'in_channels': 128, 'out_channels': 128, 'kernel_size': 3, 'padding': 1}

    assert suits(nn.Conv2d(**{**usual, **options})) == expected
