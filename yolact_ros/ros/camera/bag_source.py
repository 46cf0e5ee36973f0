"""Frames from a rosbag2 (sqlite3 or mcap), read by the rosbags library."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from yolact_ros.media.bag_types import open_typestore
from yolact_ros.media.bags import choose_image_topic, open_bag, read_messages
from yolact_ros.messages.images import COMPRESSED, RAW
from yolact_ros.ros.camera.frames import Frame

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore

CAMERA_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
TYPES = {RAW: Image, COMPRESSED: CompressedImage, CAMERA_INFO_TYPE: CameraInfo}

FASTEST, UNTIMED_RATE = 1000.0, 10.0  # [Hz]

logger = logging.getLogger(__name__)


class BagSource:
    """One image topic of a bag, each image with the camera_info that was valid then."""

    knows_truth = False

    def __init__(self, path: Path, topic: str = '') -> None:
        """
        Choose the topics.

        :param topic: image topic; '' takes the largest colour image, see choose_image_topic.
        :raises ImportError: when rosbags is not installed.
        :raises ValueError: when the bag cannot be read or has no such topic.
        """
        self._path = path
        with open_bag(path) as reader:
            self._image = choose_image_topic(reader, open_typestore(), topic)
            self._info = _camera_info_of(self._image, reader.connections)
            count = reader.topics[self._image].msgcount
            seconds = max(reader.duration, 1) / 1e9
        # The first one may follow its image.
        self._recorded_info = next((message for _, _, message in self._messages(self._info)), None)
        self.rate = (count - 1) / seconds if count > 1 else 1.0
        if self.rate > FASTEST:  # written at once, so that their times say nothing
            self.rate = UNTIMED_RATE
        self.description = f'bag {path}: {count} frames of {self._image} at {self.rate:.3g} Hz'

    def __iter__(self) -> Iterator[Frame]:
        """Play the topic once, at the times of recording."""
        camera_info, start = self._recorded_info, None
        for topic, stamp, message in self._messages(self._image, self._info):
            if topic == self._info:
                camera_info = message
                continue
            start = stamp if start is None else start
            yield Frame((stamp - start) / 1e9, message, camera_info)

    def _messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        """Yield topic, time of recording [ns] and message; damaged ones are left out."""
        store = open_typestore()
        with open_bag(self._path) as reader:
            wanted = [item for item in reader.connections if item.topic in topics]
            for connection, stamp, raw in read_messages(reader, wanted) if wanted else ():
                try:
                    yield connection.topic, stamp, _deserialized(store, connection.msgtype, raw)
                except ValueError as error:
                    logger.warning('left out of %s: %s', self._path, error)


def _deserialized(store: Typestore, kind: str, raw: bytes) -> Any:
    """
    Return a message of ROS.

    :raises ValueError: for damaged bytes; rclpy by itself may end the process over them.
    """
    try:
        store.deserialize_cdr(raw, kind)
    except Exception as error:  # rosbags fails in any way
        raise ValueError(f'a damaged message of type {kind}') from error
    return deserialize_message(raw, TYPES[kind])


def _camera_info_of(image_topic: str, connections: list[Connection]) -> str:
    """Return the camera_info beside the image topic (image_transport's rule), else a sole one."""
    base = image_topic.removesuffix('/compressed')
    infos = {item.topic for item in connections if item.msgtype == CAMERA_INFO_TYPE}
    beside = base.rpartition('/')[0] + '/camera_info'
    return beside if beside in infos else infos.pop() if len(infos) == 1 else ''
