"""Which detections an image's raw predictions give."""

import math
from types import SimpleNamespace

import pytest
import torch

from yolact_ros.config import NMS_KINDS, PostprocessConfig
from yolact_ros.inference.steps import eager
from yolact_ros.inference.steps.thresholds import Thresholds
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.structures import ImageSize

NAMES = ('cup', 'fork', 'pan')
CPU = torch.device('cpu')


def raw_predictions(probabilities, count=None):
    """Return predictions of one image with given class probabilities on separate priors."""
    probabilities = torch.tensor(probabilities, dtype=torch.float32)
    rows = len(probabilities)
    background = 1 - probabilities.sum(1, keepdim=True)
    logits = torch.cat((background, probabilities), 1).clamp(min=1e-9).log()
    raw = RawPredictions(torch.zeros(1, rows, 4), logits[None], torch.zeros(1, rows, 2),
                         torch.zeros(1, 8, 8, 2))
    centres = (torch.arange(rows) + 0.5) / rows
    side = torch.full((rows,), 0.9 / rows)
    return raw, torch.stack((centres, centres, side, side), 1)


def select(raw, priors, **options):
    """Return (class id, rounded score) pairs that a configuration selects."""
    config = PostprocessConfig(**options)
    backend = SimpleNamespace(priors=priors, device=CPU,
                              config=SimpleNamespace(input_shape=ImageSize(550, 550)))
    frames = eager.EagerFrames(backend)
    found = frames._detect(Thresholds.resolve(config, NAMES), config.nms, raw)
    return [(int(kind), round(float(score), 3))
            for kind, score in zip(found.class_ids[0], found.class_scores[0])]


def test_no_candidate_gives_no_detection():
    raw, priors = raw_predictions([[0.04, 0.04, 0.04]])

    for nms in NMS_KINDS:
        assert select(raw, priors, score_threshold=0.0, nms=nms) == []


def test_low_scores_of_a_candidate_fill_the_list():
    raw, priors = raw_predictions([[0.6, 0.02, 0.01], [0.04, 0.03, 0.02]])

    assert select(raw, priors, score_threshold=0.0) == [(0, 0.6), (1, 0.02), (2, 0.01)]
    assert select(raw, priors, score_threshold=0.0, max_instances=2) == [(0, 0.6), (1, 0.02)]


def test_traditional_nms_has_a_second_threshold():
    raw, priors = raw_predictions([[0.6, 0.02, 0.01]])

    assert select(raw, priors, score_threshold=0.0, nms='traditional') == [(0, 0.6)]


def test_an_object_gets_one_class_across_classes():
    raw, priors = raw_predictions([[0.5, 0.4, 0.0]])

    assert select(raw, priors, score_threshold=0.1) == [(0, 0.5), (1, 0.4)]
    assert select(raw, priors, score_threshold=0.1, nms='cross_class') == [(0, 0.5)]


@pytest.mark.parametrize('nms', ['fast', 'cross_class', 'traditional'])
def test_classes_and_their_thresholds_filter(nms):
    raw, priors = raw_predictions([[0.6, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.4]])
    options = {'score_threshold': 0.3, 'nms': nms}

    assert select(raw, priors, **options) == [(0, 0.6), (1, 0.5), (2, 0.4)]
    assert select(raw, priors, classes=['fork', 2], **options) == [(1, 0.5), (2, 0.4)]
    assert select(raw, priors, classes=[], **options) == []
    assert select(raw, priors, class_thresholds={'cup': 0.7, 2: 0.45}, **options) == [(1, 0.5)]
    assert select(raw, priors, classes=['pan'], max_instances=1, **options) == [(2, 0.4)]


def test_the_threshold_must_be_exceeded():
    raw, priors = raw_predictions([[0.5, 0.0, 0.0]])

    assert select(raw, priors, score_threshold=0.25) == [(0, 0.5)]
    assert select(raw, priors, score_threshold=0.50001) == []


@pytest.mark.parametrize('nms', NMS_KINDS)
@pytest.mark.parametrize('threshold', [0.0, 0.1, 0.5])
def test_filtering_before_nms_changes_nothing(threshold, nms):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 400, 4, generator=generator) * 2
    priors = torch.rand(400, 4, generator=generator) * 0.5 + 0.2
    raw = RawPredictions(torch.zeros(1, 400, 4), logits, torch.zeros(1, 400, 2),
                         torch.zeros(1, 8, 8, 2))

    everything = select(raw, priors, score_threshold=0.0, max_instances=10_000, top_k=200,
                        nms=nms)

    expected = [pair for pair in everything if pair[1] > threshold][:100]
    assert len(expected) >= 10
    assert select(raw, priors, score_threshold=threshold, top_k=200, nms=nms) == expected


def test_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match="class 'knife' is not one"):
        Thresholds.resolve(PostprocessConfig(classes=['knife']), NAMES)


@pytest.mark.parametrize('candidates', [300, 600, 1500, 4000])
@pytest.mark.parametrize('places', [20, 99, 400])
def test_a_few_of_the_best_candidates_tell_what_all_tell(monkeypatch, candidates, places):
    generator = torch.Generator().manual_seed(candidates + places)
    corner = torch.rand(places, 2, generator=generator)[torch.arange(candidates) % places]
    priors = torch.cat((corner + 0.001 * torch.randn(candidates, 2, generator=generator),
                        torch.full((candidates, 2), 0.04)), 1)
    # Three classes; background never wins
    logits = torch.randn(1, candidates, 4, generator=generator) * 2
    logits[..., 0] = -9
    raw = RawPredictions(torch.zeros(1, candidates, 4), logits, torch.zeros(1, candidates, 2),
                         torch.zeros(1, 8, 8, 2))
    found = select(raw, priors)

    monkeypatch.setattr(eager, 'TRIED_ANCHORS', ())

    assert select(raw, priors) == found
    assert 20 <= len(found) <= 100


def overlapping(scores, shift):
    """Return predictions of one class whose boxes, all of one size, lie shift of a side apart."""
    raw, priors = raw_predictions([[score, 0.0, 0.0] for score in scores])
    priors[:, :2] = torch.tensor([[0.1 + index * shift * 0.1, 0.5]
                                  for index in range(len(scores))])
    priors[:, 2:] = 0.1
    return raw, priors


def test_soft_nms_lowers_the_score_of_a_box_by_its_overlap_with_a_better_one():
    raw, priors = overlapping([0.9, 0.8, 0.1], 0.8)

    # IoU of neighbours 0.2 / 1.8; the last one is the second's neighbour only.
    factor = math.exp(-(0.2 / 1.8) ** 2 / 0.2)
    assert select(raw, priors, score_threshold=0.05, nms='soft_cluster') == [
        (0, 0.9), (0, round(0.8 * factor, 3)), (0, round(0.1 * factor, 3))]


def test_soft_nms_compares_the_threshold_with_the_lowered_score():
    raw, priors = overlapping([0.9, 0.8], 0.1)

    # IoU 0.9 / 1.1: 0.8 * exp(-0.669 / 0.2) = 0.028
    assert select(raw, priors, score_threshold=0.3, nms='soft_cluster') == [(0, 0.9)]
    assert select(raw, priors, score_threshold=0.02, nms='soft_cluster') == [(0, 0.9), (0, 0.028)]


def test_soft_nms_compares_only_what_can_pass(monkeypatch):
    raw, priors = raw_predictions([[0.7, 0.1, 0.05], [0.6, 0.2, 0.05], [0.1, 0.5, 0.05],
                                   [0.1, 0.1, 0.4]])
    seen = []
    monkeypatch.setattr('yolact_ros.ops.nms.soft_cluster_scores',
                        lambda boxes, scores, iou: seen.append(scores.tolist()) or scores)

    select(raw, priors, score_threshold=0.45, nms='soft_cluster')

    # Two of the first class pass, one of the second, none of the third.
    assert [len(scores) for scores in seen[0]] == [2, 2]


@pytest.mark.parametrize('options, expected', [
    ({}, 2000), ({'classes': ['cup', 'pan']}, 1000), ({'nms': 'cross_class'}, 200),
    ({'top_k': 7}, 7)], ids=['one of one', 'two of three', 'one list', 'as told'])
def test_few_classes_compare_more_boxes_each(options, expected):
    names = NAMES if options.get('classes') else NAMES[:1]
    assert Thresholds.resolve(PostprocessConfig(**options), names).top_k == expected


@pytest.mark.parametrize('nms', ['fast', 'soft_cluster', 'traditional'])
def test_duplicates_of_easy_objects_leave_room_for_hard_ones_of_a_single_class(nms):
    # 20 easy objects fire at 30 anchors each, 20 hard ones at one: 620 candidates.
    places = [index for index in range(20) for _ in range(30)] + list(range(20, 40))
    raw, priors = raw_predictions([[0.9 if place < 20 else 0.5] for place in places])
    priors[:, 0], priors[:, 1] = (torch.tensor(places) + 0.5) / 40, 0.5
    priors[:, 2:] = 0.01
    backend = SimpleNamespace(priors=priors, device=CPU,
                              config=SimpleNamespace(input_shape=ImageSize(5500, 5500)))
    thresholds = Thresholds.resolve(PostprocessConfig(nms=nms), ['cup'])

    found = eager.EagerFrames(backend)._detect(thresholds, nms, raw)

    # Soft scores of 29 exact doubles are far below the threshold.
    assert len(found.boxes[0]) == 40
