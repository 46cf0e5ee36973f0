"""Where the objects of an image are in space, from a depth image of the same camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from yolact_ros.geometry.boxes import smallest_boxes
from yolact_ros.structures import Instances

# Depth cameras mix object and background at the rim: so many pixels [px] are taken from it, if
# this share of the mask remains. A curved surface without its rim has its centre elsewhere.
EROSIONS = {2: 0.8, 1: 0.5}
SQUARES = {pixels: np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8) for pixels in EROSIONS}
MIN_POINTS = 10
MADS = 3.0
# A flat face seen straight on has no deviation at all, a depth camera's noise has. Even if a
# tenth of the points were wrong by three times this share, the centre moves by 0.3 % only.
LEAST_MAD_SHARE = 0.01
# So many points of an object give its median depth and its box, more only cost time. An odd
# number, whose median is one of them.
SAMPLES = 601
EVENLY = np.arange(SAMPLES) / SAMPLES
NEAREST, FARTHEST = 1e-6, 1e6  # [m]; unknown depths, which are 0, NaN or infinite, lie outside


@dataclass(frozen=True, eq=False)
class Places:
    """
    Where N objects are, in the camera's optical frame: x right, y down, z forward [m].

    Unknown places, those with too few points of known depth, are NaN with 0 points.

    :param positions: (N, 3) float64, robust centre of the visible surface, see lift().
    :param box_centers: (N, 3) float64, middle of the smallest box about the visible points.
    :param box_rotations: (N, 3, 3) float64, columns are the axes of the box; right-handed, of
        all ways to name the axes the one that is closest to the camera's own.
    :param box_sizes: (N, 3) float64, full lengths along these axes.
    :param points: (N,) int64, pixels of known and plausible depth that the place rests on.
    :param spreads: (N,) float64, median absolute deviation of the object's depths.
    :raises ValueError: when the shapes disagree.
    """

    positions: np.ndarray
    box_centers: np.ndarray
    box_rotations: np.ndarray
    box_sizes: np.ndarray
    points: np.ndarray
    spreads: np.ndarray

    def __post_init__(self) -> None:
        """Check that the rows of all fields belong together."""
        count = len(self.points)
        shapes = {'positions': (count, 3), 'box_centers': (count, 3),
                  'box_rotations': (count, 3, 3), 'box_sizes': (count, 3), 'points': (count,),
                  'spreads': (count,)}
        for name, shape in shapes.items():
            got = getattr(self, name).shape
            if got != shape:
                raise ValueError(f'{name} must be {shape} for {count} objects, got {got}')

    @classmethod
    def unknown(cls, count: int) -> Places:
        """Return the places of so many objects of which nothing is known."""
        def nan(*shape: int) -> np.ndarray:
            return np.full((count, *shape), np.nan)
        return cls(nan(3), nan(3), nan(3, 3), nan(3), np.zeros(count, np.int64), nan())

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.points)

    @property
    def known(self) -> np.ndarray:
        """(N,) bool, the objects whose place is known."""
        return self.points > 0

    @property
    def distances(self) -> np.ndarray:
        """(N,) float64, how far the positions are from the camera [m]; NaN where unknown."""
        return np.linalg.norm(self.positions, axis=1)

    @property
    def box_quaternions(self) -> np.ndarray:
        """(N, 4) float64 x, y, z, w of the boxes' rotations; NaN where unknown."""
        r = self.box_rotations
        # Rotations this close to none (see smallest_boxes) have a w well above 0.
        w = np.sqrt(1 + np.trace(r, axis1=1, axis2=2)) / 2
        turns = np.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0],
                          r[:, 1, 0] - r[:, 0, 1]], axis=1)
        return np.column_stack([turns / (4 * w[:, None]), w])


def lift(instances: Instances, depth_m: np.ndarray, K: np.ndarray) -> Places:  # noqa: N803
    """
    Return where the objects are that a depth image shows.

    The masks are eroded by up to two pixels, because depth cameras mix object and background
    at the rim; a small or thin mask, which would lose much by that, is eroded less or not.
    Depths farther from the object's median than three of its median absolute deviations (but
    at least 3 % of the distance) are left out. The position is the mean of the points behind
    all remaining pixels: the centre of the visible surface, every pixel counting alike. It
    lies in front of the middle of the body, and the box ends where the surface is out of sight.

    :param depth_m: (H, W) float [m], the size of the instances' image and pixel by pixel the
        same view; NaN, infinite, zero and negative values are unknown.
    :param K: (3, 3) intrinsic matrix [px] of that view; centres of pixels are whole numbers.
    :raises ValueError: when the sizes differ or K is no camera's; says the cure.
    """
    _check(instances, depth_m, K)
    depth_m = np.ascontiguousarray(depth_m, np.float32)
    rays = _Rays((np.arange(depth_m.shape[1]) - K[0, 2]) / K[0, 0],
                 (np.arange(depth_m.shape[0]) - K[1, 2]) / K[1, 1])
    places = Places.unknown(len(instances))
    found = [view for row, roi in enumerate(instances.rois.tolist())
             if (view := _look(row, roi, instances.crops[row], depth_m)) is not None]
    if found:
        _place(places, found, depth_m, rays)
    return places


@dataclass(frozen=True, eq=False)
class _Rays:
    """Directions of the pixels: x / z of every column (W,) and y / z of every row (H,)."""

    columns: np.ndarray
    rows: np.ndarray

    @property
    def pixel(self) -> float:
        """Width of a pixel at a distance of 1 m [m]."""
        return (self.columns[-1] - self.columns[0]) / max(len(self.columns) - 1, 1)


@dataclass(frozen=True, eq=False)
class _View:
    """
    One object's window of the depth image.

    :param row: the object's number.
    :param x0: first column of the window in the image.
    :param y0: first row of the window in the image.
    :param depth: (h, w) float32 [m].
    :param inner: (h, w) uint8, 1 inside of the eroded mask.
    :param eroded: pixels that were taken from the rim of the mask.
    :param stride: every so manieth row and column of the window is in the grid.
    :param sample: (SAMPLES,) int64 pixels of known depth, counted through the grid row by row.
    """

    row: int
    x0: int
    y0: int
    depth: np.ndarray
    inner: np.ndarray
    eroded: int
    stride: int
    sample: np.ndarray


def _look(row: int, roi: list[int], crop: np.ndarray, depth_m: np.ndarray) -> _View | None:
    """Return what the depth image shows of an object, None if that is too little."""
    x0, y0, x1, y1 = roi
    depth = depth_m[y0:y1, x0:x1]
    if not depth.size:
        return None
    inner, eroded, area = _eroded(crop)
    # A large object has points enough on a coarser grid, unless hardly any depth is known.
    stride = max(1, math.isqrt(area // (2 * SAMPLES)))
    known = _known(depth, inner, stride)
    if stride > 1 and len(known) < SAMPLES:
        known, stride = _known(depth, inner, 1), 1
    if len(known) < MIN_POINTS:
        return None
    chosen = (EVENLY * len(known)).astype(np.int64)  # few points come several times
    return _View(row, x0, y0, depth, inner, eroded, stride, known[chosen])


def _known(depth: np.ndarray, inner: np.ndarray, stride: int) -> np.ndarray:
    """Return the pixels of known depth in the grid, counted row by row."""
    grid = depth[::stride, ::stride]
    known = (grid >= NEAREST) & (grid <= FARTHEST) & inner[::stride, ::stride].view(bool)
    return np.flatnonzero(known)


def _pixels(views: list[_View]) -> tuple[np.ndarray, np.ndarray]:
    """Return y and x, (N, SAMPLES) each, of the samples in the image."""
    fields = [(view.x0, view.y0, view.stride, -(-view.depth.shape[1] // view.stride))
              for view in views]
    x0, y0, strides, widths = np.array(fields).T[..., None]
    y, x = np.divmod(np.array([view.sample for view in views]), widths)
    return y * strides + y0, x * strides + x0


def _place(places: Places, views: list[_View], depth_m: np.ndarray, rays: _Rays) -> None:
    """Fill in the rows of all objects that enough is known about."""
    rows = [view.row for view in views]
    y, x = _pixels(views)
    z = depth_m[y, x]
    medians = _medians(z)
    spreads = _medians(np.abs(z - medians))
    z, medians, spreads = (values.astype(np.float64) for values in (z, medians, spreads))
    reach = MADS * np.maximum(spreads, LEAST_MAD_SHARE * medians)
    low, high = np.maximum(medians - reach, NEAREST), medians + reach
    for view, nearest, farthest in zip(views, low[:, 0].tolist(), high[:, 0].tolist()):
        places.positions[view.row], places.points[view.row] = _mean_point(
            view, nearest, farthest, rays)
    places.spreads[rows] = spreads[:, 0]
    points = np.stack([rays.columns[x] * z, rays.rows[y] * z, z], axis=1)
    outliers = ((z < low) | (z > high))[:, None]
    points = np.where(outliers, places.positions[rows][:, :, None], points)
    # The eroded rim and half a pixel are visible, too.
    rims = np.array([view.eroded + 0.5 for view in views]) * rays.pixel * medians[:, 0]
    boxes = smallest_boxes(points, rims)
    places.box_centers[rows], places.box_rotations[rows] = boxes.centers, boxes.rotations
    places.box_sizes[rows] = boxes.sizes


def _medians(values: np.ndarray) -> np.ndarray:
    """Return (N, 1) the medians of the rows of (N, SAMPLES)."""
    return np.partition(values, SAMPLES // 2, axis=1)[:, SAMPLES // 2, None]


def _eroded(crop: np.ndarray) -> tuple[np.ndarray, int, int]:
    """
    Return the inner part of a mask, so far from its rim as a small mask can bear.

    :returns: (h, w) uint8, 1 inside; the pixels that were taken from its rim; its area.
    """
    mask = np.ascontiguousarray(crop).view(np.uint8)
    area = cv2.countNonZero(mask)
    for pixels, least in EROSIONS.items():
        inner = cv2.erode(mask, SQUARES[pixels], borderType=cv2.BORDER_CONSTANT, borderValue=0)
        left = cv2.countNonZero(inner)
        if left >= least * area:
            return inner, pixels, left
    return mask, 0, area


def _mean_point(view: _View, low: float, high: float, rays: _Rays) -> tuple[np.ndarray, int]:
    """Return the mean of the points of all pixels in a range of depth [m], and their number."""
    kept = cv2.bitwise_and(cv2.inRange(view.depth, low, high), view.inner)  # NaN is in no range
    depth = cv2.copyTo(view.depth, kept)  # 0 elsewhere, so that sums of columns and rows suffice
    by_column = cv2.reduce(depth, 0, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
    by_row = cv2.reduce(depth, 1, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
    count = cv2.countNonZero(kept)
    height, width = depth.shape
    return np.array([by_column @ rays.columns[view.x0:view.x0 + width],
                     by_row @ rays.rows[view.y0:view.y0 + height], by_row.sum()]) / count, count


def _check(instances: Instances, depth_m: np.ndarray, matrix: np.ndarray) -> None:
    """Refuse arguments that do not belong together."""
    size = instances.image_size
    if depth_m.shape != (size.height, size.width) or depth_m.dtype.kind != 'f':
        raise ValueError(
            f'depth must be ({size.height}, {size.width}) float [m] as the image is, got '
            f'{depth_m.shape} {depth_m.dtype}; see yolact_ros.geometry.depth to convert and scale')
    if np.shape(matrix) != (3, 3) or not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise ValueError('K must be (3, 3) with focal lengths above 0 [px], got '
                         f'{np.asarray(matrix).tolist()}; calibrate the camera')
