"""Outlines that several shapes are made of, and the frames that go with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from yolact_ros.scenes.painter import Material

BELOW, ABOVE = (0.0, np.pi), (np.pi, 2 * np.pi)     # arcs of an ellipse, y pointing down


@dataclass(frozen=True)
class View:
    """
    How the camera sees an object.

    :param elevation: angle between view and table [rad].
    :param yaw: the object's turn about the vertical [rad].
    :param steep: the camera looks down, so that bottles lie.
    """

    elevation: float
    yaw: float
    steep: bool = False

    @property
    def rise(self) -> float:
        """How long one unit of height looks."""
        return float(np.cos(self.elevation))

    @property
    def depth(self) -> float:
        """How long one unit of table, away from the camera, looks."""
        return float(np.sin(self.elevation))


@dataclass(frozen=True)
class Look:
    """An object's materials: body, and the parts that differ from it."""

    body: Material
    accent: Material
    label: Material


def arc(center: tuple[float, float], semi: tuple[float, float],
        span: tuple[float, float] = (0.0, 2 * np.pi), points: int = 36) -> np.ndarray:
    """Return points (K, 2) on an ellipse; angles grow from +x towards +y (down)."""
    return _unit_arc(float(span[0]), float(span[1]), points) * semi + center


@lru_cache(maxsize=256)
def _unit_arc(start: float, end: float, points: int) -> np.ndarray:
    """Return points (K, 2) on the unit circle, to be read only."""
    angles = np.linspace(start, end, points)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    circle.setflags(write=False)
    return circle


def box_frame(center: tuple[float, float], half: tuple[float, float],
              turn: float = 0.0) -> np.ndarray:
    """Return the (2, 3) map that sends a turned rectangle to [-1, 1] x [-1, 1]."""
    cos, sin = math.cos(turn), math.sin(turn)
    x, y = center
    return np.array([[cos / half[0], sin / half[0], -(cos * x + sin * y) / half[0]],
                     [-sin / half[1], cos / half[1], (sin * x - cos * y) / half[1]]])


def corner_frame(corner: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return the (2, 3) map that sends the parallelogram from corner to [-1, 1] x [-1, 1]."""
    area = along[0] * across[1] - along[1] * across[0]
    # A face seen from its edge has no area; any frame will do for the nothing it shows.
    area = area if abs(area) > 1e-6 else 1e-6
    linear = 2 / area * np.array([[across[1], -across[0]], [-along[1], along[0]]])
    return np.column_stack([linear, -linear @ corner - 1])


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """Return points (K, 2) turned about the origin."""
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def lying(points: np.ndarray, view: View) -> np.ndarray:
    """Return how points (K, 2) of a flat thing on the table look: turned, then foreshortened."""
    return turned(points, view.yaw) * (1, max(view.depth, 0.6))


def lying_frame(frame: np.ndarray, view: View) -> np.ndarray:
    """Return the frame of a flat thing on the table, given its frame before lying()."""
    cos, sin = np.cos(view.yaw), np.sin(view.yaw)
    back = np.array([[cos, sin], [-sin, cos]]) / (1, max(view.depth, 0.6))
    return np.column_stack([frame[:, :2] @ back, frame[:, 2]])


def wall(bottom: float, top: float, bottom_y: float, top_y: float, depth: float) -> np.ndarray:
    """
    Return the outline of an upright tapered cylinder.

    :param bottom: radius at the foot; top: radius at the upper rim.
    :param bottom_y: y of the foot's centre; top_y: of the rim's.
    :param depth: height by width of the circles as they are seen.
    """
    return np.concatenate([arc((0, bottom_y), (bottom, bottom * depth), BELOW),
                           arc((0, top_y), (top, top * depth), ABOVE)])
