"""Fast NMS of all classes in one list against naive loops."""

import pytest
import torch

from yolact_ros.inference.steps.mixed_nms import fast_nms_mixed


def iou(a, b):
    """Return the overlap of two corner boxes the slow way."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (sum(areas) - width * height)


def random_boxes(count):
    """Return float64 corner boxes that overlap often."""
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 0.5
    size = 0.1 + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 0.4
    return torch.cat((low, low + size), 1)


@pytest.mark.parametrize('classes', [1, 3, 400])
@pytest.mark.parametrize('count', [0, 1, 128, 300])
def test_a_mixed_list_keeps_what_loops_over_its_classes_keep(count, classes):
    boxes = random_boxes(count)
    class_ids = torch.randint(classes, (count,), generator=torch.Generator().manual_seed(1))

    keep = fast_nms_mixed(boxes, class_ids, 0.4, 20)

    rows, kinds = boxes.tolist(), class_ids.tolist()
    better = [[j for j in range(i) if kinds[j] == kinds[i]] for i in range(count)]
    assert keep.tolist() == [
        len(better[i]) < 20 and all(iou(rows[i], rows[j]) <= 0.4 for j in better[i])
        for i in range(count)]


@pytest.mark.filterwarnings('error')
def test_a_box_without_area_is_removed_by_another_of_its_class_only():
    point, box = [0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]
    boxes = torch.tensor([point, point, point, box])

    # the second point's overlap with the first is 0 / 0
    assert fast_nms_mixed(boxes, torch.tensor([0, 0, 1, 0]), 0.5, 200).tolist() == [
        True, False, True, True]
