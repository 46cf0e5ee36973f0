"""The commands that can be interrupted, each with an input that takes a few seconds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from tools.trust.interrupt import Case

ROOT = Path(__file__).resolve().parents[2]
YOLACT = (sys.executable, ROOT / 'scripts' / 'yolact')


@cache
def _inputs() -> Path:
    """Return a folder with images, their labels, a video and a recording; made once."""
    folder = Path(tempfile.mkdtemp(prefix='yolact_ends'))
    subprocess.run([*YOLACT, 'synth', folder / 'set', '--count', '12'], check=True,
                   capture_output=True)
    images = sorted((folder / 'set').rglob('*.jpg')) or sorted((folder / 'set').rglob('*.png'))
    video = cv2.VideoWriter(str(folder / 'video.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10,
                            (320, 240))
    for path in images * 3:
        video.write(cv2.resize(cv2.imread(str(path)), (320, 240)))
    video.release()
    _record(folder / 'bag', [cv2.resize(cv2.imread(str(path)), (320, 240)) for path in images * 3])
    return folder


def _record(path: Path, images: Sequence[np.ndarray]) -> None:
    """Write a recording of BGR images."""
    from rclpy.serialization import serialize_message
    from rosbags.rosbag2 import StoragePlugin, Writer
    from sensor_msgs.msg import Image

    from yolact_ros.media.bag_types import open_typestore
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection('/image', 'sensor_msgs/msg/Image',
                                      typestore=open_typestore())
        for number, image in enumerate(images):
            message = Image(height=image.shape[0], width=image.shape[1], encoding='bgr8',
                            step=3 * image.shape[1])
            message.data.frombytes(np.ascontiguousarray(image))
            writer.write(topic, number * 10 ** 8, serialize_message(message))


def _labels() -> Path:
    """Return the COCO file of the images."""
    return next(path for path in sorted(_inputs().rglob('*.json')))


def _script(name: str, *words: object) -> list[object]:
    return [sys.executable, ROOT / 'scripts' / name, *words]


def _train(folder: Path) -> list[object]:
    return [*YOLACT, 'train', '--train', _labels(), '--start', 'demo', '--iterations', '12',
            '--batch-size', '2', '--checkpoint-every', '4', '--workers', '1', '--out',
            folder / 'run']


def _resume(folder: Path) -> list[object]:
    """Return the command that goes on with a training that was stopped before."""
    subprocess.run([*map(str, _train(folder)), '--iterations', '4'], check=True,
                   capture_output=True)
    return [*_train(folder), '--resume']


def _ask_for_reload() -> None:
    """Have the node load its model again, without waiting for the answer."""
    program = ('import rclpy; rclpy.init(); node = rclpy.create_node("asker")\n'
               'from yolact_ros.srv import Reload\n'
               'client = node.create_client(Reload, "/yolact/reload")\n'
               'assert client.wait_for_service(20)\n'
               'client.call_async(Reload.Request(weights="demo"))\n'
               'rclpy.spin_once(node, timeout_sec=0.2)')
    asked = threading.Event()

    def ask() -> None:
        subprocess.run([sys.executable, '-c', program], check=False, capture_output=True)
        asked.set()
    threading.Thread(target=ask, daemon=True).start()
    asked.wait(30)


CASES = {
    'segment': Case(lambda folder: [*YOLACT, 'segment', _inputs() / 'video.mp4', '-o',
                                    folder / 'out.mp4', '--json', folder / 'out.json']),
    'bag': Case(lambda folder: [*YOLACT, 'bag', _inputs() / 'bag', '-o', folder / 'out']),
    'synth': Case(lambda folder: [*YOLACT, 'synth', folder / 'set', '--count', '16']),
    'eval': Case(lambda folder: [*YOLACT, 'eval', '--data', _labels(), '--out', folder / 'out']),
    'train': Case(_train),
    'train, resumed': Case(_resume),
    'export': Case(lambda folder: [*YOLACT, 'export', 'demo', '-o', folder / 'out.onnx']),
    'quantize': Case(lambda folder: [*YOLACT, 'quantize', 'demo', '-o', folder / 'out.xml',
                                     '--data', _labels()]),
    'node': Case(lambda folder: _script('segment_node'), 'listens to', (0,)),
    'node, reloading': Case(lambda folder: _script('segment_node'), 'listens to', (0,),
                            _ask_for_reload),
    'frame source': Case(lambda folder: _script('frame_source'), 'playing', (0,)),
    'viewer': Case(lambda folder: _script('viewer'), 'look at', (0,)),
    'demo': Case(lambda folder: [sys.executable, ROOT / 'tools' / 'demo', '--duration', '60',
                                 '--out', folder / 'demo'], 'demo'),
}
if shutil.which('ros2'):
    CASES['launch'] = Case(lambda folder: ['ros2', 'launch', ROOT / 'launch' / 'demo.launch.py'],
                           'listens to', (0, 1))
