"""The sampling kernel against the sampling in torch."""

import math

import pytest
import torch
from torch.nn import functional

from yolact_ros.ops.deform_conv import sample_columns

kernel = pytest.importorskip('yolact_ros.ops.kernels.sampling', reason='needs Triton')

CENTRE = 4  # tap


def channels_last(tensor, device):
    return tensor.to(device, memory_format=torch.channels_last)


def in_torch(x, raw, stride):
    """Return the columns as float32."""
    columns = sample_columns(x.float(), raw[:, :18].float(), torch.sigmoid(raw[:, 18:].float()),
                             (3, 3), stride)
    return columns.permute(0, 3, 1, 2)


def random_inputs(channels, stride, dtype):
    """Return x and raw on the CPU; the offsets leave the image often."""
    generator = torch.Generator().manual_seed(channels)
    out_h, out_w = (4 - 1) // stride + 1, (5 - 1) // stride + 1
    return (torch.randn(2, channels, 4, 5, generator=generator).to(dtype),
            (torch.randn(2, 27, out_h, out_w, generator=generator) * 2).to(dtype))


@pytest.mark.parametrize('channels, stride, dtype', [
    (1, 1, torch.float32), (24, 2, torch.float32), (130, 2, torch.float32),
    (24, 2, torch.float16), (24, 2, torch.bfloat16), *(
        pytest.param(channels, stride, dtype, marks=pytest.mark.slow)
        for channels, stride in ((1, 1), (130, 2)) for dtype in (torch.float16, torch.bfloat16))],
    ids=str)
def test_it_equals_the_sampling_in_torch(device, channels, stride, dtype):
    x, raw = random_inputs(channels, stride, dtype)

    columns = kernel.sample_columns(channels_last(x, device), channels_last(raw, device), stride)

    assert columns.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(columns.cpu(), in_torch(x, raw, stride).to(dtype))


def test_half_the_image_may_meet_offsets_in_float32(device):
    x, raw = random_inputs(16, 1, torch.float32)
    x = x.half()

    columns = kernel.sample_columns(channels_last(x, device), channels_last(raw, device), 1)

    torch.testing.assert_close(columns.cpu(), in_torch(x, raw, 1).half())


@pytest.mark.parametrize('stride', [1, 2])
def test_without_offsets_the_taps_read_their_neighbours(device, stride):
    x, raw = random_inputs(3, stride, torch.float32)
    raw[:, :18], raw[:, 18:] = 0, math.inf
    # (B, C, taps, positions) -> (B, taps, C, positions)
    expected = functional.unfold(x, 3, padding=1, stride=stride).reshape(
        2, 3, 9, -1).transpose(1, 2)

    columns = kernel.sample_columns(channels_last(x, device), channels_last(raw, device), stride)

    assert torch.equal(columns.cpu().reshape(expected.shape), expected)


def test_half_a_pixel_and_half_the_modulation(device):
    raw = torch.zeros(1, 27, 1, 2)
    raw[:, 2 * CENTRE + 1] = 0.5

    columns = kernel.sample_columns(channels_last(torch.tensor([[[[10.0, 20.0]]]]), device),
                                    channels_last(raw, device), 1)

    # Between 10 and 20, and between 20 and the nothing outside.
    assert columns[0, CENTRE, 0].tolist() == [7.5, 5.0]


def test_positions_far_outside_read_nothing(device):
    x, raw = random_inputs(4, 1, torch.float32)
    for tap, shift in enumerate((-1e9, 1e9, -math.inf, math.inf)):  # y; another four taps in x
        raw[:, 2 * tap], raw[:, 2 * (tap + 4) + 1] = shift, shift

    columns = kernel.sample_columns(channels_last(x, device), channels_last(raw, device), 1)

    taps = columns.cpu().reshape(2, 9, -1).any(-1)
    assert taps.tolist() == [[False] * 8 + [True]] * 2


def test_nan_shows_in_its_tap_alone(device):
    x, raw = random_inputs(4, 1, torch.float32)
    expected = torch.zeros(2, 9, 4, 4, 5, dtype=torch.bool)
    for tap, channel in ((CENTRE, 2 * CENTRE), (0, 1), (8, 18 + 8)):  # y, x and modulation
        raw[0, channel, 2, 3] = math.nan
        expected[0, tap, :, 2, 3] = True

    columns = kernel.sample_columns(channels_last(x, device), channels_last(raw, device), 1)

    assert torch.equal(columns.cpu().isnan().reshape(expected.shape), expected)
