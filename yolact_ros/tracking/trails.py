"""The way each object took in the last second, to be drawn."""

from __future__ import annotations

from collections import deque

import numpy as np

from yolact_ros.structures import Instances


class Trails:
    """
    Remembers where numbered objects were.

    :param seconds: how far back a trail reaches.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self._points: dict[int, deque[tuple[float, float, float]]] = {}
        self._stamp = -np.inf

    def update(self, instances: Instances, ids: np.ndarray, stamp: float
               ) -> tuple[np.ndarray, ...]:
        """
        Add an image and return the trail of every object in it.

        :param ids: (N,) numbers from Tracker.update, 0 for none.
        :param stamp: of the image [s]; one that jumps back starts all trails anew.
        :returns: N arrays (K, 2) of box centres x, y [px], oldest first; K is 0 without number.
        """
        if stamp < self._stamp:
            self._points.clear()
        self._stamp = stamp
        centres = ((instances.boxes[:, :2] + instances.boxes[:, 2:]) / 2).tolist()
        for number, (x, y) in zip(ids.tolist(), centres):
            if number:
                self._points.setdefault(number, deque()).append((stamp, x, y))
        self._forget(stamp - self.seconds)
        return tuple(np.array([point[1:] for point in self._points.get(number, ())]
                              ).reshape(-1, 2) for number in ids.tolist())

    def _forget(self, oldest: float) -> None:
        """Drop points from before a time, and trails without any."""
        for points in self._points.values():
            while points and points[0][0] < oldest:
                points.popleft()
        self._points = {number: points for number, points in self._points.items() if points}
