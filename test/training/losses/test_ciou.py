"""CIoU against values computed by hand, and as a loss of the training."""

import math

import pytest
import torch

from yolact_ros.ops.boxes import encode_boxes, xyxy_to_cxcywh
from yolact_ros.training.losses.ciou import ciou_loss
from yolact_ros.training.losses.losses import LossConfig, box_loss
from yolact_ros.training.losses.positives import Positives

TRUE = [0.0, 0.0, 4.0, 4.0]


def by_hand(overlap, union, apart, around, angles=0.0):
    """Return 1 - CIoU from its parts as the paper writes them."""
    iou = overlap / union
    shape = 4 / math.pi ** 2 * angles ** 2
    weight = shape / (1 - iou + shape) if shape else 0.0
    return 1 - iou + apart / around + weight * shape


@pytest.mark.parametrize('found, wanted', [
    (TRUE, 0.0),
    ([2.0, 0.0, 6.0, 4.0], by_hand(8, 24, 4, 36 + 16)),
    ([6.0, 0.0, 10.0, 4.0], by_hand(0, 32, 36, 100 + 16)),
    ([0.0, 1.0, 4.0, 3.0], by_hand(8, 16, 0, 32, math.atan(1) - math.atan(2)))],
    ids=['the same', 'shifted', 'apart', 'flatter'])
def test_the_loss_is_that_of_the_paper(found, wanted):
    loss = ciou_loss(torch.tensor([found]), torch.tensor([TRUE]))
    assert loss.tolist() == pytest.approx([wanted], abs=1e-6)


def test_without_boxes_there_is_no_loss():
    assert ciou_loss(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0,)


def test_boxes_that_do_not_touch_are_drawn_together():
    found = torch.tensor([[6.0, 0.0, 10.0, 4.0]], requires_grad=True)
    ciou_loss(found, torch.tensor([TRUE])).sum().backward()
    assert float(found.grad[0, 0] + found.grad[0, 2]) > 0  # against the gradient is to the left


def test_offsets_that_decode_to_the_objects_cost_nothing():
    priors = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.2, 0.2, 0.1, 0.1]])
    box = torch.tensor([[0.3, 0.35, 0.8, 0.7]])
    offsets = torch.zeros(1, 2, 4)
    offsets[0, 0] = encode_boxes(xyxy_to_cxcywh(box), priors[:1])[0]
    first = torch.tensor([0])
    positives = Positives(first, first, first, [1])
    assert abs(float(box_loss(offsets, priors, positives, box, 'ciou'))) < 1e-5
    offsets[0, 0] += 1
    assert float(box_loss(offsets, priors, positives, box, 'ciou')) > 0.05


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match='box_kind must be one of smooth_l1, ciou'):
        LossConfig(box_kind='giou')
