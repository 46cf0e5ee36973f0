"""From raw predictions to Detections: candidates, class rules, non-maximum suppression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from yolact_ros.config import PostprocessConfig, class_id_of
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.ops.boxes import decode_boxes
from yolact_ros.ops.nms import cross_class_nms, fast_nms, fast_nms_mixed, traditional_nms

# A hundred objects fire at a thousand anchors. The best 400 of so many usually fill the list of
# 100; where they do not, all of a list of 2048 still cost less than every class's NMS.
FEW_CANDIDATES = 400, 2048


class Detections(NamedTuple):
    """
    The D selected detections of one picture, on the device, best class score first.

    :param boxes: (D, 4) relative corners, not clipped.
    :param class_ids: (D,) int64, 0-based.
    :param class_scores: (D,).
    :param coefficients: (D, K).
    """

    boxes: Tensor
    class_ids: Tensor
    class_scores: Tensor
    coefficients: Tensor


class ClassRules(NamedTuple):
    """
    A PostprocessConfig's class filter and thresholds for one model's classes.

    :param thresholds: (C,) score a class must exceed; infinite for classes that are left out.
    :param thresholds_on_host: the same.
    :param lowest: of the thresholds.
    """

    thresholds: Tensor
    thresholds_on_host: Tensor
    lowest: float

    @classmethod
    def resolve(cls, config: PostprocessConfig, class_names: Sequence[str],
                device: torch.device) -> ClassRules:
        """
        Return the rules as a tensor.

        :raises ValueError: when the configuration names a class that the model lacks.
        """
        thresholds = torch.full((len(class_names),), config.score_threshold)
        for key, threshold in (config.class_thresholds or {}).items():
            thresholds[class_id_of(key, class_names)] = threshold
        if config.classes is not None:
            left_out = torch.ones(len(class_names), dtype=torch.bool)
            left_out[[class_id_of(key, class_names) for key in config.classes]] = False
            thresholds[left_out] = torch.inf
        return cls(thresholds.to(device), thresholds, float(thresholds.min()))


class Selection(NamedTuple):
    """
    What survives non-maximum suppression, best class score first.

    :param rows: (D,) of the candidates.
    :param class_ids: (D,).
    :param class_scores: (D,).
    """

    rows: Tensor
    class_ids: Tensor
    class_scores: Tensor


def select_detections(raw: RawPredictions, index: int, priors: Tensor, rules: ClassRules,
                      config: PostprocessConfig, input_size: int) -> Detections:
    """
    Return the detections of one picture of the batch (Bolya et al. 2019, section 4).

    Anchors are candidates by their best foreground score. What cannot pass its class's threshold
    is left out before NMS already: a box is only ever suppressed by a better one, so the
    result is the same and the work is less.

    :param index: which picture of the batch.
    :param priors: (P, 4) cx, cy, w, h relative.
    :param input_size: side of the network input [px], for traditional NMS.
    """
    anchors, scores = _candidates(raw.class_logits[index],
                                  max(config.candidate_threshold, rules.lowest))
    boxes = decode_boxes(raw.box_offsets[index, anchors].float(), priors[anchors])
    chosen = None
    for enough in FEW_CANDIDATES if config.nms == 'fast' else ():
        if chosen is None:
            chosen = _select_from_best(boxes, scores, rules, config, enough)
    if chosen is None:
        chosen = _select_from_all(boxes, scores, rules, config, input_size)
    rows, class_ids, class_scores = (part[:config.max_instances] for part in chosen)
    return Detections(boxes[rows], class_ids, class_scores,
                      raw.coefficients[index, anchors[rows]].float())


def _candidates(logits: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """
    Return the anchors whose best foreground score exceeds the floor, and all their scores.

    A score above t needs a logit of at least log(t / (1 - t)) more than the background's, so
    comparing logits spares nearly all anchors the softmax.

    :param logits: (P, C + 1), background first.
    :returns: anchors (N,) and scores (N, C).
    """
    # The margin covers the rounding of both routes.
    lead = math.log(floor / (1 - floor)) - 1e-3 if 0 < floor < 1 else \
        -math.inf if floor <= 0 else math.inf
    best = logits[:, 1:].amax(1).float() - logits[:, 0]
    anchors = (best > lead).nonzero()[:, 0]
    scores = torch.softmax(logits[anchors].float(), -1)[:, 1:]
    rows = (scores.amax(1) > floor).nonzero()[:, 0]
    return anchors[rows], scores[rows]


def _select_from_best(boxes: Tensor, scores: Tensor, rules: ClassRules,
                      config: PostprocessConfig, enough: int) -> Selection | None:
    """
    Return what Fast NMS selects if the best scores suffice to tell, else None.

    :param boxes: (N, 4).
    :param scores: (N, C).
    :param enough: candidates whose scores are looked at.
    """
    scores = torch.where(scores > rules.thresholds, scores, 0.0)
    best, cut = scores.amax(1), 0.0
    rows = torch.arange(len(scores), device=scores.device)
    if len(scores) > enough:
        # The best scores lie in the rows with the best maxima.
        cut = best.topk(enough).values[-1]
        rows = (best >= cut).nonzero()[:, 0]
    few = scores[rows].T                                                      # (C, n)
    class_ids, columns = ((few >= cut) & (few > 0)).nonzero(as_tuple=True)
    if len(columns) > 4 * enough:
        return None
    class_scores, order = few[class_ids, columns].sort(descending=True, stable=True)
    rows, class_ids = rows[columns[order]], class_ids[order]
    keep = fast_nms_mixed(boxes[rows], class_ids, config.iou_threshold, config.top_k)
    keep = keep.nonzero()[:, 0]
    if len(scores) > enough and len(keep) < config.max_instances:
        return None
    return Selection(rows[keep], class_ids[keep], class_scores[keep])


def _select_from_all(boxes: Tensor, scores: Tensor, rules: ClassRules,
                     config: PostprocessConfig, input_size: int) -> Selection:
    """
    Return what the configured NMS selects of all candidates.

    :param boxes: (N, 4).
    :param scores: (N, C).
    """
    scores = scores.T                                                         # (C, N)
    allowed = rules.thresholds.isfinite() if config.nms != 'cross_class' \
        else torch.ones_like(rules.thresholds, dtype=torch.bool)
    allowed = allowed.nonzero()[:, 0]
    rows, class_ids, class_scores = _suppress(boxes, scores[allowed], config, input_size)
    class_ids = allowed[class_ids]
    passing = (class_scores > rules.thresholds[class_ids]).nonzero()[:, 0]
    return Selection(rows[passing], class_ids[passing], class_scores[passing])


def _suppress(boxes: Tensor, scores: Tensor, config: PostprocessConfig,
              input_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Apply the configured non-maximum suppression."""
    if config.nms == 'traditional':
        return traditional_nms(boxes, scores, config.iou_threshold, config.candidate_threshold,
                               input_size)
    variant = fast_nms if config.nms == 'fast' else cross_class_nms
    return variant(boxes, scores, config.iou_threshold, config.top_k)
