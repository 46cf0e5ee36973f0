"""Where frames come from: images, videos, webcams; and which of them the user means."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from yolact_ros.media.images import Images, Video, find_source, read_image
from yolact_ros.media.video import DEFAULT_FPS, VideoReader
from yolact_ros.ros.camera.bag_source import BagSource
from yolact_ros.ros.camera.frames import Frame, Source
from yolact_ros.ros.camera.parameters import SourceParameters
from yolact_ros.ros.camera.synthetic_source import SyntheticSource

BAG_SUFFIXES = ('.mcap', '.db3')
IMAGE_RATE = 5.0  # [Hz], slow enough to look at, quick enough to feel like a camera

logger = logging.getLogger(__name__)


def open_camera(parameters: SourceParameters) -> Source:
    """
    Return the source that the user means.

    :raises OSError: when it does not exist or does not open.
    :raises ValueError: when it exists but cannot be played; the message names the cure.
    """
    spec = parameters.source
    if spec.partition(':')[0] == 'synthetic':
        return SyntheticSource(parameters)
    if parameters.depth:
        raise ValueError(f"depth is known of synthetic scenes only, source is '{spec}'; leave out "
                         'depth:=true')
    path = Path(spec).expanduser()
    if is_bag(path):
        return BagSource(path, parameters.bag_topic)
    if path.suffix == '.bag' and path.is_file():
        raise ValueError(f"'{path}' is a ROS 1 bag; convert it: rosbags-convert --src '{path}' "
                         f"--dst '{path.with_suffix('')}'")
    try:
        found = find_source(str(path) if spec.startswith('~') else spec)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{error}; a rosbag2 or synthetic:MODE will do as well. '
                                f'Looked in {Path.cwd()}') from error
    return ImageSource(found) if isinstance(found, Images) else VideoSource(found)


def is_bag(path: Path) -> bool:
    """Return whether the path is a rosbag2: its folder or one of its files."""
    if path.is_dir():
        return (path / 'metadata.yaml').exists() or any(
            entry.suffix in BAG_SUFFIXES for entry in path.iterdir())
    return path.is_file() and path.suffix in BAG_SUFFIXES


class ImageSource:
    """The images of a folder, or one image."""

    rate = IMAGE_RATE
    knows_truth = False

    def __init__(self, images: Images) -> None:
        """
        Look for an image that can be read.

        :raises OSError, ValueError: when there is none; says what is wrong with the last one.
        """
        self._paths = images.paths
        self._refused: dict[Path, Exception] = {}
        self.description = f'{len(self._paths)} pictures of {images.folder or self._paths[0]}'
        if next(iter(self), None) is None:
            raise self._refused[self._paths[-1]]

    def __iter__(self) -> Iterator[Frame]:
        """Play all readable images; name each unreadable one once."""
        count = 0
        for path in self._paths:
            try:
                image = read_image(path)
            except (OSError, ValueError) as error:
                if path not in self._refused:
                    logger.warning('left out: %s', error)
                self._refused[path] = error
                continue
            yield Frame(count / self.rate, image)
            count += 1


class VideoSource:
    """The frames of a video file; of a webcam or stream as fast as they come."""

    knows_truth = False

    def __init__(self, video: Video) -> None:
        """
        Open it.

        :raises OSError: when it delivers nothing.
        """
        self._video = video
        self._opened: VideoReader | None = VideoReader(video)
        self.rate = None if video.live else self._opened.fps or DEFAULT_FPS
        pace = 'live' if video.live else f'{self._opened.frame_count} frames at {self.rate:.3g} Hz'
        self.description = f'video {video.address}, {pace}'

    def __iter__(self) -> Iterator[Frame]:
        """
        Play to the end.

        :raises OSError: when a webcam or stream goes away.
        """
        reader, self._opened = self._opened or VideoReader(self._video), None
        start = time.monotonic()
        with reader:
            for image in reader:
                elapsed = time.monotonic() - start if self.rate is None else reader.time
                yield Frame(elapsed, image)
        if reader.problem and self._video.live:
            raise OSError(reader.problem)
        if reader.problem:
            logger.warning(reader.problem)
