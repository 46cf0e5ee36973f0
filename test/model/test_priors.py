"""Anchors by hand."""

from dataclasses import replace

import pytest
import torch

from yolact_ros.config import yolact_plus_lite
from yolact_ros.model.priors import make_priors
from yolact_ros.model.yolact import level_sizes, prototype_grid


def test_levels_of_the_published_input_sizes():
    assert [side for side, _ in level_sizes(550)] == [69, 35, 18, 9, 5]
    assert [side for side, _ in level_sizes(400)] == [50, 25, 13, 7, 4]
    assert [side for side, _ in level_sizes(700)] == [88, 44, 22, 11, 6]


def test_order_is_row_column_scale_ratio():
    priors = make_priors([(1, 2)], [(10, 20)], (1, 0.25), 100, square=False)

    torch.testing.assert_close(priors, torch.tensor([
        [0.25, 0.5, 0.1, 0.1], [0.25, 0.5, 0.05, 0.2],
        [0.25, 0.5, 0.2, 0.2], [0.25, 0.5, 0.1, 0.4],
        [0.75, 0.5, 0.1, 0.1], [0.75, 0.5, 0.05, 0.2],
        [0.75, 0.5, 0.2, 0.2], [0.75, 0.5, 0.1, 0.4]]))


def test_square_anchors_take_their_height_from_the_width():
    priors = make_priors([(1, 1)], [(10,)], (1, 0.25, 4), 100, square=True)

    torch.testing.assert_close(priors[:, 2:], torch.tensor([[0.1, 0.1], [0.05, 0.05], [0.2, 0.2]]))


def test_levels_follow_each_other():
    priors = make_priors([(2, 2), (1, 1)], [(10,), (50,)], (1,), 100, square=False)

    assert priors[:, 2].tolist() == torch.tensor([0.1, 0.1, 0.1, 0.1, 0.5]).tolist()
    assert priors[:4, :2].tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


@pytest.mark.parametrize('square', [True, False], ids=['height = width', 'true shape'])
def test_priors_of_a_rectangle_are_those_of_loops(square):
    scales, ratios = ((10, 20), (40, 80)), (1, 0.5, 2)
    expected = []
    for (rows, columns), sides in zip(((2, 3), (1, 2)), scales):
        for row in range(rows):
            for column in range(columns):
                for side in sides:
                    for ratio in ratios:
                        wide = side * ratio ** 0.5
                        high = wide if square else side / ratio ** 0.5
                        # an anchor's pixels are those of an input of 64 rows and 96 columns
                        expected.append(((column + 0.5) / columns, (row + 0.5) / rows,
                                         wide / 96, high / 64))

    found = make_priors([(2, 3), (1, 2)], scales, ratios, (64, 96), square)

    torch.testing.assert_close(found, torch.tensor(expected))


def test_a_pair_of_equal_sides_is_a_square():
    size = level_sizes(256), ((8,),) * 5, (1, 0.5)

    assert torch.equal(make_priors(*size, 256, False), make_priors(*size, (256, 256), False))


def test_levels_and_prototypes_of_a_rectangle():
    # 352 / 8, 16, 32, and then half of it, rounded up
    assert level_sizes((192, 352)) == [(24, 44), (12, 22), (6, 11), (3, 6), (2, 3)]
    small = yolact_plus_lite(1)
    assert prototype_grid(replace(small, input_size=(192, 352), prototype_scale=2)) == (48, 88)
    assert prototype_grid(replace(small, input_size=(192, 352), prototype_scale=4)) == (96, 176)
