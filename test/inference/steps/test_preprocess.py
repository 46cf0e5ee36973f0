"""The network's input against loops in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from yolact_ros.config import yolact_darknet53, yolact_resnet50
from yolact_ros.inference.steps.preprocess import (
    _needs_few_pixels,
    _stretch,
    _stretch_few_pixels,
    check_image,
    preprocess,
)
from yolact_ros.structures import ImageSize

CPU = torch.device('cpu')


def naive_resized(rgb, rows, columns):
    """Return the bilinear (rows, columns, 3) stretch, pixel centres at +0.5, in float64."""
    height, width = rgb.shape[:2]
    out = np.zeros((rows, columns, 3))
    for row in range(rows):
        y = max((row + 0.5) * height / rows - 0.5, 0)
        for column in range(columns):
            x = max((column + 0.5) * width / columns - 0.5, 0)
            for at_y, share_y in ((int(y), 1 - y % 1), (min(int(y) + 1, height - 1), y % 1)):
                for at_x, share_x in ((int(x), 1 - x % 1), (min(int(x) + 1, width - 1), x % 1)):
                    out[row, column] += rgb[at_y, at_x] * share_y * share_x
    return out


@pytest.mark.parametrize('shape', [
    (90, 120), (1, 1), (1, 50), (200, 64), (180, 320), (1023, 33), (33, 2000), (256, 256)])
def test_a_image_is_stretched_as_float_then_normalised(shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    small = replace(yolact_resnet50(), input_size=64)

    x = preprocess(rgb, small, CPU)

    # reference section 3, here in R, G, B order
    expected = (naive_resized(rgb, 64, 64) - (123.68, 116.78, 103.94)) / (58.40, 57.12, 57.38)
    assert x.shape == (1, 3, 64, 64)
    np.testing.assert_allclose(x[0].permute(1, 2, 0).numpy(), expected, atol=2e-5)


@pytest.mark.parametrize('shape', [ImageSize(256, 256), ImageSize(192, 352)], ids=str)
def test_a_large_image_is_the_same_with_and_without_reading_all_of_it(shape):
    rgb = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)

    few = _stretch_few_pixels(rgb, shape)

    assert _needs_few_pixels(rgb, shape) and not _needs_few_pixels(rgb, ImageSize(512, 512))
    # Half a thousandth of a grey level: coordinates of 1280 pixels in float32 are that exact.
    torch.testing.assert_close(few, _stretch(rgb, shape, CPU), rtol=0, atol=5e-4)


def test_few_pixels_are_those_of_both_axes():
    rgb = np.random.default_rng(4).integers(0, 256, (240, 500, 3), np.uint8)

    few = _stretch_few_pixels(rgb, ImageSize(32, 96))

    # A hundredth of a grey level: coordinates of 500 pixels in float32 are that exact.
    np.testing.assert_allclose(few, naive_resized(rgb, 32, 96), atol=1e-2)


def test_a_part_of_a_larger_image_is_read_where_it_lies():
    large = np.random.default_rng(2).integers(0, 256, (300, 400, 3), np.uint8)
    config = replace(yolact_resnet50(), input_size=64)

    found = preprocess(large[40:240, 30:380], config, CPU)

    assert torch.equal(found, preprocess(large[40:240, 30:380].copy(), config, CPU))


def test_an_image_longer_than_short_integers_tell_is_read_whole():
    rgb = np.random.default_rng(3).integers(0, 256, (2, 40000, 3), np.uint8)

    small = ImageSize(16, 16)
    assert not _needs_few_pixels(rgb, small)
    # Half a grey level: coordinates of 40000 pixels in float32 are not more exact.
    np.testing.assert_allclose(_stretch(rgb, small, CPU), naive_resized(rgb, 16, 16), atol=0.5)


def test_darknet_only_divides_by_255():
    x = preprocess(np.full((8, 8, 3), 51, np.uint8), yolact_darknet53(), CPU)

    assert torch.allclose(x, torch.tensor(0.2))


@pytest.mark.parametrize('image, error, message', [
    (None, TypeError, 'got NoneType'),
    (np.zeros((4, 4, 3), np.float32), TypeError, 'got a float32 array; scale'),
    (np.zeros((4, 4, 3), np.uint16), TypeError, 'got a uint16 array'),
    (np.zeros((4, 4), np.uint8), ValueError, r'must be \(H, W, 3\) RGB, got \(4, 4\); turn grey'),
    (np.zeros((4, 4, 4), np.uint8), ValueError, 'drop alpha'),
    (np.zeros((0, 4, 3), np.uint8), ValueError, r'must have pixels, got \(0, 4, 3\)')],
    ids=['none', 'float', '16 bit', 'grey', 'rgba', 'empty'])
def test_what_is_no_image_is_refused_with_the_cure(image, error, message):
    with pytest.raises(error, match=message):
        check_image(image)


def test_flipped_and_read_only_views_are_images_too():
    rgb = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    frozen = rgb.copy()
    frozen.flags.writeable = False

    for view in (rgb[:, :, ::-1], rgb[::-1], frozen):
        assert np.array_equal(check_image(view), view)
    assert check_image(rgb) is rgb
