"""Sprites in images and their shadows, pixel by pixel."""

import numpy as np
import pytest

from yolact_ros.scenes.blending import blend, cast_shadow, overlap
from yolact_ros.scenes.painter import Sprite

COLOUR = 200, 100, 50


def sprite(corner, alpha):
    alpha = np.array(alpha, np.float32)
    return Sprite(corner=corner, alpha=alpha,
                  color=alpha * np.array(COLOUR, np.float32).reshape(3, 1, 1))


@pytest.mark.parametrize('corner', [(0, 0), (3, 2), (-1, -1), (5, 4), (-2, 3)])
def test_a_sprite_covers_what_lies_inside_by_its_share(corner):
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (3, 6, 7)).astype(np.float32)
    alpha = rng.uniform(0, 1, (3, 4)).astype(np.float32)
    expected, before = image.copy(), image.copy()
    for row in range(3):
        for column in range(4):
            y, x = corner[1] + row, corner[0] + column
            if 0 <= y < 6 and 0 <= x < 7:
                share = alpha[row, column]
                expected[:, y, x] = (1 - share) * before[:, y, x] + share * np.array(COLOUR)
    (rows, columns), silhouette = blend(image, sprite(corner, alpha))
    np.testing.assert_allclose(image, expected, rtol=1e-5)
    assert silhouette.shape == image[0, rows, columns].shape


@pytest.mark.parametrize('corner', [(7, 0), (0, 6), (-4, 0), (0, -3)])
def test_a_sprite_outside_touches_nothing(corner):
    image = np.full((3, 6, 7), 9.0, np.float32)
    assert blend(image, sprite(corner, np.ones((3, 4)))) is None
    assert (image == 9).all() and overlap((6, 7), corner, (3, 4)) is None


def test_a_shadow_darkens_where_it_falls_and_nowhere_else():
    image = np.full((3, 60, 60), 100.0, np.float32)
    right = np.array([[1.0, 0, 20], [0, 1, 0]])
    cast_shadow(image, sprite((10, 20), np.ones((20, 20))), [(right, 0.5)], softness=2.0)
    assert image[0, 30, 40] == pytest.approx(50, abs=1)
    assert image[0, 30, 15] == 100 and image[0, 5, 40] == 100


def test_two_lights_darken_the_common_part_twice():
    image = np.full((3, 60, 60), 100.0, np.float32)
    same = np.array([[1.0, 0, 0], [0, 1, 0]])
    cast_shadow(image, sprite((20, 20), np.ones((20, 20))), [(same, 0.5), (same, 0.5)], 2.0)
    assert image[0, 30, 30] == pytest.approx(25, abs=1)


def test_a_shadow_that_falls_outside_the_image_changes_nothing():
    image = np.full((3, 20, 20), 100.0, np.float32)
    far = np.array([[1.0, 0, 500], [0, 1, 0]])
    cast_shadow(image, sprite((5, 5), np.ones((4, 4))), [(far, 0.9)], 2.0)
    assert (image == 100).all()
