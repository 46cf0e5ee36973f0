"""
Selection with shapes that do not depend on the picture, as a captured CUDA graph needs it.

Every picture gets the same number of slots for detections; how many are taken is a number on the
device. Nothing here waits for the device or reads from it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from yolact_ros.model.yolact import RawPredictions
from yolact_ros.ops.boxes import decode_boxes
from yolact_ros.ops.kernels.nms import fast_nms_keep
from yolact_ros.ops.kernels.scores import anchor_scores

# A hundred objects that a dozen anchors each fire at fit.
BEST_ANCHORS = 2048
ENTRIES = 2048


class Thresholds(NamedTuple):
    """
    A PostprocessConfig on the device; a captured graph reads what was written last.

    :param classes: (C,) float32, score a class must exceed; infinite for classes left out.
    :param candidate: (1,) float32, the best score of an anchor must exceed it; at least the
        lowest of classes.
    :param iou: (1,) float32.
    :param top_k: (1,) int32.
    :param max_instances: (1,) int32, at most the number of slots.
    """

    classes: Tensor
    candidate: Tensor
    iou: Tensor
    top_k: Tensor
    max_instances: Tensor


class Slots(NamedTuple):
    """
    The detections of B pictures in N slots each, best class score first; free ones hold anything.

    :param boxes: (B, N, 4) float32 relative corners, not clipped.
    :param class_ids: (B, N) int64, 0-based.
    :param class_scores: (B, N) float32.
    :param coefficients: (B, N, K) float32.
    :param counts: (B,) int32, slots that are taken.
    :param complete: (B,) bool, False where more candidates would have to be looked at to tell
        what the remaining slots hold.
    """

    boxes: Tensor
    class_ids: Tensor
    class_scores: Tensor
    coefficients: Tensor
    counts: Tensor
    complete: Tensor


class Entries(NamedTuple):
    """
    Pairs of an anchor and a class, best score first, (B, E) each.

    :param anchors: int64.
    :param class_ids: int64.
    :param scores: float32, 0 for pairs that do not pass.
    :param valid: bool, pairs that pass and that no anchor left out can beat.
    :param exhausted: (B,) bool, True where no other pair can pass.
    """

    anchors: Tensor
    class_ids: Tensor
    scores: Tensor
    valid: Tensor
    exhausted: Tensor


def select_slots(raw: RawPredictions, priors: Tensor, thresholds: Thresholds, count: int,
                 nms: str = 'fast') -> Slots:
    """
    Return what inference.steps.select.select_detections selects, in fixed shapes.

    The best pairs of anchor and class are compared with each other. The verdict on a pair depends
    only on better ones, so what they say is final; it is all there is to say unless so many are
    suppressed that slots stay free while worse pairs wait.

    :param priors: (P, 4) cx, cy, w, h relative.
    :param count: N, slots of each picture.
    :param nms: 'fast' or 'cross_class'.
    """
    # (B, P, C + 1), laid out as the kernel reads them
    logits = raw.class_logits.contiguous()
    entries = _best_entries(logits, thresholds) if nms == 'fast' \
        else _best_classes(logits, thresholds)
    rows = entries.anchors[..., None]
    boxes = decode_boxes(raw.box_offsets.gather(1, rows.expand(-1, -1, 4)).float(),
                         priors[entries.anchors])
    rivals = entries.class_ids if nms == 'fast' else torch.zeros_like(entries.class_ids)
    keep = fast_nms_keep(boxes, rivals.int(), entries.valid, thresholds.iou, thresholds.top_k)
    if nms == 'cross_class':
        # A box that its own class's threshold forbids still suppresses others.
        keep = keep & (entries.scores > thresholds.classes[entries.class_ids])
    rank = keep.cumsum(1) - 1
    taken = keep & (rank < thresholds.max_instances)
    counts = taken.sum(1)
    chosen = _compact(taken, rank, count)                                     # (B, N)
    wide = chosen[..., None]
    rows = rows.gather(1, wide)
    coefficients = raw.coefficients.gather(
        1, rows.expand(-1, -1, raw.coefficients.shape[2])).float()
    return Slots(boxes.gather(1, wide.expand(-1, -1, 4)), entries.class_ids.gather(1, chosen),
                 entries.scores.gather(1, chosen), coefficients, counts.int(),
                 entries.exhausted | (counts >= thresholds.max_instances))


def _best_entries(logits: Tensor, thresholds: Thresholds) -> Entries:
    """
    Return the best pairs of anchor and class; equal scores keep the order of class, then anchor.

    :param logits: (B, P, C + 1), background first, contiguous.
    """
    best = anchor_scores(logits, thresholds.classes, thresholds.candidate)
    anchors, cut = _best_anchors(best)
    few = logits.gather(1, anchors[..., None].expand(-1, -1, logits.shape[2]))
    scores = torch.softmax(few.float(), -1)[..., 1:]                          # (B, A, C)
    passing = (scores > thresholds.classes) & (best.gather(1, anchors) > 0)[..., None]
    # (B, A, C) -> (B, C * A), so that a stable sort keeps the order of ties
    scores = scores.masked_fill(~passing, 0.0).transpose(1, 2).flatten(1)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    exhausted = cut == 0
    if scores.shape[1] > ENTRIES:
        exhausted &= scores[:, ENTRIES] == 0
    scores, order = scores[:, :ENTRIES], order[:, :ENTRIES]
    return Entries(anchors.gather(1, order % anchors.shape[1]), order // anchors.shape[1], scores,
                   scores > cut[:, None], exhausted)


def _best_classes(logits: Tensor, thresholds: Thresholds) -> Entries:
    """Return the best anchors with their best class; equal scores keep the order of anchors."""
    best = anchor_scores(logits, torch.zeros_like(thresholds.classes), thresholds.candidate)
    anchors, cut = _best_anchors(best)
    few = logits.gather(1, anchors[..., None].expand(-1, -1, logits.shape[2]))
    scores, class_ids = torch.softmax(few.float(), -1)[..., 1:].max(-1)       # (B, A)
    scores = scores.masked_fill(best.gather(1, anchors) == 0, 0.0)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    valid = scores > cut[:, None]
    # Only the best top_k are compared at all: with those at hand the rest does not matter.
    exhausted = (cut == 0) | (valid.sum(1) >= thresholds.top_k)
    return Entries(anchors.gather(1, order), class_ids.gather(1, order), scores, valid, exhausted)


def _best_anchors(best: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return the anchors with the best scores in their own order, and the best score left out.

    :param best: (B, P), 0 for anchors that do not take part.
    :returns: (B, A) int64 ascending, and (B,).
    """
    if best.shape[1] <= BEST_ANCHORS:
        every = torch.arange(best.shape[1], device=best.device).expand(best.shape)
        return every, best.new_zeros(len(best))
    scores, anchors = best.topk(BEST_ANCHORS + 1, dim=1)
    return anchors[:, :-1].sort(dim=1).values, scores[:, -1]


def _compact(taken: Tensor, rank: Tensor, count: int) -> Tensor:
    """
    Return which entry each slot holds, (B, N) int64; 0 in slots that stay free.

    :param taken: (B, E) bool.
    :param rank: (B, E) int64, the slot of every entry that is taken.
    """
    # One slot more takes in whatever is not wanted.
    slots = rank.masked_fill(~taken, count)
    held = torch.zeros(len(taken), count + 1, dtype=torch.int64, device=taken.device)
    entries = torch.arange(taken.shape[1], device=taken.device).expand_as(taken)
    return held.scatter_(1, slots, entries)[:, :count]
