"""`yolact extract`: images for labelling from a recording or a video."""

from __future__ import annotations

import argparse
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolact_ros.data.formats.content import NOTES
from yolact_ros.files import make_folder, replace_file, write_image
from yolact_ros.media.bag_types import open_typestore
from yolact_ros.media.bags import choose_image_topic, open_bag, read_messages
from yolact_ros.media.coco_polygons import coco_annotations, coco_categories
from yolact_ros.media.images import check_regular, silence_opencv
from yolact_ros.media.near_duplicates import NearDuplicates
from yolact_ros.messages.images import decode_message

EXAMPLES = """
examples:
  yolact extract recording/ -o photos/ --every 1 --most 300
  yolact extract video.mp4 -o photos/ --prelabel runs/mine/best.safetensors

Images that look like one that was taken before are left out. --prelabel writes
FOLDER/prelabels.json, a COCO file of polygons to correct in a labelling tool.
"""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One image of a recording.

    :param name: topic, number and stamp, fit for a file name.
    :param time: of recording [s].
    """

    name: str
    time: float
    rgb: np.ndarray


@dataclass
class Labels:
    """What the model thinks of the images taken so far."""

    predictor: Any
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, file_name: str, rgb: np.ndarray) -> None:
        """Segment one image."""
        image_id = len(self.images) + 1
        self.images.append({'id': image_id, 'file_name': file_name, 'height': rgb.shape[0],
                            'width': rgb.shape[1]})
        self.annotations += coco_annotations(self.predictor.predict(rgb), image_id,
                                             len(self.annotations) + 1,
                                             self.predictor.class_names)

    def write(self, path: Path) -> None:
        """Write the COCO file."""
        content = {'images': self.images, 'annotations': self.annotations,
                   'categories': coco_categories(self.predictor.class_names),
                   NOTES: ['these labels are what a model found; correct them first']}
        replace_file(path, json.dumps(content).encode())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument('source', metavar='BAG|VIDEO', type=Path,
                        help='recording of ROS 2, or a video file')
    parser.add_argument('-o', '--output', metavar='FOLDER', type=Path, required=True,
                        help='where the images go')
    parser.add_argument('--topic', default='', metavar='T',
                        help='image topic (default: the largest with colour images)')
    parser.add_argument('--every', type=float, default=0.5, metavar='S',
                        help='images at least S seconds apart (default: %(default)s)')
    parser.add_argument('--most', type=int, metavar='N', help='stop after N images')
    parser.add_argument('--prelabel', metavar='FILE|NAME',
                        help='also write what these weights find, to be corrected')


def run(args: argparse.Namespace) -> int:
    """Write the images; return the exit code."""
    if not args.source.exists():
        raise FileNotFoundError(f"'{args.source}' does not exist; give a rosbag2 or a video")
    check_regular(args.source)
    silence_opencv()
    is_bag = args.source.is_dir() or args.source.suffix in ('.mcap', '.db3')
    frames = _bag_frames(args.source, args.topic) if is_bag else _video_frames(args.source)
    make_folder(args.output)
    labels, labels_path = None, args.output / 'prelabels.json'
    if args.prelabel:
        if labels_path.exists():
            raise FileExistsError(f"'{labels_path}' exists and may have been corrected by hand; "
                                  'choose another -o, or move it away')
        from yolact_ros.inference.predictor import open_predictor  # imports torch
        labels = Labels(open_predictor(args.prelabel))
    taken = 0
    for frame in _different(frames, args.every):
        if taken == args.most:
            break
        file_name = f'{frame.name}.png'
        with _explained(args.output):
            write_image(args.output / file_name, frame.rgb)
        if labels is not None:
            labels.add(file_name, frame.rgb)
        taken += 1
    if labels is not None:
        with _explained(args.output):
            labels.write(labels_path)
    logger.info('%d images -> %s', taken, args.output)
    return 0


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Name folder and likely cause where something cannot be written."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write to '{folder}' ({error}); is the disk full?") from error


def _different(frames: Iterator[Frame], every: float) -> Iterator[Frame]:
    """Yield frames that are so far apart in time and unlike all before."""
    duplicates, due = NearDuplicates(), -np.inf
    for frame in frames:
        if frame.time >= due and duplicates.is_new(frame.rgb):
            due = frame.time + every - 1e-6
            yield frame


def _bag_frames(path: Path, topic: str) -> Iterator[Frame]:
    """Yield the images of a recording; one that cannot be read is reported and left out."""
    store = open_typestore()
    with open_bag(path) as reader:
        topic = choose_image_topic(reader, store, topic)
        stem = re.sub(r'\W+', '_', topic).strip('_')
        wanted = [item for item in reader.connections if item.topic == topic]
        for number, (connection, stamp, data) in enumerate(read_messages(reader, wanted)):
            try:
                message: Any = store.deserialize_cdr(data, connection.msgtype)
                rgb = decode_message(message)
            except Exception as error:  # rosbags' deserialiser fails in any way on damaged bytes
                logger.error('left out: an image of %s: %s', topic, error)
                continue
            taken = message.header.stamp  # may be the same for all, the number is not
            yield Frame(f'{stem}_{number:06d}_{taken.sec}_{taken.nanosec:09d}', stamp / 1e9, rgb)


def _video_frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a video at the times it gives them, which need not be regular."""
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise ValueError(f"'{path}' is neither a rosbag2 nor a video that OpenCV can read")
    try:
        for number in count():
            got, bgr = capture.read()
            if not got:
                return
            milliseconds = capture.get(cv2.CAP_PROP_POS_MSEC)
            yield Frame(f'{path.stem}_{number:06d}_{round(milliseconds):08d}ms',
                        milliseconds / 1000, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
