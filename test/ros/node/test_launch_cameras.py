"""What a newcomer does: two recordings, one launch, tracks in both overlays, and a question."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from yolact_ros.media.bag_types import blank, open_typestore
from yolact_ros.media.bags import BagCopy
from yolact_ros.msg import InstanceMaskArray
from yolact_ros.overlay import class_color
from yolact_ros.ros.instance_codec import paste
from yolact_ros.scenes import scene
from yolact_ros.srv import Segment

SOURCE = Path(__file__).resolve().parents[3] / 'scripts' / 'frame_source'
PATIENCE = 150.0  # [s], for a busy machine
NAMES = ('front', 'left')


def record(path, seed):
    """Record two seconds of a conveyor."""
    store = open_typestore()
    with BagCopy(path) as bag:
        for step in range(20):
            message = blank(store, 'sensor_msgs/msg/Image')
            message.height, message.width, message.encoding, message.step = 240, 320, 'rgb8', 960
            message.data = scene(seed, t=step / 10, size=(240, 320)).image.ravel()
            message.header.frame_id = path.name
            bag.add(store, '/camera/image_raw', step * 10 ** 8, message)
        bag.finish()
    return path


def play(path):
    """Play a recording as the camera of its name, over and over."""
    return subprocess.Popen(
        [sys.executable, SOURCE, '--ros-args', '-r', f'__node:={path.name}_source', '-r',
         f'image:={path.name}/image', '-p', f'source:={path}', '--log-level', 'warn'],
        env={**os.environ, 'OMP_NUM_THREADS': '1'})


class Watcher:
    """Listens to objects and overlays of both cameras."""

    def __init__(self, node):
        self.node, self.arrays, self.shown = node, {}, {}
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        for name in NAMES:
            node.create_subscription(InstanceMaskArray, f'/yolact/{name}/instances',
                                     self.arrays.setdefault(name, []).append, 10)
            node.create_subscription(Image, f'/yolact/{name}/overlay',
                                     self.shown.setdefault(name, []).append, 1)

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < deadline, f'waited in vain: {what}'
            self._executor.spin_once(timeout_sec=0.1)
        return value

    def tracks_in_the_overlay(self, name):
        """Return the tracks whose colour fills their masks in the overlay of the same image."""
        overlays = {str(image.header): image for image in self.shown[name]}
        return {mask.track_id for array in self.arrays[name] for mask in array.instances
                if mask.track_id and str(array.header) in overlays
                and filled(overlays[str(array.header)], mask)}

    def count(self):
        return {name: len(arrays) for name, arrays in self.arrays.items()}

    def close(self):
        self._executor.shutdown()


def filled(overlay, mask):
    """Return whether most of a mask has the colour of its track."""
    pixels = np.frombuffer(overlay.data, np.uint8).reshape(overlay.height, overlay.width, 3)
    colour = class_color(int(mask.track_id))[::-1]
    return (pixels[paste(mask)] == colour).all(axis=1).mean() > 0.5


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_two_cameras_from_recordings_have_tracks_and_a_call_is_answered_meanwhile(launched,
                                                                                 tmp_path):
    own = tmp_path / 'own.yaml'
    own.write_text(yaml.safe_dump({'/**': {'ros__parameters': {
        'overlay_color_by': 'track', 'overlay_alpha': 1.0}}}))
    sources = [play(record(tmp_path / name, seed)) for seed, name in enumerate(NAMES, start=3)]
    try:
        launch, node = launched('cameras:=front,left', f'params_file:={own}')
        watcher = Watcher(node)
        watcher.wait(lambda: all(watcher.tracks_in_the_overlay(name) for name in NAMES),
                     'tracks in both overlays')
        client = node.create_client(Segment, '/yolact/segment')
        watcher.wait(client.service_is_ready, 'the service')
        before, future = watcher.count(), client.call_async(Segment.Request(overlay=True))
        answer = watcher.wait(lambda: future.done() and future.result(), 'an answer')
        watcher.wait(lambda: all(watcher.count()[name] > before[name] for name in NAMES),
                     'both cameras going on')
        launch.send_signal(signal.SIGINT)
        watcher.close()
        assert answer.success and answer.instances.header.frame_id in NAMES
        assert len(answer.instances.instances) > 0 and len(answer.overlay.data) > 0
        assert launch.wait(PATIENCE) == 0
    finally:
        for source in sources:
            source.send_signal(signal.SIGINT)
            source.wait(PATIENCE)
