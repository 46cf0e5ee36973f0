"""Box formats, overlap and encoding."""

import pytest
import torch

from yolact_ros.ops.boxes import (
    box_iou,
    cxcywh_to_xyxy,
    decode_boxes,
    encode_boxes,
    xyxy_to_cxcywh,
)


def test_no_boxes_give_no_overlaps():
    assert box_iou(torch.zeros(0, 4), torch.zeros(3, 4)).shape == (0, 3)


def test_centre_and_corner_forms_are_inverse():
    corners = torch.tensor([[0.1, 0.2, 0.5, 0.4]], dtype=torch.float64)

    centres = xyxy_to_cxcywh(corners)

    torch.testing.assert_close(centres, torch.tensor([[0.3, 0.3, 0.4, 0.2]], dtype=torch.float64))
    torch.testing.assert_close(cxcywh_to_xyxy(centres), corners)


@pytest.mark.parametrize('other, expected', [
    ([0, 0, 2, 2], 1.0), ([1, 0, 3, 2], 2 / 6), ([2, 0, 4, 2], 0.0), ([0, 0, 1, 1], 1 / 4)],
    ids=['same', 'half', 'touching', 'inside'])
def test_overlap_of_a_two_pixel_square(other, expected):
    iou = box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([other], dtype=torch.float32))

    assert iou.item() == pytest.approx(expected)


def test_overlap_of_boxes_without_area_is_undefined():
    point = torch.tensor([[0.5, 0.5, 0.5, 0.5]])

    assert torch.isnan(box_iou(point, point)).item()


def test_decoding_by_hand():
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    offsets = torch.tensor([[1.0, -1.0, 0.0, 5 * 0.6931471805599453]])

    # centre (0.5 + 0.1 * 0.2, 0.5 - 0.1 * 0.4), size (0.2, 0.4 * 2)
    expected = torch.tensor([[0.42, 0.06, 0.62, 0.86]])
    torch.testing.assert_close(decode_boxes(offsets, prior), expected)


def test_encoding_is_the_inverse_of_decoding():
    generator = torch.Generator().manual_seed(0)
    priors = torch.rand(50, 4, generator=generator, dtype=torch.float64) + 0.1
    boxes = torch.rand(50, 4, generator=generator, dtype=torch.float64) + 0.1

    decoded = decode_boxes(encode_boxes(boxes, priors), priors)

    torch.testing.assert_close(decoded, cxcywh_to_xyxy(boxes))
