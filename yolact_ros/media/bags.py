"""Recordings: the colour images of a rosbag2, and a copy of it with more topics."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yolact_ros.extras import require
from yolact_ros.media.images import check_regular
from yolact_ros.messages.images import COMPRESSED, RAW, decode_message

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader
    from rosbags.typesys.store import Typestore

# rosbags answers damaged bytes with whatever they run into.
DAMAGE = (Exception,)
COLOURS = ('rgb', 'bgr', 'bayer', 'yuv', 'uyvy', 'yuyv', 'nv', '8UC3', '8UC4')
WHOLE = 'whole'
GREY = ('mono8', 'mono16', '8UC1')


@dataclass(frozen=True)
class Candidate:
    """
    An image topic and what its first message is.

    :param rank: 2 colour, 1 grey, 0 nothing to segment (depth, unreadable).
    :param raw: whether it is not compressed.
    """

    topic: str
    rank: int
    pixels: int
    raw: bool


@contextmanager
def open_bag(path: Path) -> Iterator[Reader]:
    """
    Hold a recording open; errors of a damaged one name it and the cure.

    :raises ValueError: when it cannot be read.
    """
    rosbag2 = require('rosbags.rosbag2', 'bag')
    for file in path.iterdir() if path.is_dir() else [path]:
        check_regular(file)
    try:
        reader = rosbag2.Reader(path)
        reader.open()
    except DAMAGE as error:
        raise _damaged(path, error) from error
    try:
        yield reader
    finally:
        reader.close()


def read_messages(reader: Reader, wanted: Sequence[Connection] = ()
                  ) -> Iterator[tuple[Connection, int, bytes]]:
    """
    Yield connection, time of recording [ns] and serialised message.

    :param wanted: connections; none for all.
    :raises ValueError: where the recording is damaged.
    """
    try:
        yield from reader.messages(wanted)
    except DAMAGE as error:
        raise _damaged(reader.path, error) from error


def _damaged(path: object, error: Exception) -> ValueError:
    """Return the error of a recording that rosbags cannot read."""
    reason = error or type(error).__name__
    return ValueError(f"bag '{path}' cannot be read ({reason}); a recording that was cut off is "
                      'mended by: mcap recover FILE, or ros2 bag reindex FOLDER')


def choose_image_topic(reader: Reader, store: Typestore, topic: str = '') -> str:
    """
    Return the asked topic, else the largest colour image, raw rather than compressed.

    Its first message tells what a topic carries; names tell nothing.

    :raises ValueError: when there is none; names the topics that exist.
    """
    images = [item for item in reader.connections
              if item.msgtype in (RAW, COMPRESSED) and item.msgcount]
    if topic and any(item.topic == topic for item in images):
        return topic
    candidates = [] if topic else [_candidate(reader, store, item) for item in images]
    usable = [item for item in candidates if item.rank]
    if not usable:
        found = ', '.join(sorted(f'{item.topic} ({item.msgtype})' for item in reader.connections))
        wanted = f'image topic {topic!r}' if topic else 'colour images'
        raise ValueError(f"bag '{reader.path}' has no {wanted}; it holds: {found or 'nothing'}. "
                         'Choose a topic (--topic, or bag_topic of frame_source)')
    best = min(usable, key=lambda item: (-item.rank, -item.pixels, not item.raw, item.topic))
    return best.topic


def _candidate(reader: Reader, store: Typestore, connection: Connection) -> Candidate:
    """Return what the first message of a topic says about it."""
    raw = connection.msgtype == RAW
    try:
        _, _, data = next(read_messages(reader, [connection]))
        message: Any = store.deserialize_cdr(data, connection.msgtype)
        if raw:
            rank = 2 if message.encoding.startswith(COLOURS) else int(message.encoding in GREY)
            return Candidate(connection.topic, rank, message.width * message.height, True)
        rgb = decode_message(message)
        grey = np.ptp(rgb.astype(int), axis=2).max() == 0
        return Candidate(connection.topic, 1 if grey else 2, rgb.shape[0] * rgb.shape[1], False)
    except Exception:  # rosbags' deserialiser fails in any way on damaged bytes
        return Candidate(connection.topic, 0, 0, raw)


def is_whole(path: Path) -> bool:
    """Return whether a bag was written by BagCopy to its end."""
    metadata = path / 'metadata.yaml'
    return metadata.is_file() and f'yolact: {WHOLE}' in metadata.read_text(encoding='utf-8')


class BagCopy:
    """
    A recording that is written beside its place and moved there when it is finished.

    Leaving the block by an error removes it; call finish() before to keep what is there.

    :param path: folder of the new bag; must not exist.
    :raises FileExistsError: when there is something of that name.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise FileExistsError(f"'{path}' exists; choose another -o, or remove it")
        rosbag2 = require('rosbags.rosbag2', 'bag')
        self.path = path
        self._part = path.with_name(f'.{path.name}.part-{os.getpid()}')
        self._writer = rosbag2.Writer(self._part / path.name, version=9,
                                      storage_plugin=rosbag2.StoragePlugin.MCAP)
        self._connections: dict[Any, Connection] = {}

    def __enter__(self) -> BagCopy:
        """Open the bag."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not finished."""
        if self._writer.storage is not None:
            self._writer.abort()
        shutil.rmtree(self._part, ignore_errors=True)

    def copy(self, connection: Connection, stamp: int, data: bytes) -> None:
        """Append a message of another bag as it is."""
        key = (connection.id, connection.topic, connection.msgtype)
        if key not in self._connections:
            ext: Any = connection.ext  # of a rosbag2; ROS 1 bags are refused when opened
            self._connections[key] = self._writer.add_connection(
                connection.topic, connection.msgtype, msgdef=connection.msgdef.data,
                rihs01=connection.digest or 'RIHS01_' + '0' * 64,
                serialization_format=ext.serialization_format,
                offered_qos_profiles=ext.offered_qos_profiles)
        self._writer.write(self._connections[key], stamp, data)

    def add(self, store: Typestore, topic: str, stamp: int, message: Any) -> None:
        """Append a message of ours."""
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=store)
        self._writer.write(self._connections[topic], stamp, store.serialize_cdr(message, kind))

    def finish(self, whole: bool = True) -> None:
        """
        Complete the index and give the bag its name.

        :param whole: whether nothing is missing; is_whole() asks for it later.
        """
        self._writer.set_custom_data('yolact', WHOLE if whole else 'cut short')
        self._writer.close()
        os.replace(self._part / self.path.name, self.path)
