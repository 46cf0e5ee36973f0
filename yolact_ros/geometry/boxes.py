"""The smallest boxes about points in space, from a few candidates along principal axes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import cv2
import numpy as np

THINNEST = 1e-3  # [m]; flat things differ in their outline, not in their noise


@dataclass(frozen=True, eq=False)
class Boxes:
    """
    N boxes in space.

    :param centers: (N, 3) [m].
    :param rotations: (N, 3, 3), columns are the axes of the box, right-handed.
    :param sizes: (N, 3) full lengths along these axes [m].
    """

    centers: np.ndarray
    rotations: np.ndarray
    sizes: np.ndarray


def smallest_boxes(points: np.ndarray, margins: np.ndarray) -> Boxes:
    """
    Return for each object the smallest box that has a principal axis of its points as an axis.

    About each principal axis the box turns to the smallest rectangle around the points seen
    along it, so that a square, whose principal axes say nothing, gets its own edges.

    :param points: (N, 3, M) float64 [m], points of N objects, M at least 1.
    :param margins: (N,) how far the surface goes on around the points, across the line of
        sight [m].
    """
    middles = points.mean(axis=2)
    centred = points - middles[:, :, None]
    principal = np.linalg.eigh(centred @ centred.transpose(0, 2, 1))[1]
    rotations = _upright(_smallest(_outermost(centred), principal))
    along = rotations.transpose(0, 2, 1) @ centred
    low, high = along.min(axis=2), along.max(axis=2)
    sight = middles / np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), THINNEST)
    across = np.sqrt(np.clip(1 - (sight[:, None] @ rotations)[:, 0] ** 2, 0, 1))
    centers = middles + (rotations @ ((low + high) / 2)[..., None])[..., 0]
    return Boxes(centers, rotations, high - low + 2 * margins[:, None] * across)


def _outermost(centred: np.ndarray) -> np.ndarray:
    """Return (N, 3, K) the points that lie farthest out in one of many directions."""
    along = DIRECTIONS @ centred.astype(np.float32)  # (N, D, M)
    rows = np.concatenate([along.argmin(axis=2), along.argmax(axis=2)], axis=1)
    return np.take_along_axis(centred, rows[:, None], axis=2)


def _smallest(points: np.ndarray, principal: np.ndarray) -> np.ndarray:
    """
    Return (N, 3, 3) the axes of the smallest box that shares an axis with the principal ones.

    :param points: (N, 3, K).
    :param principal: (N, 3, 3), columns are the axes.
    """
    candidates = np.stack([_turned(points, principal[:, :, order])
                           for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))])
    along = candidates.swapaxes(2, 3) @ points  # (3, N, 3, K)
    sizes = np.maximum(along.max(axis=3) - along.min(axis=3), THINNEST)
    best = sizes.prod(axis=2).argmin(axis=0)
    return candidates[best, np.arange(len(points))]


def _turned(points: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return (N, 3, 3) the frames, turned about their third axis to the smallest rectangle."""
    seen = np.ascontiguousarray(points.swapaxes(1, 2) @ frames[:, :, :2], np.float32)
    angles = np.radians([cv2.minAreaRect(one)[2] for one in seen])
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    first, second, third = np.moveaxis(frames, 2, 0)
    return np.stack([cos * first + sin * second, cos * second - sin * first, third], axis=2)


def _directions(count: int) -> np.ndarray:
    """Return (count, 3) float32 unit vectors all over one half of the sphere, on a spiral."""
    z = (np.arange(count) + 0.5) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    across = np.sqrt(1 - z ** 2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), z], 1).astype(np.float32)


def _turns() -> np.ndarray:
    """Return (24, 3, 3), every way to rename and turn round three axes, right-handed."""
    turns = np.array([np.eye(3)[list(order)] * signs for order in permutations(range(3))
                      for signs in product((1, -1), repeat=3)])
    return turns[np.linalg.det(turns) > 0]


TURNS = _turns()
DIRECTIONS = _directions(48)


def _upright(rotations: np.ndarray) -> np.ndarray:
    """Return the same axes, right-handed, so named that they are closest to the camera's."""
    rotations = rotations * np.linalg.det(rotations).round()[:, None, None]
    traces = np.einsum('nij,tji->nt', rotations, TURNS)
    return rotations @ TURNS[traces.argmax(axis=1)]
