"""Recall of anchors on boxes that are made to fit them or not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from yolact_ros.config import yolact_resnet50
from yolact_ros.data.sample import Sample
from yolact_ros.model.priors import make_priors
from yolact_ros.model.yolact import level_sizes
from yolact_ros.training.anchors import anchor_recall, collect_boxes, report_anchors

CONFIG = replace(yolact_resnet50(class_names=('cup',)), input_size=128,
                 anchor_scales=((12,), (24,), (48,), (80,), (120,)))


class Boxes:
    """A data set of one image of 128 x 128 px with these boxes [px]."""

    def __init__(self, boxes, crowd=None):
        count = len(boxes)
        crowd = np.zeros(count, bool) if crowd is None else np.array(crowd)
        self._sample = Sample(np.zeros((128, 128, 3), np.uint8), np.array(boxes, np.float32),
                              np.ones((count, 128, 128), np.uint8), np.zeros(count, np.int64),
                              crowd, 'made')

    def __len__(self):
        return 1

    def sample(self, index, rng=None):
        return self._sample


def naive_recall(boxes):
    """Return the share of boxes with an anchor of IoU 0.5, pair by pair."""
    priors = make_priors(level_sizes(128), CONFIG.anchor_scales, CONFIG.anchor_ratios, 128,
                         CONFIG.square_anchors).double().tolist()
    anchors = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in priors]
    reached = 0
    for a, b, c, d in boxes:
        for x0, y0, x1, y1 in anchors:
            common = max(0, min(c, x1) - max(a, x0)) * max(0, min(d, y1) - max(b, y0))
            if common / ((c - a) * (d - b) + (x1 - x0) * (y1 - y0) - common) >= 0.5:
                reached += 1
                break
    return reached / len(boxes)


def test_recall_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, 0.5, (12, 2)), rng.uniform(0.02, 0.5, (12, 2))
    boxes = np.concatenate([corner, corner + side], 1)
    found = anchor_recall(CONFIG, torch.tensor(boxes, dtype=torch.float32), 0.5)
    assert 0 < found < 1 and found == pytest.approx(naive_recall(boxes.tolist()))


def test_anchors_that_fit_are_left_alone():
    report = report_anchors(CONFIG, Boxes([(24, 24, 72, 72), (0, 0, 128, 128)]))
    assert (report.recall, report.better) == (1.0, None)
    assert report.lines() == ['anchors reach 100.0% of the objects']


def test_small_objects_get_smaller_anchors():
    boxes = [(x, y, x + 5, y + 5) for x in range(5, 125, 30) for y in range(5, 125, 30)]
    report = report_anchors(CONFIG, Boxes(boxes))
    assert report.recall < 0.1 and report.better_recall > report.recall
    smallest = report.better.anchor_scales[0][0] / report.better.input_size
    assert smallest < CONFIG.anchor_scales[0][0] / CONFIG.input_size
    assert report.price == (report.better.input_size / CONFIG.input_size) ** 2
    assert f'{report.better_recall:.1%} at {report.price:.2g} times' in report.lines()[1]
    assert report.lines()[1].endswith(report.flag)


def test_crowds_and_specks_are_not_asked_for():
    source = Boxes([(0, 0, 64, 32), (0, 0, 0.5, 90), (10, 10, 90, 90)], [False, False, True])
    np.testing.assert_allclose(collect_boxes(source, 128), [(0, 0, 0.5, 0.25)])


def test_of_many_boxes_some_are_taken_evenly():
    boxes = [(0, 0, 10, 10)] * 500 + [(0, 0, 20, 20)] * 500
    found = collect_boxes(Boxes(boxes), 128)
    assert len(found) == 400 and (found[:, 2] < 0.1).sum() == 200


def test_a_wide_network_is_offered_a_wide_input():
    wide = replace(CONFIG, input_size=(64, 128))
    boxes = [(x, y, x + 3, y + 3) for x in range(5, 125, 30) for y in range(5, 125, 30)]
    report = report_anchors(wide, Boxes(boxes))
    height, width = report.better.input_size
    assert width == 2 * height > 128
    assert report.price == height * width / (64 * 128)
    assert f'--model input_size={height}x{width} ' in report.flag
