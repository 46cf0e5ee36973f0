"""What every source of frames delivers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from yolact_ros.geometry import Places
from yolact_ros.structures import Instances


@dataclass(frozen=True, eq=False)
class Truth:
    """
    What is really in a synthetic frame.

    :param instances: the visible part of every object; score 1, or 0 where too little of it is
        in view to be asked for or to be counted as wrong.
    :param class_names: names of the class ids.
    :param track_ids: for every object a number that it keeps from frame to frame.
    :param places: the centres of their visible surfaces, where there is a depth image.
    """

    instances: Instances
    class_names: tuple[str, ...]
    track_ids: tuple[int, ...]
    places: Places | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One image on its way to the camera topic.

    :param time: since the start of the source [s]; says when to publish it.
    :param image: (H, W, 3) uint8 RGB, or the recorded message.
    :param camera_info: recorded or known intrinsics, None where they must be guessed.
    :param truth: what is in the image, where that is known.
    :param depth: (H, W) uint16 [mm], 0 where unknown.
    """

    time: float
    image: np.ndarray | Image | CompressedImage
    camera_info: CameraInfo | None = None
    truth: Truth | None = None
    depth: np.ndarray | None = None


class Source(Protocol):
    """Something that can be played from its beginning, again and again."""

    @property
    def description(self) -> str:
        """Return one line for the log."""

    @property
    def rate(self) -> float | None:
        """Return its own frame rate [Hz], None where iterating waits for the next frame."""

    @property
    def knows_truth(self) -> bool:
        """Return whether its frames have a truth."""

    def __iter__(self) -> Iterator[Frame]:
        """Play from the beginning."""
