"""Which anchor learns which object (Liu et al. 2016, SSD, with YOLACT's forced matches)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from yolact_ros.data.sample import Targets
from yolact_ros.ops.boxes import box_area, box_intersection, box_iou, cxcywh_to_xyxy

BACKGROUND = 0
NEUTRAL = -1


@dataclass(frozen=True, eq=False)
class Matches:
    """
    What each of the P anchors of an image is to learn.

    :param labels: (P,) int64; class id + 1, BACKGROUND, or NEUTRAL (no loss).
    :param objects: (P,) int64, row among the image's non-crowd objects; meaningful where
        labels > 0.
    """

    labels: Tensor
    objects: Tensor


@torch.no_grad()
def match_anchors(priors: Tensor, targets: Targets, positive_iou: float = 0.5,
                  negative_iou: float = 0.4, crowd_overlap: float = 0.7) -> Matches:
    """
    Return what every anchor learns.

    Each anchor takes the object it overlaps best; from positive_iou on it is positive, below
    negative_iou background, between neutral. Each object also gets one anchor by force. Anchors
    that are not positive and lie in a crowd become neutral.

    :param priors: (P, 4) cx, cy, w, h relative.
    :param targets: boxes in the priors' dtype.
    :param crowd_overlap: share of the anchor's area inside a crowd box, above which it is neutral.
    """
    anchors = cxcywh_to_xyxy(priors)
    boxes, class_ids = targets.boxes[~targets.crowd], targets.class_ids[~targets.crowd]
    labels = torch.full((len(anchors),), BACKGROUND, device=priors.device)
    objects = torch.zeros_like(labels)
    if len(boxes):
        # Boxes without area give NaN against nothing but other such boxes; never let one match.
        overlaps = box_iou(boxes, anchors).nan_to_num_(0.0)    # (N, P)
        best, objects = overlaps.max(0)
        labels = class_ids[objects] + 1
        labels[best < positive_iou] = NEUTRAL
        labels[best < negative_iou] = BACKGROUND
        rows, columns = force_matches(overlaps)
        objects[columns] = rows
        labels[columns] = class_ids[rows] + 1
    crowds = targets.boxes[targets.crowd]
    if len(crowds):
        share = box_intersection(anchors, crowds) / box_area(anchors)[:, None]
        labels[(labels <= 0) & (share.amax(1) > crowd_overlap)] = NEUTRAL
    return Matches(labels, objects)


def force_matches(overlaps: Tensor) -> tuple[Tensor, Tensor]:
    """
    Give each object one anchor of its own: largest overlap first, then both leave.

    :param overlaps: (N, P) IoU with P >= N; overwritten.
    :returns: N rows and the N columns they were given.
    """
    best, column_of = overlaps.max(1)
    rows, columns = [], []
    for _ in range(min(overlaps.shape)):
        row = best.argmax()
        column = column_of[row].clone()
        overlaps[row] = -1
        overlaps[:, column] = -1
        best[row] = -1
        # Only objects that hoped for this anchor have to look again.
        stale = ((column_of == column) & (best >= 0)).nonzero().flatten()
        if len(stale):
            best[stale], column_of[stale] = overlaps[stale].max(1)
        rows.append(row)
        columns.append(column)
    return torch.stack(rows), torch.stack(columns)
