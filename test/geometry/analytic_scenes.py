"""Scenes of one object before a wall whose every depth is known by formula."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from yolact_ros.structures import ImageSize, Instances

HEIGHT, WIDTH = 120, 160
K = np.array([[150.0, 0, 79.5], [0, 150.0, 59.5], [0, 0, 1]])
WALL = 6.0  # [m]


def rays() -> np.ndarray:
    """Return (H, W, 3) the point at 1 m of every pixel."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(u.shape)], axis=-1)


def plane(distance: float) -> np.ndarray:
    """Return the depth [m] of a tilted rectangle 0.3 wide and 0.2 high at 1 m, inf beside it."""
    tilt = np.radians(35)
    normal = np.array([np.sin(tilt), 0, np.cos(tilt)])
    z = normal[2] * distance / (rays() @ normal)
    points = rays() * z[..., None]
    along = np.array([np.cos(tilt), 0, -np.sin(tilt)])
    middle = np.array([0, 0, distance])
    inside = ((np.abs((points - middle) @ along) < 0.15 * distance)
              & (np.abs(points[..., 1]) < 0.1 * distance))
    return np.where(inside, z, np.inf)


def sphere(distance: float) -> np.ndarray:
    """Return the depth [m] of a sphere of a tenth of the distance, inf beside it."""
    centre, radius = np.array([0.1, -0.05, 1.0]) * distance, 0.1 * distance
    direction = rays()
    a, b = (direction ** 2).sum(-1), direction @ centre
    root = b ** 2 - a * (centre @ centre - radius ** 2)
    return np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def box(distance: float) -> np.ndarray:
    """Return the depth [m] of a box that shows three faces, inf beside it."""
    half = np.array([0.12, 0.08, 0.06]) * distance
    turn_y, turn_x = np.radians(40), np.radians(-30)
    about_y = np.array([[np.cos(turn_y), 0, np.sin(turn_y)], [0, 1, 0],
                        [-np.sin(turn_y), 0, np.cos(turn_y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(turn_x), -np.sin(turn_x)],
                        [0, np.sin(turn_x), np.cos(turn_x)]])
    rotation = about_x @ about_y
    origin = -(rotation.T @ np.array([0, 0, distance]))
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = 1 / (rays() @ rotation)
    near, far = (-half - origin) * inverse, (half - origin) * inverse
    enter, leave = np.minimum(near, far).max(-1), np.maximum(near, far).min(-1)
    return np.where(enter < leave, enter, np.inf)


SHAPES: dict[str, Callable[[float], np.ndarray]] = {'plane': plane, 'sphere': sphere, 'box': box}


def instances_of(*masks: np.ndarray) -> Instances:
    """Return the instances of full masks."""
    rois, crops = [], []
    for mask in masks:
        y, x = np.nonzero(mask)
        roi = (0, 0, 0, 0) if not len(x) else (x.min(), y.min(), x.max() + 1, y.max() + 1)
        rois.append(roi)
        crops.append(mask[roi[1]:roi[3], roi[0]:roi[2]])
    count = len(masks)
    rois = np.array(rois, np.int32).reshape(-1, 4)
    scores = np.linspace(1, 0.5, count).astype(np.float32)
    return Instances(ImageSize(*masks[0].shape), rois.astype(np.float32), scores, scores, scores,
                     np.zeros(count, np.int64), rois, tuple(crops))


def disturbed(z: np.ndarray, missing: float, flying: float, seed: int = 0) -> np.ndarray:
    """
    Return what a camera makes of the depth: unknown pixels, and mixed ones at the rim.

    :param missing: share of all pixels that are unknown.
    :param flying: share of the object's pixels, all at its rim, that lie before the wall instead.
    """
    generator = np.random.default_rng(seed)
    mask = np.isfinite(z)
    seen = np.where(mask, z, WALL)
    inner = mask.copy()
    rim: list[tuple[int, int]] = []
    while len(rim) < flying * mask.sum():
        padded = np.pad(inner, 1)
        smaller = (padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2]
                   & padded[1:-1, 2:])
        ring = np.argwhere(inner & ~smaller)
        rim += [tuple(place) for place in generator.permutation(ring)]
        inner = smaller
    for row, column in rim[:int(flying * mask.sum())]:
        seen[row, column] = generator.uniform(seen[row, column], WALL)
    seen[generator.random(z.shape) < missing] = np.nan
    return seen


def visible_centre(z: np.ndarray) -> np.ndarray:
    """Return (3,) the mean of all visible points, pixel by pixel."""
    total, count = [0.0, 0.0, 0.0], 0
    for row in range(z.shape[0]):
        for column in range(z.shape[1]):
            depth = float(z[row, column])
            if depth != np.inf:
                total[0] += (column - K[0, 2]) / K[0, 0] * depth
                total[1] += (row - K[1, 2]) / K[1, 1] * depth
                total[2] += depth
                count += 1
    return np.array(total) / count
