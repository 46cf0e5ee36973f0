"""Numbers and trails of the objects of a video or recording."""

from __future__ import annotations

from dataclasses import replace

from yolact_ros.overlay import TrackMarks
from yolact_ros.structures import Instances
from yolact_ros.tracking import Tracker, Trails


class Identity:
    """Follows the objects of one sequence of images."""

    def __init__(self) -> None:
        self._tracker, self._trails = Tracker(), Trails()

    def follow(self, instances: Instances, stamp: float) -> tuple[Instances, TrackMarks]:
        """Return the next image's objects, each with its track's class, and their marks."""
        ids = self._tracker.update(instances, stamp)
        steady = replace(instances, class_ids=self._tracker.class_ids)
        return steady, TrackMarks(ids, self._trails.update(steady, ids, stamp))
