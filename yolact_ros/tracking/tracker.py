"""The door to identity: Instances and a stamp in, numbers that stay with their objects out."""

from __future__ import annotations

import logging
import math

import numpy as np

from yolact_ros.structures import ImageSize, Instances
from yolact_ros.tracking.association import Side, associate
from yolact_ros.tracking.camera_motion import STILL, common_shift, fit_motion
from yolact_ros.tracking.config import TrackerConfig
from yolact_ros.tracking.overlap import Shapes, box_areas, box_ious, mask_ious
from yolact_ros.tracking.tracks import Tracks

TOLERANCE = 1e-6         # [s] of stamps as floats
DEAD_CLOCK_IMAGES = 10   # so many images with one stamp, and the camera has no clock
DEAD_CLOCK_STEP = 1 / 30  # [s] that an image then counts
DOUBLE_IOU = 0.4         # a new object that covers a known one so much is found twice
NO_ROWS = np.zeros(0, np.int64)

logger = logging.getLogger(__name__)


class Tracker:
    """
    Gives the objects of one camera numbers that stay; call it for every image, in order.

    A number belongs to one object and is never used again, not even after a reset. A lost object
    keeps its number for `max_gap` seconds. Not safe for calls from two threads at once.

    :param config: how long and from when on an object is the same one; None: as TrackerConfig().
    :ivar class_ids: (N,) for every row of the last update the class its object was seen as most
        often, for rows without a number their own.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.class_ids = NO_ROWS
        self._last_id = 0
        self._start_anew()

    def reset(self) -> None:
        """Forget all objects; for a new model or a new camera."""
        self._reset('asked for')

    def update(self, instances: Instances, stamp: float) -> np.ndarray:
        """
        Return the number of every object, 0 for those not (yet) sure enough to have one.

        :param instances: what was found in the next image; kept, not modified.
        :param stamp: when the image was taken [s].
        :returns: (N,) int64, a row for a row of the instances.
        :raises ValueError: when the stamp is not a finite number.
        """
        seconds = self._advance(stamp, instances.image_size)
        found = _detections(instances)
        self._predict(seconds, instances.image_size)
        rows, columns = self._match(found, instances.scores)
        self._follow_camera(found, rows, columns)
        self._tracks.see(rows, found, columns, self._now, seconds, instances.image_size)
        rows, columns = self._begin(found, instances.scores, rows, columns)
        self._number()
        ids = np.zeros(len(instances), np.int64)
        ids[columns] = self._tracks.ids[rows]
        self.class_ids = instances.class_ids.copy()
        self.class_ids[columns] = np.where(ids[columns] > 0, self._tracks.class_ids[rows],
                                           self.class_ids[columns])
        if seconds:
            self._seconds = seconds
        return ids

    def _start_anew(self) -> None:
        """Know nothing but which numbers are used up."""
        self._tracks = Tracks()
        self._stamp: float | None = None
        self._size: ImageSize | None = None
        self._now = 0.0      # [s] runs on where stamps stand still
        self._standing = 0   # images in a row with the same stamp
        self._motion = STILL  # of the camera, between the last two images
        self._seconds = 0.0  # between the last two images
        self._moving = STILL

    def _reset(self, why: str) -> None:
        """Forget all objects, with one line about it."""
        logger.info('tracks start anew: %s', why)
        self._start_anew()

    def _advance(self, stamp: float, size: ImageSize) -> float:
        """Return the seconds since the last image; start anew where they make no sense."""
        if not math.isfinite(stamp):
            raise ValueError(f'stamp must be a time in seconds, got {stamp}')
        if self._stamp is not None and stamp < self._stamp:
            self._reset(f'stamps jumped back by {self._stamp - stamp:.3f} s')
        elif self._size is not None and size != self._size:
            self._reset(f'images changed from {self._size.width}x{self._size.height} to '
                        f'{size.width}x{size.height} px')
        seconds = 0.0 if self._stamp is None else stamp - self._stamp
        self._standing = 0 if seconds > 0 or self._stamp is None else self._standing + 1
        self._now += DEAD_CLOCK_STEP if self._standing > DEAD_CLOCK_IMAGES else seconds
        self._stamp, self._size = stamp, size
        return seconds

    def _predict(self, seconds: float, size: ImageSize) -> None:
        """Forget who was lost too long; move the others as they and the camera moved."""
        tracks, oldest = self._tracks, self._now - self.config.max_gap - TOLERANCE
        tracks.keep((tracks.seen >= oldest) & (tracks.class_seen >= oldest))
        factor = min(seconds / self._seconds, 3.0) if self._seconds > 0 else 0.0
        self._moving = self._motion.times(factor)
        tracks.go_on(seconds)
        tracks.move(self._moving)
        tracks.keep(~tracks.gone(size))

    def _match(self, found: Side, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which tracks (M,) were seen as which detections (M,)."""
        tracks = self._tracks
        if len(tracks) == 0 or len(found.boxes) == 0:
            return NO_ROWS, NO_ROWS
        shift = common_shift(tracks.boxes, found.boxes,
                             tracks.class_ids[:, None] == found.class_ids)
        tracks.move(shift)
        self._moving = self._moving.then(shift)
        waited = (self._now - tracks.seen) / max(self.config.max_gap, TOLERANCE)
        return associate(tracks.side(), found, scores >= self.config.high_score, tracks.ids > 0,
                         tracks.starts, waited)

    def _follow_camera(self, found: Side, rows: np.ndarray, columns: np.ndarray) -> None:
        """Learn the camera's motion from the matches; lost objects move along with it."""
        if len(rows) == 0:
            self._motion = self._moving.times(0.5)  # nobody tells: it may have stopped
            return
        boxes = found.boxes[columns]
        size = float(np.sqrt(max(np.median(box_areas(boxes)), 1)))
        correction = fit_motion(self._tracks.centres[rows], (boxes[:, :2] + boxes[:, 2:]) / 2,
                                size)
        self._tracks.move(correction)
        self._motion = self._moving.then(correction)

    def _begin(self, found: Side, scores: np.ndarray, rows: np.ndarray, columns: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray]:
        """Add sure detections that nobody claimed as new objects; return all pairs."""
        free = np.ones(len(scores), bool)
        free[columns] = False
        free = np.flatnonzero(free & (scores >= self.config.high_score))
        if len(free) == 0:
            return rows, columns
        known: list[int] = columns.tolist()
        new: list[int] = []
        for column, near in zip(free.tolist(), box_ious(found.boxes[free], found.boxes)):
            others = np.array(known + new, np.int64)  # new ones begin best first
            others = others[near[others] > 0.5 * DOUBLE_IOU]
            shared = mask_ious(found.shapes, found.shapes, others, np.full(len(others), column))
            if (shared < DOUBLE_IOU).all():
                new.append(column)
        begun = len(self._tracks) + np.arange(len(new))
        self._tracks.begin(found, np.array(new, np.int64), self._now)
        return np.concatenate([rows, begun]), np.array(known + new, np.int64)

    def _number(self) -> None:
        """Give numbers to those that have been seen often enough, just now."""
        tracks = self._tracks
        ready = np.flatnonzero((tracks.ids == 0) & (tracks.hits >= self.config.min_hits))
        tracks.ids[ready] = self._last_id + 1 + np.arange(len(ready))
        self._last_id += len(ready)


def _detections(instances: Instances) -> Side:
    """Return the instances as one side of an assignment."""
    shapes = Shapes(instances.rois.astype(np.int64), instances.crops, instances.areas)
    return Side(instances.boxes.astype(np.float64), shapes, instances.class_ids)
