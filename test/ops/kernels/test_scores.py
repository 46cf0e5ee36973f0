"""The score kernel against softmax in torch."""

import math

import pytest
import torch

kernel = pytest.importorskip('yolact_ros.ops.kernels.scores', reason='needs Triton')


def scores_of(logits, thresholds, candidate_threshold, device):
    """Return (B, P) scores of nested lists or tensors."""
    return kernel.anchor_scores(torch.as_tensor(logits).to(device),
                                torch.as_tensor(thresholds).to(device),
                                torch.tensor([candidate_threshold], device=device)).cpu()


def in_torch(logits, thresholds, candidate_threshold):
    scores = torch.softmax(logits.float(), -1)[..., 1:]
    passing = torch.where(scores > thresholds, scores, 0.0).amax(-1)
    return torch.where(scores.amax(-1) > candidate_threshold, passing, 0.0)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize('anchors, classes', [(0, 3), (1, 1), (37, 80), (3, 1000), (2, 1203)])
def test_it_equals_softmax_in_torch(device, anchors, classes, dtype):
    generator = torch.Generator().manual_seed(classes)
    logits = (torch.randn(2, anchors, classes + 1, generator=generator) * 4).to(dtype)
    thresholds = torch.rand(classes, generator=generator) * 0.2
    thresholds[::3] = math.inf

    scores = scores_of(logits, thresholds, 0.1, device)

    torch.testing.assert_close(scores, in_torch(logits, thresholds, 0.1))


LOGITS = [[[math.log(share) for share in (0.1, 0.6, 0.3)]]]  # background, two classes


@pytest.mark.parametrize('thresholds, candidate_threshold, expected', [
    ((0.0, 0.0), 0.5, 0.6), ((math.inf, 0.1), 0.5, 0.3), ((0.7, 0.1), 0.5, 0.3),
    ((math.inf, math.inf), 0.5, 0.0), ((0.0, 0.0), 0.7, 0.0), ((0.7, 0.4), 0.0, 0.0)],
    ids=['best', 'best left out', 'best too low', 'all left out', 'no candidate', 'none passes'])
def test_the_best_score_that_passes(device, thresholds, candidate_threshold, expected):
    score = scores_of(LOGITS, thresholds, candidate_threshold, device)

    assert score.item() == pytest.approx(expected, rel=1e-6)


def test_scores_must_exceed_their_thresholds(device):
    equal = [[[0.0, 0.0]]]

    assert scores_of(equal, [0.5], 0.0, device).item() == 0
    assert scores_of(equal, [0.0], 0.5, device).item() == 0
    assert scores_of(equal, [0.499], 0.499, device).item() == 0.5


@pytest.mark.parametrize('row', [[math.nan, 1.0], [0.0, math.nan], [-math.inf, -math.inf],
                                 [math.inf, math.inf]], ids=str)
def test_undefined_scores_count_nothing(device, row):
    scores = scores_of([[row, [-9.0, 9.0]]], [0.1], 0.1, device)

    assert scores[0, 0] == 0
    assert scores[0, 1] > 0.99


@pytest.mark.parametrize('anchors, classes', [(1, 1), (70, 20)])
def test_passing_scores_exceed_both_limits(device, anchors, classes):
    generator = torch.Generator().manual_seed(anchors)
    scores = torch.rand(2, anchors, classes + 1, generator=generator)
    thresholds, cut = torch.rand(classes, generator=generator), torch.tensor([0.3, 0.6])
    counts = torch.tensor([anchors, anchors // 2], dtype=torch.int32)

    passing = kernel.passing_scores(*(part.to(device) for part in (scores, counts, thresholds,
                                                                   cut)))

    foreground = scores[..., 1:]
    counted = torch.arange(anchors)[None] < counts[:, None]
    passes = (foreground > thresholds) & (foreground > cut[:, None, None]) & counted[..., None]
    assert torch.equal(passing.cpu(), torch.where(passes, foreground, 0.0).transpose(1, 2))


def test_limits_must_be_exceeded(device):
    passing = kernel.passing_scores(
        torch.tensor([[[9.0, 0.5, 0.25]]], device=device),
        torch.ones(1, dtype=torch.int32, device=device), torch.tensor([0.5, 0.2], device=device),
        torch.tensor([0.25], device=device))

    assert passing.tolist() == [[[0.0], [0.0]]]
