"""Frames from a rosbag2 (sqlite3 or mcap), read by the rosbags library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from yolact_ros.ros.camera.frames import Frame

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader

IMAGE_TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
CAMERA_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
NOT_COLOUR = ('depth', 'infra', 'disparity', 'confidence')


class BagSource:
    """One image topic of a bag, each image with the camera_info that was valid then."""

    knows_truth = False

    def __init__(self, path: Path, topic: str = '') -> None:
        """
        Choose the topics.

        :param topic: image topic; '' takes the first that does not look like depth.
        :raises ImportError: when rosbags is not installed.
        :raises ValueError: when the bag cannot be read or has no such topic.
        """
        try:
            from rosbags.rosbag2 import Reader, ReaderError
        except ImportError as error:
            raise ImportError(f"playing '{path}' needs rosbags: pip install rosbags") from error
        self._path, self._reader = path, Reader
        self._damage = ReaderError
        with self._open() as reader:
            connections = list(reader.connections)
            seconds = max(reader.duration, 1) / 1e9
        self._image = choose_image_topic(connections, topic, path)
        self._info = _camera_info_of(self._image.topic, connections)
        self._recorded_info = self._first_camera_info()
        count = self._image.msgcount
        self.rate = (count - 1) / seconds if count > 1 else 1.0
        self.description = (f'bag {path}: {count} frames of {self._image.topic} at '
                            f'{self.rate:.3g} Hz')

    def __iter__(self) -> Iterator[Frame]:
        """Play the topic once, at the times of recording."""
        wanted = [self._image] + ([self._info] if self._info else [])
        camera_info, start = self._recorded_info, None
        for connection, stamp, raw in self._messages(wanted):
            if connection.msgtype == CAMERA_INFO_TYPE:
                camera_info = deserialize_message(raw, CameraInfo)
                continue
            start = stamp if start is None else start
            message = deserialize_message(raw, IMAGE_TYPES[connection.msgtype])
            yield Frame((stamp - start) / 1e9, message, camera_info)

    def _first_camera_info(self) -> CameraInfo | None:
        """Return the first recorded one: it may follow its image."""
        if self._info:
            for _, _, raw in self._messages([self._info]):
                return deserialize_message(raw, CameraInfo)
        return None

    def _messages(self, connections: list[Connection]
                  ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, time of recording [ns] and serialised message."""
        with self._open() as reader:
            yield from reader.messages(
                [item for item in reader.connections
                 if any(item.topic == wanted.topic for wanted in connections)])

    @contextmanager
    def _open(self) -> Iterator[Reader]:
        """Hold the reader open; errors of a damaged bag name it and the cure."""
        try:
            with self._reader(self._path) as reader:
                yield reader
        except self._damage as error:
            raise ValueError(
                f"bag '{self._path}' cannot be read ({error}); a recording that was cut off "
                'is mended by: mcap recover FILE, or ros2 bag reindex FOLDER') from error


def choose_image_topic(connections: list[Connection], topic: str, path: Path) -> Connection:
    """
    Return the connection of the asked topic, else of the first colour topic.

    :raises ValueError: when there is none; names the topics that exist.
    """
    images = sorted((item for item in connections
                     if item.msgtype in IMAGE_TYPES and item.msgcount > 0),
                    key=lambda item: (any(word in item.topic.lower() for word in NOT_COLOUR),
                                      item.topic))
    if topic:
        images = [item for item in images if item.topic == topic]
    if not images:
        found = ', '.join(sorted(f'{item.topic} ({item.msgtype})' for item in connections))
        wanted = f"image topic '{topic}'" if topic else 'topic with images'
        raise ValueError(f"bag '{path}' has no {wanted}; it holds: {found or 'nothing'}. Record "
                         'one, or choose with -p bag_topic:=TOPIC')
    return images[0]


def _camera_info_of(image_topic: str, connections: list[Connection]) -> Connection | None:
    """Return the camera_info beside the image topic (image_transport's rule), else a sole one."""
    base = image_topic.removesuffix('/compressed')
    infos = [item for item in connections if item.msgtype == CAMERA_INFO_TYPE]
    beside = [item for item in infos if item.topic == base.rpartition('/')[0] + '/camera_info']
    return (beside or (infos if len(infos) == 1 else [None]))[0]
