"""Non-maximum suppression in the three variants of the original, and a soft one."""

from __future__ import annotations

import torch
from torch import Tensor

from yolact_ros.ops.boxes import box_iou


def fast_nms_keep(boxes: Tensor, iou_threshold: float | Tensor) -> Tensor:
    """
    Mark the boxes that no better box of the same list overlaps (Bolya et al. 2019, Fast NMS).

    Unlike greedy NMS an already removed box still suppresses others; that is the price of one
    matrix pass. A box whose overlap is undefined (two boxes without area) is removed.

    :param boxes: (..., K, 4) corners, best score first.
    :param iou_threshold: boxes stay while their overlap is <= this.
    :returns: (..., K) bool, True where the box stays.
    """
    overlaps = box_iou(boxes, boxes).triu_(diagonal=1)
    return overlaps.amax(-2) <= iou_threshold


def soft_cluster_scores(boxes: Tensor, scores: Tensor, iou_threshold: float,
                        sigma: float = 0.2) -> Tensor:
    """
    Lower the scores of boxes by how much better boxes overlap them (Zheng et al. 2020, SPM).

    No box is removed: who chooses by the new scores has removed what was doubled. Only boxes that
    greedy NMS would keep lower others, each by exp(-IoU^2 / sigma). Those are found for all at
    once: a round settles at least the next box of every list, the rounds end when none changes.

    :param boxes: (..., K, 4) corners, best score first.
    :param scores: (..., K), descending.
    :param iou_threshold: boxes that a better one overlaps more do not lower others.
    :param sigma: the smaller, the more an overlap costs.
    :returns: (..., K), not sorted any more.
    """
    if scores.numel() == 0:
        return scores
    overlaps = box_iou(boxes, boxes).triu_(diagonal=1)
    counts, before = torch.ones_like(scores, dtype=torch.bool), None
    while before is None or not torch.equal(counts, before):
        before = counts
        counts = overlaps.mul(before[..., None]).amax(-2) <= iou_threshold
    return scores * torch.exp(-(overlaps * counts[..., None]).square().sum(-2) / sigma)


def fast_nms(boxes: Tensor, scores: Tensor, iou_threshold: float,
             top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """
    Select detections by Fast NMS in every class (Bolya et al. 2019, section 4).

    There is no second score threshold: low scores survive where nothing overlaps them.

    :param boxes: (N, 4) corners of the candidates.
    :param scores: (C, N) foreground scores.
    :param top_k: best candidates of each class that take part.
    :returns: rows (D,), class ids (D,) and scores (D,), best first.
    """
    if scores.numel() == 0:
        return _nothing(scores)
    class_scores, order = _best_of_each(scores, top_k)                        # (C, K)
    keep = fast_nms_keep(boxes[order], iou_threshold)
    class_ids, ranks = keep.nonzero(as_tuple=True)
    return _best_first(order[class_ids, ranks], class_ids, class_scores[class_ids, ranks])


def cross_class_nms(boxes: Tensor, scores: Tensor, iou_threshold: float,
                    top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """
    Select detections by one Fast NMS over all classes: an object gets its best class only.

    Parameters and result as of fast_nms.
    """
    if scores.numel() == 0:
        return _nothing(scores)
    best_scores, class_ids = scores.max(0)
    best_scores, order = best_scores.sort(descending=True, stable=True)
    best_scores, order = best_scores[:top_k], order[:top_k]
    keep = fast_nms_keep(boxes[order], iou_threshold)
    rows = order[keep]
    return rows, class_ids[rows], best_scores[keep]


def soft_cluster_nms(boxes: Tensor, scores: Tensor, iou_threshold: float,
                     top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return all candidates with scores lowered in every class, see soft_cluster_scores.

    Parameters and result as of fast_nms. A threshold on the scores returned removes doubles.
    """
    if scores.numel() == 0:
        return _nothing(scores)
    class_scores, order = _best_of_each(scores, top_k)                        # (C, K)
    class_scores = soft_cluster_scores(boxes[order], class_scores, iou_threshold)
    class_ids = torch.arange(len(scores), device=scores.device)[:, None].expand_as(order)
    return _best_first(order.flatten(), class_ids.flatten(), class_scores.flatten())


def traditional_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, score_threshold: float,
                    input_size: int | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """
    Select detections by greedy NMS in every class, with the original's pixel convention.

    Boxes are compared in input pixels with sides of max - min + 1, and a box is suppressed at
    an overlap >= iou_threshold. All classes advance together, one kept box each per step.

    :param score_threshold: candidates of a class must exceed it.
    :param input_size: side of the network input [px] that relative boxes are scaled with, or
        (4,) its width, height, width, height.
    :returns: as of fast_nms.
    """
    if scores.numel() == 0:
        return _nothing(scores)
    overlaps = _pixel_iou(boxes * input_size)
    alive = scores > score_threshold                                          # (C, N)
    kept = torch.zeros_like(alive)
    while bool(alive.any()):
        best = scores.masked_fill(~alive, -1.0).argmax(1, keepdim=True)       # (C, 1)
        fresh = alive.gather(1, best)
        kept |= torch.zeros_like(alive).scatter_(1, best, fresh)
        suppressed = overlaps[best[:, 0]] >= iou_threshold
        alive &= ~(suppressed & fresh)
        alive.scatter_(1, best, False)
    class_ids, rows = kept.nonzero(as_tuple=True)
    return _best_first(rows, class_ids, scores[class_ids, rows])


def _pixel_iou(boxes: Tensor) -> Tensor:
    """Return the (N, N) overlap of boxes [px] whose sides count both end pixels."""
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    width, height = (high - low + 1).clamp(min=0).unbind(-1)
    overlap = width * height
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    areas = sides[:, 0] * sides[:, 1]
    return overlap / (areas[:, None] + areas[None, :] - overlap)


def _best_of_each(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """
    Return the best scores of each row and their columns, as a stable descending sort does.

    :returns: (C, K) each, K at most count.
    """
    if count < scores.shape[1]:
        # Sorting tens of thousands of scores to keep 200 costs more than all the rest of NMS.
        last = scores.topk(count, dim=1).values[:, -1:]
        rows, columns = (scores >= last).nonzero(as_tuple=True)
        # Equal scores at the cut leave more than count in a row: only the sort is right then.
        if len(rows) == count * len(scores):
            columns = columns.reshape(-1, count)
            best, order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
            return best, columns.gather(1, order)
    best, order = scores.sort(dim=1, descending=True, stable=True)
    return best[:, :count], order[:, :count]


def _best_first(rows: Tensor, class_ids: Tensor,
                scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sort detections by score."""
    scores, order = scores.sort(descending=True, stable=True)
    return rows[order], class_ids[order], scores


def _nothing(scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the result for no candidates or no classes."""
    indices = torch.zeros(0, dtype=torch.long, device=scores.device)
    return indices, indices.clone(), scores.new_zeros(0)
