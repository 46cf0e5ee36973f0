"""
Who is who: tracks and detections brought together, every step an optimal assignment.

The order is that of ByteTrack (Zhang et al. 2022, section 3): sure detections first, then weak
ones for the tracks that are left. Masks decide where they meet; where they do not, an object of
the same class near the predicted way does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from yolact_ros.tracking.overlap import Shapes, box_ious, mask_ious, shared_areas

SAME_CLASS_IOU = 0.15   # smallest mask overlap that makes two the same object
OTHER_CLASS_IOU = 0.5   # the same for a detection of another class than its track
WEAK_IOU = 0.3          # the same for a weak detection
OTHER_CLASS_COST = 0.3
GAP_COST = 0.2          # for a track that was lost for max_gap: who was seen last goes first
REACH = 0.7             # of its longer side: how far beside its way an object may turn up at once
REACH_PER_GAP = 5.0     # ... for every max_gap that passed
FARTHEST_REACH = 2.0
SMALLEST_RATIO = 0.35   # of the sizes of an object before and after
COMPLEX = np.array([1, 1j])
MIDDLE = np.array([0.5, 0.5j, 0.5, 0.5j])  # of a box, as a complex number


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


def overlaps(tracks: Side, found: Side, same: np.ndarray) -> np.ndarray:
    """
    Return (T, N) mask IoU of all pairs that may match by it, box IoU where one has no mask.

    No two masks share more than their boxes do, nor more than the smaller one has: pairs that
    could not reach the IoU they need are 0 without being looked at.

    :param tracks: T predicted tracks.
    :param found: N detections.
    :param same: (T, N) bool, whether they are of one class.
    """
    areas, others = tracks.shapes.areas[:, None], found.shapes.areas
    most = np.minimum(shared_areas(tracks.shapes.rois, found.shapes.rois),
                      np.minimum(areas, others))
    needed = np.where(same, SAME_CLASS_IOU, OTHER_CLASS_IOU)
    rows, columns = np.nonzero((most > 0) & (most >= needed * (areas + others - most)))
    masked = (areas > 0) & (others > 0)
    ious = (np.zeros(masked.shape) if masked.all()
            else np.where(masked, 0, box_ious(tracks.boxes, found.boxes)))
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
    goals, points = end @ MIDDLE, found @ MIDDLE  # complex numbers: few and cheap steps
    origins = start @ COMPLEX
    way = goals - origins
    beyond = points - origins[:, None]  # (T, N)
    along = (beyond * way.conj()[:, None]).real / np.maximum(np.abs(way) ** 2, 1e-9)[:, None]
    aside = np.abs(beyond - np.minimum(np.maximum(along, 0), 1) * way[:, None])
    before, after = end[:, 2:] - end[:, :2], found[:, 2:] - found[:, :2]
    sides = np.minimum(before[:, None], after) / np.maximum(np.maximum(before[:, None], after), 1)
    size = np.maximum(before[:, 0], before[:, 1])
    reach = size * np.minimum(REACH + REACH_PER_GAP * waited, FARTHEST_REACH)
    near = np.maximum(1 - aside / reach[:, None], 0)
    alike = sides[..., 0] * sides[..., 1]
    return np.where(alike >= SMALLEST_RATIO, near * alike, 0)


def _mask_values(ious: np.ndarray, same: np.ndarray, waited: np.ndarray, least: float
                 ) -> np.ndarray:
    """Return (T, N) what a match by masks is worth, 0 where it is not allowed."""
    worth = 1 + ious - OTHER_CLASS_COST * ~same - GAP_COST * waited[:, None]
    return worth * (ious >= np.where(same, least, OTHER_CLASS_IOU))


def associate(tracks: Side, found: Side, strong: np.ndarray, sure: np.ndarray,
              starts: np.ndarray, waited: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return which tracks (M,) are which detections (M,).

    :param tracks: T predicted tracks.
    :param found: N detections.
    :param strong: (N,) bool, whether a detection may also match by nearness alone.
    :param sure: (T,) bool, tracks with a number: they choose before those seen only once.
    :param starts: (T, 2) where the objects were seen last, moved along with the camera [px].
    :param waited: (T,) share of max_gap since they were seen.
    """
    same = tracks.class_ids[:, None] == found.class_ids
    ious = overlaps(tracks, found, same)

    def by_masks(least: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return lambda rows, columns: _mask_values(
            ious[rows[:, None], columns], same[rows[:, None], columns], waited[rows], least)

    def by_nearness(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        near = nearness(found.boxes[columns], starts[rows], tracks.boxes[rows], waited[rows])
        return near * same[rows[:, None], columns]

    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    free, open_ = np.ones(len(waited), bool), np.ones(len(strong), bool)
    for values, who, wanted in (
            (by_masks(SAME_CLASS_IOU), sure, strong), (by_nearness, sure, strong),
            (by_masks(WEAK_IOU), sure, ~strong), (by_masks(SAME_CLASS_IOU), ~sure, strong),
            (by_nearness, ~sure, strong)):
        rows, columns = np.flatnonzero(free & who), np.flatnonzero(open_ & wanted)
        if len(rows) and len(columns):
            first, second = _assign(values(rows, columns))
            pairs.append((rows[first], columns[second]))
            free[pairs[-1][0]] = False
            open_[pairs[-1][1]] = False
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows, columns = (np.concatenate(part) for part in zip(*pairs))
    return rows, columns


def _assign(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the assignment of most value, pairs worth nothing left out."""
    rows, columns = linear_sum_assignment(values, maximize=True)
    good = values[rows, columns] > 0
    return rows[good], columns[good]
