"""Fast NMS of a mixed list against naive loops."""

import pytest
import torch

from yolact_ros.inference.steps.mixed_nms import fast_nms_mixed


def iou(a, b):
    """Return the overlap of two corner boxes the slow way."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


@pytest.mark.parametrize('classes', [1, 3, 400])
@pytest.mark.parametrize('count', [0, 1, 128, 300])
def test_a_mixed_list_keeps_what_loops_over_its_classes_keep(count, classes):
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 0.5
    size = 0.1 + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 0.4
    boxes = torch.cat((low, low + size), 1)
    class_ids = torch.randint(classes, (count,), generator=generator)

    keep = fast_nms_mixed(boxes, class_ids, 0.4, 20)

    rows, kinds = boxes.tolist(), class_ids.tolist()
    better = [[j for j in range(i) if kinds[j] == kinds[i]] for i in range(count)]
    assert keep.tolist() == [
        len(better[i]) < 20 and all(iou(rows[i], rows[j]) <= 0.4 for j in better[i])
        for i in range(count)]


def test_a_mixed_list_removes_the_second_of_two_boxes_without_area(recwarn):
    boxes = torch.tensor([[0.5, 0.5, 0.5, 0.5]] * 3)

    assert fast_nms_mixed(boxes, torch.tensor([1, 0, 1]), 0.5, 20).tolist() == [True, True, False]
    assert not recwarn.list
