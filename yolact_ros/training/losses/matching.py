"""Which anchor learns which object (Liu et al. 2016, SSD, with YOLACT's forced matches)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from yolact_ros.ops.boxes import box_area, box_intersection, box_iou, cxcywh_to_xyxy
from yolact_ros.training.losses.batch_objects import BatchObjects

BACKGROUND = 0
NEUTRAL = -1
# Pairs of object and anchor that are compared at once: a crowded batch has tens of millions.
PAIRS_TOGETHER = 2 ** 24


@dataclass(frozen=True, eq=False)
class Matches:
    """
    What each of the P anchors of B images is to learn.

    :param labels: (B, P) int64; class id + 1, BACKGROUND, or NEUTRAL (no loss).
    :param objects: (B, P) int64, row among the objects of the batch; meaningful where
        labels > 0.
    """

    labels: Tensor
    objects: Tensor


@torch.no_grad()
def match_anchors(priors: Tensor, objects: BatchObjects, positive_iou: float = 0.5,
                  negative_iou: float = 0.4, crowd_overlap: float = 0.7) -> Matches:
    """
    Return what every anchor learns.

    Each anchor takes the object it overlaps best; from positive_iou on it is positive, below
    negative_iou background, between neutral. Each object also gets one anchor by force. Anchors
    that are not positive and lie in a crowd become neutral.

    :param priors: (P, 4) cx, cy, w, h relative.
    :param objects: boxes in the priors' dtype.
    :param crowd_overlap: share of the anchor's area inside a crowd box, above which it is neutral.
    """
    anchors = cxcywh_to_xyxy(priors)
    overlaps = overlap_table(objects.boxes, anchors)
    best = priors.new_full((len(objects.counts), len(priors)), -1.0)
    rows = torch.zeros(best.shape, dtype=torch.int64, device=priors.device)
    labels = torch.full_like(rows, BACKGROUND)
    start = 0
    for image, table in enumerate(overlaps.split(objects.counts)):
        if len(table):
            torch.max(table, 0, out=(best[image], rows[image]))
            rows[image] += start
            start += len(table)
    if start:
        labels = objects.class_ids[rows] + 1
        labels[best < positive_iou] = NEUTRAL
        labels[best < negative_iou] = BACKGROUND
        given = force_matches(overlaps, objects.counts).to(priors.device)
        rows[objects.images, given] = torch.arange(start, device=priors.device)
        labels[objects.images, given] = objects.class_ids + 1
    for image, crowds in objects.crowds.items():
        share = box_intersection(anchors, crowds) / box_area(anchors)[:, None]
        labels[image, (labels[image] <= 0) & (share.amax(1) > crowd_overlap)] = NEUTRAL
    return Matches(labels, rows)


def overlap_table(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return (N, P) IoU of boxes and anchors; 0 where neither has an area."""
    together = max(PAIRS_TOGETHER // len(anchors), 1)
    # Boxes without area give NaN against nothing but other such boxes; never let one match.
    return torch.cat([box_iou(part, anchors).nan_to_num_(0.0) for part in boxes.split(together)])


def force_matches(overlaps: Tensor, counts: Sequence[int]) -> Tensor:
    """
    Give each object one anchor of its own: largest overlap first, then both leave.

    The few numbers that decide come to the host at once: asking a GPU object by object took
    longer than the network.

    :param overlaps: (N, P) IoU.
    :param counts: how many of the N rows belong to each image, at most P.
    :returns: (N,) int64 on the host, the anchor of every object.
    """
    top = overlaps.max(1)
    best, anchor_of = top.values.cpu().numpy(), top.indices.cpu().numpy()
    start = 0
    for count in counts:
        own = slice(start, start + count)
        _settle(overlaps[own], best[own], anchor_of[own])
        start += count
    return torch.from_numpy(anchor_of)


def _settle(table: Tensor, best: np.ndarray, anchor_of: np.ndarray) -> None:
    """
    Let objects that hope for one anchor have different ones, in place.

    :param best: (N,) largest overlap of every object; it is used up.
    :param anchor_of: (N,) the anchor with it.
    """
    taken: list[int] = []
    for _ in range(len(table)):
        row = int(best.argmax())
        taken.append(int(anchor_of[row]))
        best[row] = -np.inf
        # Only objects that hoped for this anchor have to look again.
        for other in np.flatnonzero((anchor_of == taken[-1]) & (best >= 0)):
            left = table[int(other)].cpu().numpy().copy()
            left[taken] = -1
            anchor_of[other] = left.argmax()
            best[other] = left[anchor_of[other]]
