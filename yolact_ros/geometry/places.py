"""Where the objects of an image are in space, from a depth image of the same camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from yolact_ros.geometry.boxes import smallest_boxes
from yolact_ros.structures import Instances

# Depth cameras mix object and background at the rim: so many pixels [px] are taken from it, if
# this share of the mask remains. A curved surface without its rim has its centre elsewhere.
EROSIONS = {2: 0.8, 1: 0.5}
MIN_POINTS = 10
MADS = 3.0
# A flat face seen straight on has no deviation at all, a depth camera's noise has. Even if a
# tenth of the points were wrong by three times this share, the centre moves by 0.3 % only.
LEAST_MAD_SHARE = 0.01
# So many points of an object give its median depth and its box, more only cost time.
SAMPLES = 600
EVENLY = np.arange(SAMPLES)
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
    found = [view for row in range(len(instances))
             if (view := _look(instances, row, depth_m)) is not None]
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
    :param window: rows and columns of the image.
    :param depth: (h, w) float32 [m].
    :param inner: (h, w) uint8, 1 inside of the eroded mask.
    :param eroded: pixels that were taken from the rim of the mask.
    :param sample: (2, SAMPLES) y, x of pixels of known depth, in the image.
    """

    row: int
    window: tuple[slice, slice]
    depth: np.ndarray
    inner: np.ndarray
    eroded: int
    sample: np.ndarray


def _look(instances: Instances, row: int, depth_m: np.ndarray) -> _View | None:
    """Return what the depth image shows of an object, None if that is too little."""
    x0, y0, x1, y1 = instances.rois[row].tolist()
    window = np.s_[y0:y1, x0:x1]
    depth = depth_m[window]
    if not depth.size:
        return None
    inner, eroded = _eroded(instances.crops[row])
    known = cv2.bitwise_and(cv2.inRange(depth, NEAREST, FARTHEST), inner).view(bool)
    known = np.flatnonzero(known)  # of bool is three times as fast as of uint8
    if len(known) < MIN_POINTS:
        return None
    chosen = known[EVENLY * len(known) // SAMPLES]  # few points come several times
    y, x = np.divmod(chosen, x1 - x0)
    return _View(row, window, depth, inner, eroded, np.stack([y + y0, x + x0]))


def _place(places: Places, views: list[_View], depth_m: np.ndarray, rays: _Rays) -> None:
    """Fill in the rows of all objects that enough is known about."""
    rows = [view.row for view in views]
    y, x = np.stack([view.sample for view in views], axis=1)  # (N, SAMPLES) each
    z = depth_m[y, x]
    medians = np.median(z, axis=1, keepdims=True)
    spreads = np.median(np.abs(z - medians), axis=1, keepdims=True)
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


def _eroded(crop: np.ndarray) -> tuple[np.ndarray, int]:
    """
    Return the inner part of a mask, so far from its rim as a small mask can bear.

    :returns: (h, w) uint8, 1 inside, and the number of pixels that were taken from its rim.
    """
    mask = np.ascontiguousarray(crop).view(np.uint8)
    if not mask.size:
        return mask, 0
    area = cv2.countNonZero(mask)
    for pixels, least in EROSIONS.items():
        square = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
        inner = cv2.erode(mask, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        if cv2.countNonZero(inner) >= least * area:
            return inner, pixels
    return mask, 0


def _mean_point(view: _View, low: float, high: float, rays: _Rays) -> tuple[np.ndarray, int]:
    """Return the mean of the points of all pixels in a range of depth [m], and their number."""
    kept = cv2.bitwise_and(cv2.inRange(view.depth, low, high), view.inner)  # NaN is in no range
    depth = cv2.copyTo(view.depth, kept)  # 0 elsewhere, so that sums of columns and rows suffice
    by_column = cv2.reduce(depth, 0, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
    by_row = cv2.reduce(depth, 1, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
    count = cv2.countNonZero(kept)
    rows, columns = view.window
    return np.array([by_column @ rays.columns[columns], by_row @ rays.rows[rows],
                     by_row.sum()]) / count, count


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
