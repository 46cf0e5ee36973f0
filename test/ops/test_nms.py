"""The three non-maximum suppressions against naive loops."""

import math

import pytest
import torch

from yolact_ros.ops.nms import (
    cross_class_nms,
    fast_nms,
    fast_nms_keep,
    soft_cluster_scores,
    traditional_nms,
)


def iou(a, b, plus=0.0):
    """Return the overlap of two corner boxes the slow way."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + plus, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + plus, 0)
    area = [(box[2] - box[0] + plus) * (box[3] - box[1] + plus) for box in (a, b)]
    return width * height / (sum(area) - width * height)


def naive_fast_nms(boxes, scores, threshold, top_k):
    """Return (score, class, row) that Fast NMS keeps, by its definition."""
    kept = []
    for class_id, row_scores in enumerate(scores):
        order = sorted(range(len(boxes)), key=lambda row: -row_scores[row])[:top_k]
        for rank, row in enumerate(order):
            if all(iou(boxes[row], boxes[better]) <= threshold for better in order[:rank]):
                kept.append((row_scores[row], class_id, row))
    return sorted(kept, reverse=True)


def naive_greedy_nms(boxes, scores, threshold, score_threshold):
    """Return (score, class, row) that greedy NMS keeps, boxes in pixels, +1 convention."""
    kept = []
    for class_id, row_scores in enumerate(scores):
        left = sorted((row for row in range(len(boxes)) if row_scores[row] > score_threshold),
                      key=lambda row: -row_scores[row])
        while left:
            best = left.pop(0)
            kept.append((row_scores[best], class_id, best))
            left = [row for row in left if iou(boxes[best], boxes[row], 1.0) < threshold]
    return sorted(kept, reverse=True)


def random_candidates(seed, count=40, classes=3):
    """Return corner boxes that overlap often, and distinct scores."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 0.5
    size = 0.1 + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 0.4
    scores = torch.rand(classes, count, generator=generator, dtype=torch.float64)
    return torch.cat((low, low + size), 1), scores


def as_rows(result):
    """Return a result of ours as the naive versions give theirs."""
    rows, class_ids, scores = result
    return list(zip(scores.tolist(), class_ids.tolist(), rows.tolist()))


VARIANTS = {
    'fast': lambda boxes, scores: fast_nms(boxes, scores, 0.5, 200),
    'cross_class': lambda boxes, scores: cross_class_nms(boxes, scores, 0.5, 200),
    'traditional': lambda boxes, scores: traditional_nms(boxes, scores, 0.5, 0.05, 550),
}


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('classes', [0, 3])
def test_no_candidates_give_no_detections(variant, classes):
    rows, class_ids, scores = VARIANTS[variant](torch.zeros(0, 4), torch.zeros(classes, 0))

    assert rows.shape == class_ids.shape == scores.shape == (0,)


def test_fast_nms_keeps_the_better_of_two_overlapping_boxes():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0.0, 0, 1, 0.9], [2.0, 2, 3, 3]])

    assert as_rows(fast_nms(boxes, torch.tensor([[0.25, 0.75, 0.5]]), 0.5, 200)) == [
        (0.75, 0, 1), (0.5, 0, 2)]


def test_a_suppressed_box_still_suppresses_in_fast_nms():
    # a covers b, b covers c, a does not touch c by more than the threshold
    chain = torch.tensor([[0.0, 0, 10, 1], [3.0, 0, 13, 1], [6.0, 0, 16, 1]])

    assert fast_nms_keep(chain, 0.5).tolist() == [True, False, False]
    scores = torch.tensor([[0.75, 0.5, 0.25]])
    greedy = traditional_nms(chain * 100 / 550, scores, 0.5, 0.05, 550)
    assert [row for _, _, row in as_rows(greedy)] == [0, 2]


def test_fast_nms_keeps_an_overlap_of_exactly_the_threshold():
    halves = torch.tensor([[0.0, 0, 2, 1], [0.0, 0, 1, 1]])

    assert fast_nms_keep(halves, 0.5).tolist() == [True, True]


def test_of_two_boxes_without_area_the_second_is_dropped():
    points = torch.full((2, 4), 0.5)

    assert fast_nms_keep(points, 0.5).tolist() == [True, False]


@pytest.mark.parametrize('top_k', [200, 7])
@pytest.mark.parametrize('seed', range(3))
def test_fast_nms_equals_its_definition(seed, top_k):
    boxes, scores = random_candidates(seed)

    expected = naive_fast_nms(boxes.tolist(), scores.tolist(), 0.5, top_k)

    assert as_rows(fast_nms(boxes, scores, 0.5, top_k)) == expected


@pytest.mark.parametrize('seed', range(3))
def test_cross_class_nms_is_fast_nms_on_the_best_scores(seed):
    boxes, scores = random_candidates(seed)
    best, class_ids = scores.max(0)

    expected = [(score, class_ids[row].item(), row) for score, _, row
                in naive_fast_nms(boxes.tolist(), [best.tolist()], 0.5, 200)]

    assert as_rows(cross_class_nms(boxes, scores, 0.5, 200)) == expected


@pytest.mark.parametrize('seed', range(3))
def test_traditional_nms_equals_greedy_loops(seed):
    boxes, scores = random_candidates(seed)

    expected = naive_greedy_nms((boxes * 550).tolist(), scores.tolist(), 0.5, 0.05)

    assert as_rows(traditional_nms(boxes, scores, 0.5, 0.05, 550)) == expected


def naive_soft_scores(boxes, scores, threshold, sigma):
    """Return scores lowered by the boxes that greedy NMS keeps, best score first."""
    kept, lowered = [], []
    for box, score in zip(boxes, scores):
        overlaps = [iou(better, box) for better in kept]
        lowered.append(score * math.prod(math.exp(-overlap ** 2 / sigma) for overlap in overlaps))
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(box)
    return lowered


@pytest.mark.parametrize('count', [0, 1, 40])
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.6])
def test_soft_scores_are_lowered_by_the_boxes_that_greedy_nms_keeps(count, threshold):
    boxes, scores = random_candidates(3, count, 2)
    scores, order = scores.sort(1, descending=True)
    boxes = boxes[order]

    found = soft_cluster_scores(boxes, scores, threshold)

    expected = [naive_soft_scores(rows.tolist(), best.tolist(), threshold, 0.2)
                for rows, best in zip(boxes, scores)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64)
                               .reshape(2, count))


def test_a_box_on_the_same_place_keeps_less_than_a_hundredth_of_its_score():
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]])

    found = soft_cluster_scores(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)

    # exp(-1 / 0.2) = 0.0067
    torch.testing.assert_close(found, torch.tensor([0.9, 0.8 * math.exp(-5), 0.7]))
