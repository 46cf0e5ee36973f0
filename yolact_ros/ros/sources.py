"""Where frames come from: pictures, videos, webcams; and which of them the user means."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from yolact_ros.ros.source_parameters import SourceParameters
from yolact_ros.structures import Instances

PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.webp', '.tif', '.tiff')
BAG_SUFFIXES = ('.mcap', '.db3')
PICTURE_RATE = 5.0  # [Hz], slow enough to look at, quick enough to feel like a camera

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Truth:
    """
    What is really in a synthetic frame.

    :param instances: the visible part of every object; score 1, or 0 where too little of it is
        in view to be asked for or to be counted as wrong.
    :param class_names: names of the class ids.
    :param track_ids: for every object a number that it keeps from frame to frame.
    """

    instances: Instances
    class_names: tuple[str, ...]
    track_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One picture on its way to the camera topic.

    :param time: since the start of the source [s]; says when to publish it.
    :param image: (H, W, 3) uint8 RGB, or the recorded message.
    :param camera_info: recorded or known intrinsics, None where they must be guessed.
    :param truth: what is in the picture, where that is known.
    :param depth: (H, W) uint16 [mm], 0 where unknown.
    """

    time: float
    image: np.ndarray | Image | CompressedImage
    camera_info: CameraInfo | None = None
    truth: Truth | None = None
    depth: np.ndarray | None = None


class Source(Protocol):
    """
    Something that can be played from its beginning, again and again.

    :param description: one line for the log.
    :param rate: its own frame rate [Hz]; None: live, iterating waits for the next frame.
    :param knows_truth: whether its frames have a truth.
    """

    description: str
    rate: float | None
    knows_truth: bool

    def __iter__(self) -> Iterator[Frame]:
        """Play from the beginning."""


def open_source(parameters: SourceParameters) -> Source:
    """
    Return the source that the user means.

    :raises FileNotFoundError: when it is a path that does not exist.
    :raises ValueError: when it exists but cannot be played; the message names the cure.
    """
    spec = parameters.source
    if spec.partition(':')[0] == 'synthetic':
        from yolact_ros.ros.synthetic_source import SyntheticSource
        return SyntheticSource(parameters)
    device = webcam_index(spec)
    if device is not None:
        return WebcamSource(device, parameters.width, parameters.height)
    path = Path(spec).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"source '{spec}' not found (looked in {Path.cwd()}); wanted a folder of pictures, a "
            'picture, a video, a rosbag2, a webcam number or synthetic:MODE')
    if is_bag(path):
        from yolact_ros.ros.bag_source import BagSource
        return BagSource(path, parameters.bag_topic)
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureSource(path)
    return VideoSource(path)


def webcam_index(spec: str) -> int | None:
    """Return 1 for '1' and '/dev/video1', None for anything else."""
    number = spec.removeprefix('/dev/video')
    return int(number) if number.isdecimal() else None


def is_bag(path: Path) -> bool:
    """Return whether the path is a rosbag2: its folder or one of its files."""
    if path.is_dir():
        return (path / 'metadata.yaml').exists() or any(
            entry.suffix in BAG_SUFFIXES for entry in path.iterdir())
    return path.suffix in BAG_SUFFIXES


class PictureSource:
    """The pictures of a folder in the order of their names, or one picture."""

    rate = PICTURE_RATE
    knows_truth = False

    def __init__(self, path: Path) -> None:
        """
        Find the pictures.

        :raises ValueError: when there is none, or none that can be read.
        """
        self.paths = [path] if path.is_file() else sorted(
            entry for entry in path.iterdir() if entry.suffix.lower() in PICTURE_SUFFIXES)
        if not self.paths:
            raise ValueError(f"folder '{path}' has no picture; wanted files that end in "
                             f"{', '.join(PICTURE_SUFFIXES)}")
        self._unreadable: set[Path] = set()
        if next(iter(self), None) is None:
            raise ValueError(f"none of the {len(self.paths)} pictures of '{path}' can be read; "
                             f"is '{self.paths[0].name}' damaged?")
        self.description = f'{len(self.paths)} pictures of {path}'

    def __iter__(self) -> Iterator[Frame]:
        """Play all readable pictures; name each unreadable one once."""
        count = 0
        for path in self.paths:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is not None:
                yield Frame(count / self.rate, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
                count += 1
            elif path not in self._unreadable:
                self._unreadable.add(path)
                logger.warning("picture '%s' cannot be read and is left out", path)


class VideoSource:
    """The frames of a video file."""

    knows_truth = False

    def __init__(self, path: Path) -> None:
        """
        Look into the video.

        :raises ValueError: when OpenCV cannot read it.
        """
        self.path = path
        capture = cv2.VideoCapture(str(path))
        readable, frame = capture.read()
        if not readable:
            raise ValueError(
                f"'{path}' is neither a picture, a bag nor a video that OpenCV can read; convert "
                f"it, for example: ffmpeg -i '{path}' -c:v libx264 -pix_fmt yuv420p video.mp4")
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 1000 else 25.0  # some containers do not know
        self.description = (f'video {path}: {frame.shape[1]}x{frame.shape[0]} at '
                            f'{self.rate:.3g} Hz')
        capture.release()

    def __iter__(self) -> Iterator[Frame]:
        """Play the video once."""
        capture = cv2.VideoCapture(str(self.path))
        try:
            for count in range(2 ** 62):
                readable, picture = capture.read()
                if not readable:
                    return
                yield Frame(count / self.rate, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        finally:
            capture.release()


class WebcamSource:
    """A webcam, as fast as it delivers."""

    rate = None
    knows_truth = False

    def __init__(self, device: int, width: int, height: int) -> None:
        """
        Open the camera; it may choose another size than the one asked for.

        :raises RuntimeError: when it does not open or delivers nothing.
        """
        self._device = device
        self._capture = cv2.VideoCapture(device)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        frame = self._read()
        self.description = f'webcam {device}: {frame.shape[1]}x{frame.shape[0]}'

    def __iter__(self) -> Iterator[Frame]:
        """Play until the camera goes away."""
        start = time.monotonic()
        while True:
            picture = self._read()
            yield Frame(time.monotonic() - start, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))

    def _read(self) -> np.ndarray:
        """Return the next picture, BGR."""
        readable, picture = self._capture.read()
        if not readable:
            found = ', '.join(sorted(str(path) for path in Path('/dev').glob('video*')))
            raise RuntimeError(
                f'webcam {self._device} delivers no picture; is it plugged in, used by another '
                f"program, or are you not in group 'video'? Cameras here: {found or 'none'}")
        return picture
