"""From raw predictions to Detections: candidates, class rules, non-maximum suppression."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from yolact_ros.inference.steps.candidates import candidate_scores
from yolact_ros.inference.steps.operators import Operators
from yolact_ros.inference.steps.thresholds import Thresholds
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.ops.boxes import decode_boxes
from yolact_ros.ops.nms import cross_class_nms, fast_nms, soft_cluster_nms, traditional_nms
from yolact_ros.structures import ImageSize

# Anchors that are looked at: a hundred objects that a dozen anchors each fire at fit.
MOST_ANCHORS = 2048
# Pairs of an anchor and a class that are compared with each other.
MOST_PAIRS = 2048
VARIANTS = {'fast': fast_nms, 'cross_class': cross_class_nms, 'soft_cluster': soft_cluster_nms}
# Of these the verdict on a pair depends on better ones only.
FINAL_KINDS = 'fast', 'cross_class'


class Detections(NamedTuple):
    """
    The detections of B images, best class score first, padded to N each.

    :param boxes: (B, N, 4) float32 relative corners, not clipped.
    :param class_ids: (B, N) int64, 0-based.
    :param class_scores: (B, N) float32.
    :param coefficients: (B, N, K) float32.
    :param counts: (B,) int32, detections; what lies behind them is padding.
    :param complete: (B,) bool, False where more candidates would have to be looked at to tell
        what follows.
    """

    boxes: Tensor
    class_ids: Tensor
    class_scores: Tensor
    coefficients: Tensor
    counts: Tensor
    complete: Tensor


class Candidates(NamedTuple):
    """
    Pairs of an anchor and a class, best score first, (B, E) each.

    :param anchors: int64.
    :param class_ids: int64.
    :param scores: float32, 0 for pairs that do not pass or that an anchor left out may beat.
    :param exhausted: (B,) bool, True where no other pair can be detected.
    """

    anchors: Tensor
    class_ids: Tensor
    scores: Tensor
    exhausted: Tensor


def select_best(raw: RawPredictions, priors: Tensor, thresholds: Thresholds, nms: str, room: int,
                operators: Operators, most_anchors: int | None = None) -> Detections:
    """
    Return what the best pairs of anchor and class tell (Bolya et al. 2019, section 4).

    The verdict on a pair depends only on better ones, so what they say is final; it is all there
    is to say unless so many are suppressed that there is room left while worse pairs wait.

    :param priors: (P, 4) cx, cy, w, h relative.
    :param nms: 'fast' or 'cross_class'.
    :param room: N, at least max_instances.
    :param most_anchors: that are looked at, MOST_ANCHORS unless told otherwise.
    """
    rows_of = operators.rows
    best_of = _best_pairs if nms == 'fast' else _best_classes
    anchors, class_ids, scores, exhausted = best_of(raw.class_logits, thresholds,
                                                    most_anchors or MOST_ANCHORS, operators)
    boxes = operators.decode(raw.box_offsets, priors, anchors)
    rivals = class_ids if nms == 'fast' else torch.zeros_like(class_ids)
    keep = operators.nms_keep(boxes, rivals, scores > 0, thresholds.iou, thresholds.top_k)
    if nms == 'cross_class':
        # A box that its own class's threshold forbids still suppresses others.
        keep = keep & (scores > thresholds.classes[class_ids])
    chosen = operators.first_kept(keep, room)
    counts = keep.sum(1, dtype=torch.int32).clamp(max=thresholds.max_instances)
    return Detections(rows_of(boxes, chosen), rows_of(class_ids, chosen), rows_of(scores, chosen),
                      rows_of(raw.coefficients, rows_of(anchors, chosen)).float(), counts,
                      exhausted | (counts >= thresholds.max_instances))


def select_all(raw: RawPredictions, priors: Tensor, thresholds: Thresholds, nms: str,
               shape: ImageSize) -> Detections:
    """
    Return what the configured NMS selects of all candidates of one image.

    :param raw: of a batch of one.
    :param thresholds: on the host, classes on the device.
    :param shape: of the network input [px], for traditional NMS.
    """
    classes = thresholds.classes
    anchors, scores = candidate_scores(raw.class_logits[0], thresholds.candidate)
    boxes = decode_boxes(raw.box_offsets[0, anchors].float(), priors[anchors])
    # What cannot pass lowers or suppresses only what is worse, which cannot pass either; across
    # classes it may be of a class that another threshold lets pass.
    passing = (scores > classes).sum(0)                                       # (C,)
    allowed = ((passing > 0) | (nms == 'cross_class')).nonzero()[:, 0]
    some = scores.T[allowed]                                                  # (C, n)
    if nms == 'traditional':
        pixels = boxes.new_tensor([shape.width, shape.height] * 2)
        rows, class_ids, scores = traditional_nms(boxes, some, thresholds.iou,
                                                  thresholds.candidate, pixels)
    else:
        top_k = thresholds.top_k if nms == 'cross_class' else min(thresholds.top_k,
                                                                  int(passing.max()))
        rows, class_ids, scores = VARIANTS[nms](boxes, some, thresholds.iou, top_k)
    class_ids = allowed[class_ids]
    chosen = (scores > classes[class_ids]).nonzero()[:thresholds.max_instances, 0]
    rows = rows[chosen]
    return Detections(boxes[rows][None], class_ids[chosen][None], scores[chosen][None],
                      raw.coefficients[:, anchors[rows]].float(),
                      torch.tensor([len(rows)], dtype=torch.int32), torch.tensor([True]))


def _best_pairs(logits: Tensor, thresholds: Thresholds, most_anchors: int,
                operators: Operators) -> Candidates:
    """
    Return the best pairs of anchor and class; equal scores keep the order of class, then anchor.

    :param logits: (B, P, C + 1), background first.
    """
    anchors, scores, cut = operators.best_anchors(logits, thresholds.classes,
                                                  thresholds.candidate, most_anchors)
    count = max(anchors.shape[1], 1)
    # (B, A, C) -> (B, C * A), the order of equal scores
    scores, order, waiting = _largest(scores.transpose(1, 2).flatten(1), MOST_PAIRS, operators)
    return Candidates(operators.rows(anchors, order % count), order // count, scores,
                      (cut == 0) & (waiting == 0))


def _best_classes(logits: Tensor, thresholds: Thresholds, most_anchors: int,
                  operators: Operators) -> Candidates:
    """Return the best anchors with their best class; equal scores keep the order of anchors."""
    anchors, scores, cut = operators.best_anchors(logits, torch.zeros_like(thresholds.classes),
                                                  thresholds.candidate, most_anchors)
    scores, class_ids = scores.max(-1)                                        # (B, A)
    scores, order, _ = _largest(scores, most_anchors, operators)
    # Only the best top_k are compared at all: with those at hand the rest does not matter.
    exhausted = (cut == 0) | ((scores > 0).sum(1) >= thresholds.top_k)
    return Candidates(operators.rows(anchors, order), operators.rows(class_ids, order), scores,
                      exhausted)


def _largest(values: Tensor, most: int, operators: Operators) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest values of each row, their places, and the largest left out or 0."""
    values, places = operators.largest(values, most + 1)
    left_out = values[:, most] if values.shape[1] > most else values.new_zeros(len(values))
    return values[:, :most], places[:, :most], left_out
