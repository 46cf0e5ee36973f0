"""A pinhole camera above a table: where a spot of the table is in the image, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class TableCamera:
    """
    A pinhole camera that looks at a table.

    Camera frame as in ROS optical frames: x right, y down, z forward [m]. Table coordinates:
    x right and y away from the camera [m], the origin is where the optical axis meets the table.

    :param height: image height [px].
    :param width: image width [px].
    :param elevation: angle between view and table [rad]; pi / 2 looks straight down.
    :param distance: from the camera to the table along the optical axis [m].
    :param roll: turn about the optical axis [rad].
    :param pan: table coordinates of the spot looked at [m].
    """

    height: int
    width: int
    elevation: float
    distance: float
    roll: float = 0.0
    pan: tuple[float, float] = (0.0, 0.0)

    @property
    def focal(self) -> float:
        """Focal length [px]."""
        return 0.9 * self.width

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64; the image's corner is (0, 0), as cv2 and this package count pixels."""
        return np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.height / 2],
                         [0, 0, 1]])

    @cached_property
    def axes(self) -> np.ndarray:
        """(3, 3) float64, columns: the table's x, y and up in the camera frame."""
        cos, sin = np.cos(self.elevation), np.sin(self.elevation)
        level = np.array([[1, 0, 0], [0, -sin, -cos], [0, cos, -sin]])
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ level

    def place(self, x: float, y: float, z: float = 0.0) -> np.ndarray:
        """Return the (3,) camera coordinates [m] of a point z above the table."""
        spot = self.axes @ (x - self.pan[0], y - self.pan[1], z)
        spot[2] += self.distance
        return spot

    def project(self, x: float, y: float, z: float = 0.0) -> np.ndarray:
        """Return the (2,) pixel of a point z above the table, which must lie before the camera."""
        spot = self.place(x, y, z)
        return self.focal * spot[:2] / spot[2] + (self.width / 2, self.height / 2)

    def table_to_pixels(self) -> np.ndarray:
        """Return the (3, 3) homography from table coordinates to pixels."""
        axes = self.axes
        origin = np.array([0, 0, self.distance]) - axes[:, :2] @ self.pan
        return self.matrix @ np.column_stack([axes[:, 0], axes[:, 1], origin])

    def spot(self, column: float, row: float) -> tuple[float, float]:
        """Return the table coordinates [m] that a pixel below the horizon shows."""
        x, y, w = np.linalg.solve(self.table_to_pixels(), (column, row, 1.0))
        return float(x / w), float(y / w)

    def table_depth(self) -> np.ndarray:
        """Return (H, W) float32, the table's distance along z [m]; inf above the horizon."""
        up = self.axes[:, 2]
        return self.plane_depth(up, up[2] * self.distance)

    def plane_depth(self, normal: np.ndarray, offset: float,
                    window: tuple[slice, slice] = np.s_[:, :]) -> np.ndarray:
        """
        Return how far along z a plane is behind each pixel [m], inf where it is not.

        :param normal: (3,) in the camera frame; points p of the plane have normal @ p = offset.
        :param window: rows and columns of the image.
        :returns: float32 in the shape of the window.
        """
        x = (np.arange(self.width)[window[1]] + (0.5 - self.width / 2)) / self.focal
        y = (np.arange(self.height)[window[0]] + (0.5 - self.height / 2)) / self.focal
        along = (y * normal[1] + normal[2])[:, None] + x * normal[0]
        with np.errstate(divide='ignore'):
            depth = offset / along
        return np.where(depth > 0, depth, np.inf).astype(np.float32)
