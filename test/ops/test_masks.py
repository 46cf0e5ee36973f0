"""Mask assembly and the crop rule of the original."""

import math

import pytest
import torch

from yolact_ros.ops.masks import assemble_masks, crop_masks


def test_no_detections_give_no_masks():
    masks = assemble_masks(torch.rand(6, 5, 4), torch.zeros(0, 4))

    assert masks.shape == (0, 6, 5)
    assert crop_masks(masks, torch.zeros(0, 4)).shape == (0, 6, 5)


def test_a_mask_is_the_sigmoid_of_weighted_prototypes():
    prototypes = torch.zeros(2, 3, 2)
    prototypes[0, 1] = torch.tensor([1.0, 2.0])

    masks = assemble_masks(prototypes, torch.tensor([[0.5, -1.0]]))

    assert masks[0, 0, 1].item() == pytest.approx(1 / (1 + math.exp(1.5)))
    assert masks[0, 1, 2].item() == 0.5


def naive_keep(row, column, box, height, width):
    """Return whether the original's crop keeps a cell."""
    left, right = sorted((box[0] * width, box[2] * width))
    top, bottom = sorted((box[1] * height, box[3] * height))
    return (max(left - 1, 0) <= column < min(right + 1, width)
            and max(top - 1, 0) <= row < min(bottom + 1, height))


@pytest.mark.parametrize('box', [
    (0.21, 0.33, 0.62, 0.71), (0.0, 0.0, 1.0, 1.0), (0.6, 0.7, 0.2, 0.3), (-0.5, 0.2, 0.1, 1.7),
    (1.5, 0.2, 1.7, 0.4), (-0.9, -0.9, -0.5, -0.5), (0.5, 0.5, 0.5, 0.5)],
    ids=['inside', 'whole', 'swapped', 'sticking out', 'right of it', 'left of it', 'point'])
def test_cropping_keeps_what_the_original_keeps(box):
    cropped = crop_masks(torch.ones(1, 13, 17), torch.tensor([box], dtype=torch.float32))

    expected = [[float(naive_keep(row, column, box, 13, 17)) for column in range(17)]
                for row in range(13)]
    assert cropped[0].tolist() == expected


def test_cropping_does_not_change_what_it_keeps():
    soft = torch.rand(2, 8, 8)

    cropped = crop_masks(soft, torch.tensor([[0.0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75]]))

    assert torch.equal(cropped[0], soft[0])
    assert torch.equal(cropped[1, 1:7, 1:7], soft[1, 1:7, 1:7])
