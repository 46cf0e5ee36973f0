"""Numbers for the objects of the node's camera; belongs to the working thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from std_msgs.msg import Header

from yolact_ros.overlay import TrackMarks
from yolact_ros.structures import Instances
from yolact_ros.tracking import Tracker, Trails


class Identity:
    """
    Follows objects while `tracking` is on.

    A new model, a break, or stamps that jump back start anew.

    :param log: takes one line about every new start.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._tracker, self._trails = Tracker(), Trails()
        self._model: object = None
        self._stamp: float | None = None

    def forget(self) -> None:
        """Forget all objects, for a break; numbers are not used again."""
        if self._stamp is not None:
            self._tracker.reset()
            self._stamp = None

    def follow(self, instances: Instances, header: Header, arrival: float,
               model: object) -> tuple[Instances, TrackMarks]:
        """
        Return the objects, each with the class of its track, and their numbers and trails.

        :param arrival: when the image came [s], for cameras that set no stamp.
        :param model: what found the objects; another one starts anew.
        """
        stamp = header.stamp.sec + 1e-9 * header.stamp.nanosec or arrival
        if self._stamp is not None and stamp < self._stamp:
            self._start_anew(f'stamps jumped back by {self._stamp - stamp:.3f} s')
        elif self._model is not None and model is not self._model:
            self._start_anew('another model')
        self._stamp, self._model = stamp, model
        ids = self._tracker.update(instances, stamp)
        steady = replace(instances, class_ids=self._tracker.class_ids)
        return steady, TrackMarks(ids, self._trails.update(steady, ids, stamp))

    def _start_anew(self, why: str) -> None:
        """Forget all objects and say why."""
        self._log(f'tracks start anew: {why}')
        self._tracker.reset()
