"""What all objects do at once: the image's shift and zoom, told by the objects alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_OBJECTS = 3     # two that move alike say nothing about the camera
BIN = 0.25            # of an object's size: displacements that differ less agree
FARTHEST = 3.0        # object sizes a sudden shift may span
SIMILAR_SIZE = 0.6    # smallest ratio of the sizes of one object in two images
MARGIN = 0.1          # of the objects: a shift must explain so many more than none does
LARGEST_ZOOM = 1.3    # between two images
ROUNDS = 5            # of the robust fit


@dataclass(frozen=True)
class Motion:
    """
    The image at one time as a shifted and scaled image of the time before: x' = scale x + shift.

    :param scale: about the origin of coordinates.
    :param shift: x, y [px].
    """

    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    def move(self, points: np.ndarray) -> np.ndarray:
        """Return where (N, 2) points [px] have gone."""
        return self.scale * points + self.shift

    def then(self, later: Motion) -> Motion:
        """Return this motion followed by another one."""
        x, y = self.shift
        return Motion(self.scale * later.scale,
                      (later.scale * x + later.shift[0], later.scale * y + later.shift[1]))

    def times(self, factor: float) -> Motion:
        """Return this motion going on for `factor` times as long; small motions add up."""
        return Motion(self.scale ** factor, (self.shift[0] * factor, self.shift[1] * factor))


STILL = Motion()


def common_shift(before: np.ndarray, after: np.ndarray, alike: np.ndarray) -> Motion:
    """
    Return the shift that brings most objects onto one of their class and size.

    Every pair votes for its displacement. That finds the way of a camera that turned by more than
    an object between two images, without knowing yet which object is which. Where no shift
    explains half of the objects, or hardly more of them than standing still, it is none.

    :param before: (T, 4) boxes where the objects are expected [px].
    :param after: (N, 4) boxes found [px].
    :param alike: (T, N) bool, pairs that can be the same object.
    """
    fewest = min(len(before), len(after))
    if fewest < LEAST_OBJECTS:
        return STILL
    sizes_before, sizes_after = _sizes(before), _sizes(after)
    size = float(np.median(sizes_after))
    ratio = sizes_before[:, None] / sizes_after
    moved = _centres(after) - _centres(before)[:, None]  # (T, N, 2)
    pairs = (alike & (ratio > SIMILAR_SIZE) & (ratio < 1 / SIMILAR_SIZE)
             & (np.abs(moved) < FARTHEST * size).all(axis=2))
    votes = moved[pairs]
    if len(votes) < LEAST_OBJECTS:
        return STILL
    place, count, standing = _densest(votes, BIN * size)
    if count < max(LEAST_OBJECTS, 0.5 * fewest) or count < standing + MARGIN * fewest + 1:
        return STILL
    return Motion(shift=tuple(place.tolist()))


def _densest(votes: np.ndarray, step: float) -> tuple[np.ndarray, int, int]:
    """Return the place (2,) most votes are near, how many, and how many are near zero."""
    reach = int(FARTHEST / BIN) + 2
    side = 2 * reach + 1
    cells = np.rint(votes / step).astype(int) + reach
    counts = np.bincount(cells @ (side, 1), minlength=side * side).reshape(side, side)
    padded = np.pad(counts, 1)
    near = sum(padded[1 + i:side + 1 + i, 1 + j:side + 1 + j]
               for i in (-1, 0, 1) for j in (-1, 0, 1))  # (side, side), 3 x 3 cells
    away = np.hypot(*np.mgrid[-reach:reach + 1, -reach:reach + 1])
    # Of equal counts the cell with more votes of its own, then the smaller shift.
    best = np.unravel_index((near + 0.1 * counts - 0.01 * away / reach).argmax(), near.shape)
    voters = votes[(np.abs(cells - best) <= 1).all(axis=1)]
    return np.median(voters, axis=0), int(near[best]), int(near[reach, reach])


def fit_motion(before: np.ndarray, after: np.ndarray, size: float) -> Motion:
    """
    Return the motion that most of the matched objects share, robust against those that move.

    Weighted least squares with Cauchy weights, repeated; no motion where fewer than half of the
    objects agree within a quarter of an object.

    :param before: (M, 2) centres [px] where the objects were expected.
    :param after: (M, 2) centres [px] where they are.
    :param size: of a typical object [px].
    """
    if len(before) < LEAST_OBJECTS:
        return STILL
    weights, motion = np.ones(len(before)), STILL
    for _ in range(ROUNDS):
        motion = _weighted_fit(before, after, weights, size)
        errors = np.hypot(*(after - motion.move(before)).T)
        spread = max(1.48 * float(np.median(errors)), 0.5)
        weights = 1 / (1 + (errors / (2 * spread)) ** 2)
    agree = np.count_nonzero(errors < 0.25 * size)
    return motion if agree >= max(LEAST_OBJECTS, 0.5 * len(before)) else STILL


def _weighted_fit(before: np.ndarray, after: np.ndarray, weights: np.ndarray,
                  size: float) -> Motion:
    """Return the best shift and, where the objects are spread out enough to tell, scale."""
    share = weights / weights.sum()
    middle, target = share @ before, share @ after
    spokes = before - middle
    spread = share @ (spokes ** 2).sum(axis=1)
    scale = 1.0
    if len(before) > LEAST_OBJECTS and spread > size ** 2:
        scale = float(share @ (spokes * (after - target)).sum(axis=1) / spread)
        scale = min(max(scale, 1 / LARGEST_ZOOM), LARGEST_ZOOM)
    return Motion(scale, tuple((target - scale * middle).tolist()))


def _centres(boxes: np.ndarray) -> np.ndarray:
    """Return (N, 2) x, y [px]."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _sizes(boxes: np.ndarray) -> np.ndarray:
    """Return (N,) root of the area [px], at least one."""
    return np.sqrt(np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1))
