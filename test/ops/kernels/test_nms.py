"""The Fast NMS kernel against Fast NMS on the host."""

import math

import pytest
import torch

from yolact_ros.inference.steps.mixed_nms import fast_nms_mixed

kernel = pytest.importorskip('yolact_ros.ops.kernels.nms', reason='needs Triton')


def kept(boxes, class_ids, device, valid=None, iou_threshold=0.5, top_k=200):
    """Return what the kernel keeps of one list."""
    valid = [True] * len(class_ids) if valid is None else valid
    keep = kernel.fast_nms_keep(
        torch.tensor(boxes, device=device).reshape(1, -1, 4),
        torch.tensor([class_ids], dtype=torch.int32, device=device),
        torch.tensor([valid], dtype=torch.bool, device=device),
        *limits(iou_threshold, top_k, device))
    return keep[0].tolist()


def limits(iou_threshold, top_k, device):
    return (torch.tensor([iou_threshold], device=device),
            torch.tensor([top_k], dtype=torch.int32, device=device))


def test_no_candidates_give_no_verdicts(device):
    assert kept([], [], device) == []


@pytest.mark.parametrize('count', [1, 16, 300])
@pytest.mark.parametrize('top_k', [2, 200])
def test_it_keeps_what_torch_keeps_of_the_valid(device, count, top_k):
    generator = torch.Generator().manual_seed(count)
    low = torch.rand(2, count, 2, generator=generator)
    boxes = torch.cat((low, low + torch.rand(2, count, 2, generator=generator)), -1)
    boxes[:, count // 2:count // 2 + 2] = 0.25  # without area
    class_ids = torch.randint(0, 5, (2, count), generator=generator, dtype=torch.int32)
    valid = torch.rand(2, count, generator=generator) < 0.8
    expected = torch.zeros(2, count, dtype=torch.bool)
    for image in range(2):
        rows = valid[image].nonzero()[:, 0]
        expected[image, rows] = fast_nms_mixed(boxes[image, rows], class_ids[image, rows],
                                                 0.4, top_k)

    keep = kernel.fast_nms_keep(boxes.to(device), class_ids.to(device), valid.to(device),
                                *limits(0.4, top_k, device))

    assert torch.equal(keep.cpu(), expected)


WHOLE, HALF, APART = (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 0.5), (2.0, 2.0, 3.0, 3.0)


@pytest.mark.parametrize('iou_threshold, expected', [
    (0.49, [True, False, True]), (0.5, [True, True, True]), (1.0, [True, True, True]),
    (0.0, [True, False, True]), (-0.1, [False, False, False])])
def test_an_overlap_must_exceed_the_threshold(device, iou_threshold, expected):
    keep = kept([WHOLE, HALF, APART], [3, 3, 3], device, iou_threshold=iou_threshold)

    assert keep == expected


def test_other_classes_do_not_matter(device):
    assert kept([WHOLE, WHOLE, WHOLE], [1, 2, 1], device) == [True, True, False]


def test_a_removed_box_still_removes_others(device):
    chain = [(0.0, 0.0, 1.0, 3.0), (0.0, 1.0, 1.0, 4.0), (0.0, 2.0, 1.0, 5.0)]

    keep = kept(chain, [0, 0, 0], device, iou_threshold=0.4)

    assert keep == [True, False, False]


def test_invalid_boxes_neither_stay_nor_remove_nor_count(device):
    keep = kept([WHOLE, HALF, APART], [0, 0, 0], device, valid=[False, True, True], top_k=2)

    assert keep == [False, True, True]


def test_only_so_many_better_ones_of_a_class_may_precede(device):
    apart = [(float(at), 0.0, at + 1.0, 1.0) for at in range(5)]

    keep = kept(apart, [0, 0, 1, 0, 0], device, top_k=2)

    assert keep == [True, True, True, False, False]


@pytest.mark.parametrize('box', [(0.5, 0.5, 0.5, 0.5), (math.nan, 0.0, 1.0, 1.0)], ids=str)
def test_undefined_overlaps_remove(device, box):
    keep = kept([box, box], [0, 0], device, iou_threshold=1.0)

    assert keep == [True, False]
