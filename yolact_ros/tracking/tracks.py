"""The objects a tracker knows: where they are, how they move, what they are."""

from __future__ import annotations

from collections import Counter

import numpy as np

from yolact_ros.structures import ImageSize
from yolact_ros.tracking.association import Side
from yolact_ros.tracking.camera_motion import STILL, Motion
from yolact_ros.tracking.overlap import Shapes

VELOCITY_SECONDS = 0.2  # over how long a velocity is averaged
BORDER = 2              # an edge so near the border [px] does not tell where the object ends
FAR_OUT = 0.5           # of the image's diagonal: nothing comes back from there in time
ARRAYS = ('ids', 'hits', 'boxes', 'starts', 'velocities', 'seen', 'class_ids', 'class_seen',
          'offsets', 'areas')


class Tracks:
    """
    T objects as arrays of T rows; coordinates are those of the current image [px].

    Velocities are relative to the camera's motion, which is applied to all objects, lost ones too.

    :ivar ids: (T,) int64, 0 until an object has been seen often enough.
    :ivar hits: (T,) in how many images it was seen.
    :ivar boxes: (T, 4) xyxy, predicted since `seen`.
    :ivar starts: (T, 2) the centre when last seen, moved along with the camera only.
    :ivar velocities: (T, 2) [px/s].
    :ivar seen: (T,) when it was seen [s].
    :ivar class_ids: (T,) the class it was seen as most often.
    :ivar class_seen: (T,) when it was last seen as that class [s].
    :ivar offsets: (T, 4) from the box's centre to the mask's roi.
    :ivar areas: (T,) mask pixels.
    :ivar crops: T masks.
    """

    ids: np.ndarray
    hits: np.ndarray
    boxes: np.ndarray
    starts: np.ndarray
    velocities: np.ndarray
    seen: np.ndarray
    class_ids: np.ndarray
    class_seen: np.ndarray
    offsets: np.ndarray
    areas: np.ndarray

    def __init__(self) -> None:
        for name in ARRAYS:
            width = {'boxes': 4, 'offsets': 4, 'starts': 2, 'velocities': 2}.get(name, 0)
            whole = name in ('ids', 'hits', 'class_ids', 'areas')
            setattr(self, name, np.zeros((0, width) if width else 0,
                                         np.int64 if whole else np.float64))
        self.crops: list[np.ndarray] = []
        self._votes: list[Counter[int]] = []

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.crops)

    @property
    def centres(self) -> np.ndarray:
        """(T, 2) x, y [px]."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    def side(self) -> Side:
        """Return the tracks as one side of an assignment."""
        rois = np.rint(_twice(self.centres) + self.offsets).astype(np.int64)
        # Rounding both corners alike: a crop keeps its size.
        rois[:, 2:] = rois[:, :2] + np.rint(self.offsets[:, 2:] - self.offsets[:, :2]).astype(int)
        return Side(self.boxes, Shapes(rois, self.crops, self.areas), self.class_ids)

    def keep(self, rows: np.ndarray) -> None:
        """Forget all others; `rows` (T,) is boolean."""
        if rows.all():
            return
        for name in ARRAYS:
            setattr(self, name, getattr(self, name)[rows])
        chosen = np.flatnonzero(rows).tolist()
        self.crops = [self.crops[row] for row in chosen]
        self._votes = [self._votes[row] for row in chosen]

    def go_on(self, seconds: float) -> None:
        """Move every object with its own velocity."""
        self.boxes = self.boxes + _twice(self.velocities * seconds)

    def gone(self, size: ImageSize) -> np.ndarray:
        """
        Return (T,) bool, True for objects that went out of the image by themselves and far.

        What enters where one has left is another one, unless it was slow enough to turn back.
        """
        limits = np.array([size.width, size.height])
        outside = ((self.boxes[:, 2:] <= 0) | (self.boxes[:, :2] >= limits)).any(axis=1)
        way = self.centres - self.starts
        return outside & (np.hypot(way[:, 0], way[:, 1]) > FAR_OUT * np.hypot(*limits))

    def move(self, camera: Motion) -> None:
        """Move and scale every object with the image."""
        if camera == STILL or len(self) == 0:
            return
        middle = self.centres
        half = (self.boxes[:, 2:] - middle) * camera.scale
        moved = camera.move(middle)
        self.boxes = np.concatenate([moved - half, moved + half], axis=1)
        self.starts = camera.move(self.starts)
        self.velocities = self.velocities * camera.scale

    def see(self, rows: np.ndarray, found: Side, columns: np.ndarray, now: float,
            seconds: float, size: ImageSize) -> None:
        """
        Take over what was found.

        :param rows: (M,) objects that were seen.
        :param columns: (M,) as which detection.
        :param seconds: since the last image; 0 teaches nothing about velocities.
        """
        boxes = found.boxes[columns]
        if seconds > 0:
            self._learn_velocity(rows, boxes, seconds, size, now)
        self.hits[rows] += 1
        self.seen[rows] = now
        self._place(rows, found, columns)
        for row, class_id in zip(rows.tolist(), found.class_ids[columns].tolist()):
            votes = self._votes[row]
            votes[class_id] += 1
            if votes[class_id] > votes[int(self.class_ids[row])]:
                self.class_ids[row] = class_id
            if class_id == self.class_ids[row]:
                self.class_seen[row] = now

    def begin(self, found: Side, columns: np.ndarray, now: float) -> None:
        """Add detections as new objects, seen once."""
        count, known = len(columns), len(self)
        if count == 0:
            return
        for name in ARRAYS:
            old = getattr(self, name)
            setattr(self, name, np.concatenate(
                [old, np.zeros((count, *old.shape[1:]), old.dtype)]))
        self.crops += [np.zeros((0, 0), bool)] * count
        rows = np.arange(known, known + count)
        self.hits[rows] = 1
        self.seen[rows] = self.class_seen[rows] = now
        self.class_ids[rows] = found.class_ids[columns]
        self._votes += [Counter([class_id]) for class_id in found.class_ids[columns].tolist()]
        self._place(rows, found, columns)

    def _place(self, rows: np.ndarray, found: Side, columns: np.ndarray) -> None:
        """Set where the objects are and what they look like."""
        self.boxes[rows] = found.boxes[columns]
        self.starts[rows] = centres = self.centres[rows]
        self.offsets[rows] = found.shapes.rois[columns] - _twice(centres)
        self.areas[rows] = found.shapes.areas[columns]
        for row, column in zip(rows.tolist(), columns.tolist()):
            self.crops[row] = found.shapes.crops[column]

    def _learn_velocity(self, rows: np.ndarray, boxes: np.ndarray, seconds: float,
                        size: ImageSize, now: float) -> None:
        """Correct velocities by how far the prediction was off."""
        off = _both_edges(boxes - self.boxes[rows], boxes, size)
        waited = np.maximum(now - self.seen[rows], seconds)
        gain = np.maximum(1 - np.exp(-waited / VELOCITY_SECONDS), 1 / (self.hits[rows] + 1))
        self.velocities[rows] += (gain / waited)[:, None] * off


def _twice(points: np.ndarray) -> np.ndarray:
    """Return (N, 4), both corners of a box, of (N, 2)."""
    return np.concatenate([points, points], axis=1)


def _both_edges(off: np.ndarray, boxes: np.ndarray, size: ImageSize) -> np.ndarray:
    """
    Return (M, 2) by how much objects moved further than expected, per axis.

    An object moves when both of its edges do: where something covers it only one edge seems to
    move, where it grows the two move apart. An edge at the image's border says nothing.

    :param off: (M, 4) edges found minus edges expected [px].
    :param boxes: (M, 4) edges found [px].
    """
    limits = np.array([size.width, size.height])
    low, high = off[:, :2], off[:, 2:]
    low_cut, high_cut = boxes[:, :2] <= BORDER, boxes[:, 2:] >= limits - BORDER
    low, high = np.where(low_cut & ~high_cut, high, low), np.where(high_cut & ~low_cut, low, high)
    smaller = np.where(np.abs(low) < np.abs(high), low, high)
    return np.where(low * high > 0, smaller, 0)
