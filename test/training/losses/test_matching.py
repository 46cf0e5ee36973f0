"""Anchor matching against a loop over all pairs, and its rules one by one."""

import pytest
import torch

from yolact_ros.data.sample import Targets
from yolact_ros.ops.boxes import box_iou, cxcywh_to_xyxy
from yolact_ros.training.losses.batch_objects import gather_objects
from yolact_ros.training.losses.matching import (
    NEUTRAL,
    force_matches,
    match_anchors,
    overlap_table,
)


def targets_of(boxes, class_ids, crowd=None):
    boxes = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    crowd = [False] * len(boxes) if crowd is None else crowd
    return Targets(boxes, torch.tensor(class_ids, dtype=torch.int64),
                   torch.zeros(len(boxes), 4, 4, dtype=torch.uint8),
                   torch.tensor(crowd, dtype=torch.bool))


def match(priors, targets):
    """Return the labels and objects of one image's anchors."""
    matches = match_anchors(priors, gather_objects([targets], priors.dtype))
    return matches.labels[0], matches.objects[0]


def naive_force(overlaps):
    """Return the pairs by searching the whole table again and again."""
    rows, columns, pairs = set(range(len(overlaps))), set(range(len(overlaps[0]))), []
    while rows:
        pair = max(((r, c) for r in sorted(rows) for c in sorted(columns)),
                   key=lambda rc: overlaps[rc[0]][rc[1]])
        rows.remove(pair[0])
        columns.remove(pair[1])
        pairs.append(pair)
    return pairs


@pytest.mark.parametrize('seed', range(20))
def test_forced_matches_equal_an_exhaustive_search(seed):
    generator = torch.Generator().manual_seed(seed)
    # Coarse values bring ties, zeros objects that nothing overlaps.
    overlaps = (torch.rand(6, 9, generator=generator) * 5).floor() / 5
    assert list(enumerate(force_matches(overlaps, [6]).tolist())) \
        == sorted(naive_force(overlaps.tolist()))


def test_every_image_of_a_batch_has_its_own_anchors():
    generator = torch.Generator().manual_seed(0)
    overlaps = (torch.rand(10, 9, generator=generator) * 5).floor() / 5
    wanted = [column for table in overlaps.split([3, 6, 1])
              for _, column in sorted(naive_force(table.tolist()))]
    assert force_matches(overlaps, [3, 0, 6, 1]).tolist() == wanted


def test_pairs_are_compared_in_parts_where_there_are_many(monkeypatch):
    boxes, anchors = torch.rand(7, 4).sort(1).values, torch.rand(5, 4).sort(1).values
    boxes[3] = 0
    monkeypatch.setattr('yolact_ros.training.losses.matching.PAIRS_TOGETHER', 11)
    assert torch.equal(overlap_table(boxes, anchors), box_iou(boxes, anchors).nan_to_num(0.0))


def test_two_objects_that_want_the_same_anchor_both_get_one():
    priors = torch.tensor([[.5, .5, .4, .4], [.8, .8, .2, .2]], dtype=torch.float64)
    labels, objects = match(priors, targets_of([(.3, .3, .7, .7), (.32, .32, .7, .7)], [0, 1]))
    assert labels.tolist() == [1, 2]
    assert objects.tolist() == [0, 1]


def test_an_object_that_nothing_overlaps_is_matched_all_the_same():
    priors = torch.tensor([[.2, .2, .1, .1], [.3, .3, .1, .1]], dtype=torch.float64)
    labels, _ = match(priors, targets_of([(.8, .8, .9, .9)], [4]))
    assert sorted(labels.tolist()) == [0, 5]


@pytest.mark.parametrize('width, label', [(.5, 1), (.45, NEUTRAL), (.35, 0)],
                         ids=['0.5 is positive', 'between is neutral', 'below 0.4 is background'])
def test_iou_decides_what_an_anchor_learns(width, label):
    priors = torch.tensor([[.5, .5, 1, 1], [width / 2, .5, width, 1]], dtype=torch.float64)
    labels, _ = match(priors, targets_of([(0, 0, 1, 1)], [0]))
    assert labels.tolist() == [1, label]


@pytest.mark.parametrize('bottom, label', [(.63, 0), (.66, NEUTRAL)],
                         ids=['65 % inside', '80 % inside'])
def test_anchors_inside_a_crowd_learn_nothing_unless_they_are_positive(bottom, label):
    priors = torch.tensor([[.2, .2, .2, .2], [.6, .6, .2, .2], [.9, .9, .1, .1]],
                          dtype=torch.float64)
    targets = targets_of([(.1, .1, .3, .3), (0, 0, .7, bottom)], [1, 0], [False, True])
    assert match(priors, targets)[0].tolist() == [2, label, 0]


@pytest.mark.parametrize('boxes, crowd', [([], []), ([(.1, .1, .3, .3)], [True])],
                         ids=['no objects', 'only a crowd'])
def test_without_objects_no_anchor_is_positive(boxes, crowd):
    priors = torch.tensor([[.2, .2, .2, .2], [.8, .8, .2, .2]], dtype=torch.float64)
    labels, _ = match(priors, targets_of(boxes, [0] * len(boxes), crowd))
    assert labels.tolist() == ([NEUTRAL, 0] if crowd else [0, 0])


def test_every_positive_anchor_learns_the_object_it_overlaps_best_or_was_given():
    generator = torch.Generator().manual_seed(1)
    priors = torch.rand(300, 4, generator=generator, dtype=torch.float64) * .5 + .1
    low = torch.rand(7, 2, generator=generator, dtype=torch.float64) * .6
    boxes = torch.cat((low, low + .05 + torch.rand(7, 2, generator=generator) * .3), 1)
    labels, objects = match(priors, targets_of(boxes.tolist(), list(range(7))))
    overlaps = box_iou(boxes, cxcywh_to_xyxy(priors))
    given = dict(naive_force(overlaps.tolist()))
    for anchor in range(300):
        best = float(overlaps[:, anchor].max())
        owner = [row for row, column in given.items() if column == anchor]
        wanted = owner[0] if owner else int(overlaps[:, anchor].argmax())
        assert int(objects[anchor]) == wanted
        label = wanted + 1 if owner or best >= .5 else 0 if best < .4 else NEUTRAL
        assert int(labels[anchor]) == label


def test_a_batch_is_matched_like_its_images_one_by_one():
    priors = torch.tensor([[.2, .2, .2, .2], [.5, .5, .4, .4], [.8, .8, .3, .3]]).double()
    images = [targets_of([(.1, .1, .3, .3), (.7, .7, .9, .9)], [3, 1]), targets_of([], []),
              targets_of([(.3, .3, .7, .7), (0, 0, .4, .4)], [2, 5], [False, True])]
    together = match_anchors(priors, gather_objects(images, torch.float64))
    start = 0
    for row, image in enumerate(images):
        labels, objects = match(priors, image)
        assert together.labels[row].tolist() == labels.tolist()
        positive = labels > 0
        assert (together.objects[row][positive] - start).tolist() == objects[positive].tolist()
        start += int((~image.crowd).sum())
