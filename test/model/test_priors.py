"""Anchors by hand."""

import torch

from yolact_ros.model.priors import make_priors
from yolact_ros.model.yolact import level_sizes


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
