"""
Who is who: tracks and detections brought together, every step an optimal assignment.

The order is that of ByteTrack (Zhang et al. 2022, section 3): sure detections first, then weak
ones for the tracks that are left. Masks decide where they meet; where they do not, an object of
the same class near the predicted way does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from yolact_ros.tracking.overlap import Shapes, box_ious, mask_ious

SAME_CLASS_IOU = 0.15   # smallest mask overlap that makes two the same object
OTHER_CLASS_IOU = 0.5   # the same for a detection of another class than its track
WEAK_IOU = 0.3          # the same for a weak detection
OTHER_CLASS_COST = 0.3
GAP_COST = 0.2          # for a track that was lost for max_gap: who was seen last goes first
REACH = 0.8             # of its size: how far beside its way an object may turn up at once
REACH_OF_LOST = 1.6     # ... after max_gap
SMALLEST_RATIO = 0.35   # of the sizes of an object before and after


@dataclass(frozen=True, eq=False)
class Side:
    """
    One side of the assignment: tracks as predicted, or detections.

    :param boxes: (N, 4) xyxy [px].
    :param shapes: masks; of an object without a single pixel the crop is empty.
    :param class_ids: (N,).
    """

    boxes: np.ndarray
    shapes: Shapes
    class_ids: np.ndarray


def overlaps(tracks: Side, found: Side) -> np.ndarray:
    """
    Return (T, N) mask IoU of all pairs, box IoU where one of the two has no mask.

    :param tracks: T predicted tracks.
    :param found: N detections.
    """
    ious = box_ious(tracks.boxes, found.boxes)
    masked = (tracks.shapes.areas > 0)[:, None] & (found.shapes.areas > 0)
    rows, columns = np.nonzero((ious > 0.02) & masked)
    ious[masked] = 0
    ious[rows, columns] = mask_ious(tracks.shapes, found.shapes, rows, columns)
    return ious


def nearness(found: np.ndarray, start: np.ndarray, end: np.ndarray, waited: np.ndarray
             ) -> np.ndarray:
    """
    Return (T, N) how near the detections are to the tracks' ways, 1 on it, 0 out of reach.

    :param found: (N, 4) boxes [px].
    :param start: (T, 2) where the objects were seen last, moved along with the camera [px].
    :param end: (T, 4) boxes where they would be had they gone on [px].
    :param waited: (T,) share of max_gap since they were seen.
    """
    centres, goals = (found[:, :2] + found[:, 2:]) / 2, (end[:, :2] + end[:, 2:]) / 2
    way = goals - start
    along = ((centres - start[:, None]) * way[:, None]).sum(axis=2)  # (T, N)
    share = np.clip(along / np.maximum((way ** 2).sum(axis=1), 1e-9)[:, None], 0, 1)
    aside = centres - (start[:, None] + share[:, :, None] * way[:, None])
    before, after = end[:, 2:] - end[:, :2], found[:, 2:] - found[:, :2]
    ratio = (np.minimum(before[:, None], after)
             / np.maximum(np.maximum(before[:, None], after), 1)).prod(axis=2)
    size = np.sqrt(np.maximum(before.prod(axis=1), 1))
    reach = size * (REACH + (REACH_OF_LOST - REACH) * np.minimum(waited, 1))
    near = 1 - np.hypot(aside[..., 0], aside[..., 1]) / reach[:, None]
    return np.where(ratio >= SMALLEST_RATIO, near, 0).clip(min=0)


def mask_values(ious: np.ndarray, same: np.ndarray, waited: np.ndarray, least: float
                ) -> np.ndarray:
    """Return (T, N) what a match by masks is worth, 0 where it is not allowed."""
    allowed = ious >= np.where(same, least, OTHER_CLASS_IOU)
    worth = 1 + ious - np.where(same, 0, OTHER_CLASS_COST) - GAP_COST * waited[:, None]
    return np.where(allowed, worth, 0)


def assign(values: np.ndarray, rows: np.ndarray, columns: np.ndarray
           ) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the pairs of the assignment of most value among chosen rows and columns.

    :param values: (T, N), 0 for pairs that must not be.
    :param rows: indices of tracks that are free.
    :param columns: indices of detections that are free.
    :returns: tracks (M,), detections (M,).
    """
    part = values[np.ix_(rows, columns)]
    if not part.any():
        return np.zeros(0, int), np.zeros(0, int)
    first, second = linear_sum_assignment(part, maximize=True)
    good = part[first, second] > 0
    return rows[first[good]], columns[second[good]]
