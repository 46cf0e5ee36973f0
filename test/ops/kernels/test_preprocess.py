"""The preprocessing kernel against the preprocessing in torch."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from yolact_ros.inference.steps.preprocess import preprocess
from yolact_ros.structures import ImageSize

kernel = pytest.importorskip('yolact_ros.ops.kernels.preprocess', reason='needs Triton')

MEAN, STD = (123.7, 116.8, 103.9), (58.4, 57.1, 57.4)


def random_images(*sizes):
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def arena_of(images, device, gap=0):
    """Return the images one after another and where they lie."""
    chunks, layout, offset = [], [], 0
    for image in images:
        offset += gap
        layout.append((offset, *image.shape[:2]))
        chunks += [np.zeros(gap, np.uint8), image.reshape(-1)]
        offset += image.size
    arena = np.concatenate(chunks) if chunks else np.zeros(0, np.uint8)
    return (torch.from_numpy(arena).to(device),
            torch.tensor(layout, dtype=torch.int32, device=device).reshape(-1, 3))


def test_no_images_give_an_empty_batch(device):
    out = kernel.preprocess_images(*arena_of([], device), (8, 9), MEAN, STD, torch.float32)

    assert out.shape == (0, 3, 8, 9)


@pytest.mark.parametrize('size', [(19, 19), (12, 21), (21, 12)], ids=['square', 'wide', 'high'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_images_of_different_sizes_equal_those_of_torch(device, dtype, size):
    images = random_images((1, 1), (7, 5), (3, 61), (61, 3), (19, 19), (20, 38))
    config = SimpleNamespace(input_shape=ImageSize(*size), pixel_mean=MEAN, pixel_std=STD)
    expected = torch.cat([preprocess(image, config, torch.device('cpu'))
                          for image in images]).to(dtype)

    out = kernel.preprocess_images(*arena_of(images, device, gap=5), size, MEAN, STD, dtype)

    assert out.is_contiguous(memory_format=torch.channels_last)
    # Half precision: one rounding apart. float32: pixels of 255 times the rounding of a share.
    torch.testing.assert_close(out.cpu(), expected, **(
        {'rtol': 1e-5, 'atol': 2e-5} if dtype == torch.float32 else {}))


def test_one_pixel_of_four_is_their_mean(device):
    image = np.array([[[0, 10, 20], [100, 10, 20]], [[50, 10, 20], [250, 10, 24]]], np.uint8)

    out = kernel.preprocess_images(*arena_of([image], device), (1, 1), (90.0, 8.0, 20.0),
                                   (10.0, 4.0, 0.5), torch.float32)

    assert out.flatten().tolist() == [1.0, 0.5, 2.0]


def test_a_placeholder_without_pixels_reads_nothing_outside_the_arena(device):
    arena = torch.tensor([10, 20, 30], dtype=torch.uint8, device=device)
    layout = torch.zeros(1, 3, dtype=torch.int32, device=device)

    out = kernel.preprocess_images(arena, layout, (2, 2), (0.0,) * 3, (1.0,) * 3, torch.float32)

    assert out[0, :, 1, 1].tolist() == [10, 20, 30]
