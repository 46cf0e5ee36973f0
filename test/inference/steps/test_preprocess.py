"""The network's input against loops in float64."""

import numpy as np
import pytest
import torch

from yolact_ros.config import yolact_darknet53, yolact_resnet50
from yolact_ros.inference.steps.preprocess import check_image, preprocess

CPU = torch.device('cpu')


def naive_resized(rgb, size):
    """Return the bilinear (size, size, 3) stretch, pixel centres at +0.5, in float64."""
    height, width = rgb.shape[:2]
    out = np.zeros((size, size, 3))
    for row in range(size):
        y = max((row + 0.5) * height / size - 0.5, 0)
        for column in range(size):
            x = max((column + 0.5) * width / size - 0.5, 0)
            for at_y, share_y in ((int(y), 1 - y % 1), (min(int(y) + 1, height - 1), y % 1)):
                for at_x, share_x in ((int(x), 1 - x % 1), (min(int(x) + 1, width - 1), x % 1)):
                    out[row, column] += rgb[at_y, at_x] * share_y * share_x
    return out


@pytest.mark.parametrize('shape', [(90, 120), (1, 1), (1, 50), (200, 64)])
def test_a_image_is_stretched_as_float_then_normalised(shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    config = yolact_resnet50()
    small = type(config)(**{**config.__dict__, 'input_size': 64})

    x = preprocess(rgb, small, CPU)

    # reference section 3, here in R, G, B order
    expected = (naive_resized(rgb, 64) - (123.68, 116.78, 103.94)) / (58.40, 57.12, 57.38)
    assert x.shape == (1, 3, 64, 64)
    np.testing.assert_allclose(x[0].permute(1, 2, 0).numpy(), expected, atol=2e-5)


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
