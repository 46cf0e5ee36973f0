"""How much objects of two images cover each other: by boxes, and by masks on their crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SAMPLES = 32  # a shared window is looked at in at most about so many rows and columns


@dataclass(frozen=True, eq=False)
class Shapes:
    """
    Masks as crops somewhere in the plane, also partly outside of the image.

    :param rois: (N, 4) int x0, y0, x1, y1 [px], half-open.
    :param crops: N boolean arrays that fill their rois.
    :param areas: (N,) mask pixels.
    """

    rois: np.ndarray
    crops: Sequence[np.ndarray]
    areas: np.ndarray


def box_ious(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """
    Return the IoU of every box of a with every box of b; boxes without area meet nothing.

    :param a: (A, 4) xyxy [px].
    :param b: (B, 4) xyxy [px].
    :returns: (A, B) float64 in [0, 1].
    """
    shared = shared_areas(a, b)
    return shared / np.maximum(box_areas(a)[:, None] + box_areas(b) - shared, 1e-9)


def shared_areas(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (A, B) [px^2], the area every box of a (A, 4) shares with every box of b (B, 4)."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    sides = np.maximum(high - low, 0)
    return sides[..., 0] * sides[..., 1]


def box_areas(boxes: np.ndarray) -> np.ndarray:
    """Return (N,) areas [px^2]."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def mask_ious(a: Shapes, b: Shapes, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """
    Return the IoU of chosen pairs of masks.

    Only the window that both rois share is read, and of a large one every k-th row and column: a
    pair costs a few microseconds at any size of image or object.

    :param rows: (P,) int, of a.
    :param columns: (P,) int, of b.
    :returns: (P,) float64 in [0, 1], exact for windows of less than 2 * SAMPLES rows and columns.
    """
    first, second = a.rois[rows], b.rois[columns]
    low, high = np.maximum(first, second), np.minimum(first, second)
    windows = np.concatenate([low[:, :2], high[:, 2:]], axis=1)
    shared = np.zeros(len(rows))
    meeting = np.flatnonzero((windows[:, 2:] > windows[:, :2]).all(axis=1)).tolist()
    corners, others = first[:, :2].tolist(), second[:, :2].tolist()
    rows, columns, windows = rows.tolist(), columns.tolist(), windows.tolist()
    for pair in meeting:
        shared[pair] = _shared(a.crops[rows[pair]], corners[pair],
                               b.crops[columns[pair]], others[pair], windows[pair])
    union = a.areas[rows] + b.areas[columns] - shared
    return np.minimum(shared / np.maximum(union, 1), 1)


def _shared(a: np.ndarray, corner_a: list[int], b: np.ndarray, corner_b: list[int],
            window: list[int]) -> float:
    """Return the number of pixels that two crops share, by samples where the window is large."""
    x0, y0, x1, y1 = window
    across, down = max(1, (x1 - x0) // SAMPLES), max(1, (y1 - y0) // SAMPLES)
    (ax, ay), (bx, by) = corner_a, corner_b
    both = (a[y0 - ay:y1 - ay:down, x0 - ax:x1 - ax:across]
            & b[y0 - by:y1 - by:down, x0 - bx:x1 - bx:across])
    if across == down == 1:
        return float(np.count_nonzero(both))
    return float(np.count_nonzero(both) * (x1 - x0) * (y1 - y0) / both.size)
