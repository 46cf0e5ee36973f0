"""Selection in fixed shapes against the selection that looks at every candidate."""

import pytest
import torch

pytest.importorskip('triton', reason='the kernels need Triton')

from yolact_ros.config import PostprocessConfig
from yolact_ros.inference.captured.operators import TRITON
from yolact_ros.inference.steps import select
from yolact_ros.inference.steps.thresholds import Thresholds
from yolact_ros.model.yolact import RawPredictions

DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
NAMES = ('cup', 'fork', 'pan', 'spoon')


def predictions(images=2, anchors=60, spread=0.05, seed=0):
    """Return raw predictions and priors: anchors around ten places, scores all over [0, 1]."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    centre = torch.rand(10, 2, generator=generator)[torch.arange(anchors) % 10]
    priors = torch.cat((centre + normal(anchors, 2) * spread,
                        torch.full((anchors, 2), 0.2) + 0.02 * normal(anchors, 2)), 1)
    logits = 2 * normal(images, anchors, len(NAMES) + 1)
    raw = RawPredictions(normal(images, anchors, 4), logits, normal(images, anchors, 6),
                         torch.zeros(images, 8, 8, 6))
    return RawPredictions(*(part.to(DEVICE) for part in raw[:4])), priors.to(DEVICE)


def on_device(thresholds):
    """Return thresholds as a captured graph reads them."""
    def one(value, dtype):
        return torch.tensor([value], dtype=dtype, device=DEVICE)

    classes, candidate, iou, top_k, max_instances = thresholds
    return Thresholds(classes.to(DEVICE), one(candidate, torch.float32), one(iou, torch.float32),
                      one(top_k, torch.int32), one(max_instances, torch.int32))


def select_from_all(raw, index, priors, config):
    """Return the detections of one image by the NMS that looks at every candidate."""
    thresholds = Thresholds.resolve(config, NAMES)
    one = RawPredictions(*(part[index:index + 1] for part in raw[:4]))
    found = select.select_all(one, priors, thresholds._replace(
        classes=thresholds.classes.to(DEVICE)), config.nms, 550)
    return select.Detections(*(part[0] for part in found))


def select_fixed(raw, priors, config, count):
    """Return the detections of a batch in fixed shapes."""
    thresholds = on_device(Thresholds.resolve(config, NAMES))
    return select.select_best(raw, priors, thresholds, config.nms, count, TRITON)


def assert_same_selection(raw, priors, config, count=100):
    """Compare every image's detections with those of all candidates; return how many."""
    found = select_fixed(raw, priors, config, count)
    for index, taken in enumerate(found.counts.tolist()):
        expected = select_from_all(raw, index, priors, config)
        assert taken == len(expected.class_ids)
        assert bool(found.complete[index])
        assert found.class_ids[index, :taken].tolist() == expected.class_ids.tolist()
        torch.testing.assert_close(found.class_scores[index, :taken], expected.class_scores)
        torch.testing.assert_close(found.boxes[index, :taken], expected.boxes)
        torch.testing.assert_close(found.coefficients[index, :taken], expected.coefficients)
    return found.counts.tolist()


@pytest.mark.parametrize('nms', ['fast', pytest.param('cross_class', marks=pytest.mark.slow)])
@pytest.mark.parametrize('options', [
    {}, {'score_threshold': 0.0, 'candidate_threshold': 0.0}, {'score_threshold': 0.05},
    {'candidate_threshold': 0.6}, {'iou_threshold': 0.1}, {'iou_threshold': 1.0}, {'top_k': 3},
    {'max_instances': 5}, {'classes': ['fork', 3]},
    {'class_thresholds': {'cup': 0.8, 'pan': 0.0}}],
    ids=lambda options: ', '.join(options) or 'defaults')
def test_the_same_detections_are_selected(options, nms):
    counts = assert_same_selection(*predictions(), PostprocessConfig(nms=nms, **options))

    assert all(0 < count <= options.get('max_instances', 100) for count in counts)


@pytest.mark.parametrize('options', [{'classes': []}, {'score_threshold': 1.0},
                                     {'candidate_threshold': 1.0}], ids=str)
def test_nothing_is_selected_where_nothing_passes(options):
    assert assert_same_selection(*predictions(), PostprocessConfig(**options)) == [0, 0]


def test_equal_scores_keep_the_order_of_class_and_anchor():
    raw, priors = predictions(images=1, spread=0.5)
    # Only a few different numbers, as half precision has them
    raw = raw._replace(class_logits=raw.class_logits.round())

    assert_same_selection(raw, priors, PostprocessConfig(score_threshold=0.1))


def test_the_best_candidates_settle_full_list(monkeypatch):
    monkeypatch.setattr(select, 'MOST_ANCHORS', 40)
    monkeypatch.setattr(select, 'MOST_PAIRS', 64)

    counts = assert_same_selection(*predictions(), PostprocessConfig(max_instances=8), count=8)

    assert counts == [8, 8]


@pytest.mark.parametrize('limit', ['MOST_ANCHORS', 'MOST_PAIRS'])
def test_a_list_left_open_by_the_limits_is_reported(monkeypatch, limit):
    monkeypatch.setattr(select, limit, 16)
    raw, priors = predictions()
    config = PostprocessConfig(score_threshold=0.05)

    found = select_fixed(raw, priors, config, 100)

    assert found.complete.tolist() == [False, False]
    for index, taken in enumerate(found.counts.tolist()):
        # What is found so far is right.
        expected = select_from_all(raw, index, priors, config).class_scores
        torch.testing.assert_close(found.class_scores[index, :taken], expected[:taken])


def test_across_classes_only_the_best_top_k_matter(monkeypatch):
    monkeypatch.setattr(select, 'MOST_ANCHORS', 16)
    config = PostprocessConfig(nms='cross_class', top_k=15, score_threshold=0.05)

    assert_same_selection(*predictions(), config)


@pytest.mark.parametrize('anchors', [1, 16, 17])
def test_few_anchors_are_enough(monkeypatch, anchors):
    monkeypatch.setattr(select, 'MOST_ANCHORS', 16)
    raw, priors = predictions(anchors=anchors, spread=10.0)

    assert_same_selection(raw, priors, PostprocessConfig(score_threshold=0.6))
