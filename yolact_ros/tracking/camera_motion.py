"""What all objects do at once: the image's shift and zoom, told by the objects alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yolact_ros.tracking.overlap import box_ious

LEAST_OBJECTS = 3     # two that move alike say nothing about the camera
BIN = 0.25            # of an object's size: displacements that differ less agree
FARTHEST = 4.0        # object sizes a sudden shift may span
SIMILAR_SIZE = 0.6    # smallest ratio of the sizes of one object in two images
MARGIN = 0.1          # of the objects: a shift must explain so many more than none does
ZOOM_OBJECTS = 6      # fewer that move on their own look like a zoom
AGREE = 0.15          # of an object's size: the camera's motion fits an object so well
LARGEST_ZOOM = 1.3    # between two images
ROUNDS = 8            # of the robust fit at most
_STEPS = np.arange(-int(FARTHEST / BIN) - 2, int(FARTHEST / BIN) + 3)
COMPLEX = np.array([1, 1j])
AWAY = np.hypot(_STEPS[:, None], _STEPS) / len(_STEPS)  # of every cell of votes from no shift


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
    if fewest < LEAST_OBJECTS or _in_place(before, after, alike, 0.8 * fewest):
        return STILL
    sizes_before, sizes_after = _sizes(before), _sizes(after)
    size = float(_median(sizes_after))
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


def _in_place(before: np.ndarray, after: np.ndarray, alike: np.ndarray, count: float) -> bool:
    """Return whether so many objects are where they were expected: then none need vote."""
    there = (box_ious(before, after) * alike > 0.5).any(axis=1)
    return int(np.count_nonzero(there)) >= count


def _densest(votes: np.ndarray, step: float) -> tuple[np.ndarray, int, int]:
    """Return the place (2,) most votes are near, how many, and how many are near zero."""
    reach = len(AWAY) // 2
    side = len(AWAY)
    cells = np.rint(votes / step).astype(int) + reach
    counts = np.bincount(cells @ (side, 1), minlength=side * side).reshape(side, side)
    near = counts.copy()  # of every cell and the eight around it
    near[1:] += counts[:-1]
    near[:-1] += counts[1:]
    rows = near.copy()
    near[:, 1:] += rows[:, :-1]
    near[:, :-1] += rows[:, 1:]
    # Of equal counts the cell with more votes of its own, then the smaller shift.
    best = divmod(int((near + 0.1 * counts - 0.01 * AWAY).argmax()), side)
    voters = votes[(np.abs(cells - best) <= 1).all(axis=1)]
    return np.median(voters, axis=0), int(near[best]), int(near[reach, reach])


def fit_motion(before: np.ndarray, after: np.ndarray, size: float) -> Motion:
    """
    Return the motion that most of the matched objects share, robust against those that move.

    Weighted least squares with Cauchy weights, repeated; no motion where fewer than 60 % of the
    objects agree.

    :param before: (M, 2) centres [px] where the objects were expected.
    :param after: (M, 2) centres [px] where they are.
    :param size: of a typical object [px].
    """
    if len(before) < LEAST_OBJECTS:
        return STILL
    x, y = before @ COMPLEX, after @ COMPLEX  # as complex numbers: few and cheap steps
    weights, last = np.full(len(x), 1 / len(x)), 0.0
    for _ in range(ROUNDS):
        scale, shift = _weighted_fit(x, y, weights, size)
        errors = np.abs(y - scale * x - shift)
        spread = max(1.48 * _median(errors), 0.5)
        if abs(spread - last) < 0.1 * spread:
            break
        last = spread
        weights = 1 / (1 + (errors / (2 * spread)) ** 2)
        weights /= weights.sum()
    agree = np.count_nonzero(errors < AGREE * size)
    if agree < max(LEAST_OBJECTS, 0.6 * len(x)):
        return STILL
    return Motion(scale, (float(shift.real), float(shift.imag)))


def _weighted_fit(before: np.ndarray, after: np.ndarray, weights: np.ndarray,
                  size: float) -> tuple[float, complex]:
    """Return the best scale, 1 where the objects are too close to tell, and shift (complex)."""
    middle, target = weights @ before, weights @ after
    scale = 1.0
    if len(before) >= ZOOM_OBJECTS:
        spokes = before - middle
        spread = float(weights @ (spokes.real ** 2 + spokes.imag ** 2))
        if spread > size ** 2:
            scale = float(((weights * spokes.conj()) @ (after - target)).real) / spread
            scale = min(max(scale, 1 / LARGEST_ZOOM), LARGEST_ZOOM)
    return scale, target - scale * middle


def _median(values: np.ndarray) -> float:
    """Return the upper median; np.median takes ten times as long for a few values."""
    return float(np.sort(values)[len(values) // 2])


def _centres(boxes: np.ndarray) -> np.ndarray:
    """Return (N, 2) x, y [px]."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _sizes(boxes: np.ndarray) -> np.ndarray:
    """Return (N,) root of the area [px], at least one."""
    return np.sqrt(np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1))
