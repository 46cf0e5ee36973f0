"""
What the node adds to the network: python -m yolact_ros.ros.benchmark.node.

Two processes with real DDS between them: one is camera and consumer, one is the node with a model
that answers at once with the same 20 instances.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from yolact_ros.config import PostprocessConfig
from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.health.metrics import Figures
from yolact_ros.ros.health.watchdog import fastdds_profile, profile_variable
from yolact_ros.ros.image_codec import encode_image
from yolact_ros.ros.node.node import YolactNode
from yolact_ros.ros.spin import run
from yolact_ros.structures import ImageSize, Instances

SIZE = ImageSize(720, 1280)
WARM_UP = 30


class InstantPredictor:
    """Finds the same ellipses in every image, in no time."""

    class_names, description = ('thing',), 'no network'

    def __init__(self, count: int) -> None:
        """:param count: instances in every image."""
        self.postprocess = PostprocessConfig()
        self.stage_ms: dict[str, float] = {}
        self._instances = ellipses(count)

    def predict(self, rgb: np.ndarray) -> Instances:
        """Return the instances, or none for an image of another size."""
        size = ImageSize(*rgb.shape[:2])
        return self._instances if size == SIZE else Instances.empty(size)


def ellipses(count: int) -> Instances:
    """Return objects of 240 x 160 pixels all over the image."""
    random = np.random.default_rng(0)
    height, width = 160, 240
    y, x = np.mgrid[-1:1:complex(height), -1:1:complex(width)]
    corners = random.integers(0, (SIZE.width - width, SIZE.height - height), (count, 2))
    rois = np.hstack([corners, corners + (width, height)]).astype(np.int32)
    scores = np.linspace(0.9, 0.4, count, dtype=np.float32)
    return Instances(SIZE, rois.astype(np.float32), scores, np.ones(count, np.float32), scores,
                     np.zeros(count, np.int64), rois, (x ** 2 + y ** 2 < 1,) * count)


class ReportingNode(YolactNode):
    """Prints its figures when it stops."""

    def stop(self) -> bool:
        """Stop and print."""
        print(describe(self.status.figures), flush=True)
        return super().stop()


def describe(figures: Figures) -> str:
    """Return the node's own figures."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    stages = ', '.join(f'{stage} {time:.2f}' for stage, time in figures.stage_ms.items())
    return (f'node: {figures.processed} images, from arrival to published array p50 '
            f'{figures.latency_ms[0]:.2f} ms, p95 {figures.latency_ms[1]:.2f} ms; stages [ms]: '
            f'{stages}; peak memory {memory:.0f} MiB')


class Consumer(Node):
    """Publishes images at a rate and measures when the instances come."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Advertise and subscribe."""
        super().__init__('benchmark')
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
                         if options.best_effort else ReliabilityPolicy.RELIABLE)
        self._camera = self.create_publisher(Image, 'image', qos)
        self.create_subscription(InstanceMaskArray, 'yolact/instances', self._receive, 1)
        if options.overlay:
            self.create_subscription(Image, 'yolact/overlay', lambda _: None, 1)
        image = np.random.default_rng(0).integers(0, 256, (SIZE.height, SIZE.width, 3), np.uint8)
        self._image = encode_image(image, 'bgr8', Image().header)
        self.sent = 0
        self.latency_ms: list[float] = []
        self.create_timer(1 / options.rate, self._send)

    def _send(self) -> None:
        """Publish an image."""
        self._image.header.stamp = self.get_clock().now().to_msg()
        self._camera.publish(self._image)
        self.sent += 1

    def _receive(self, array: InstanceMaskArray) -> None:
        """Note how long the way of an image took."""
        stamp = array.header.stamp
        now = self.get_clock().now().nanoseconds
        self.latency_ms.append(1e-6 * (now - stamp.sec * 10 ** 9 - stamp.nanosec))


def main() -> int:
    """Run the benchmark and print its result."""
    options = parse_arguments()
    if options.node:
        open_predictor: Any = lambda *_, **__: InstantPredictor(options.count)  # noqa: E731
        return run(lambda: ReportingNode(open_predictor), [])
    if options.profile:
        os.environ[profile_variable()] = fastdds_profile()
    node = subprocess.Popen([sys.executable, '-m', 'yolact_ros.ros.benchmark.node', '--node',
                             '--count', str(options.count)])
    rclpy.init()
    consumer = Consumer(options)
    try:
        wait_for(consumer, lambda: len(consumer.latency_ms) >= options.frames + WARM_UP)
    finally:
        node.send_signal(signal.SIGINT)
        node.wait()
        latency = np.percentile(consumer.latency_ms[WARM_UP:] or [np.nan], (50, 95))
        print(f'from publishing an image to its instances: p50 {latency[0]:.1f} ms, p95 '
              f'{latency[1]:.1f} ms; {len(consumer.latency_ms)} of {consumer.sent} images')
        consumer.destroy_node()
        rclpy.try_shutdown()
    return 0


def wait_for(node: Consumer, done: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Spin until done or until nothing has come for too long."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    before, deadline = 0, time.monotonic() + patience_s
    while not done() and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
        if len(node.latency_ms) > before:
            before, deadline = len(node.latency_ms), time.monotonic() + patience_s


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(prog='node_benchmark', description=__doc__)
    parser.add_argument('--frames', type=int, default=300, help='images to measure')
    parser.add_argument('--rate', type=float, default=30.0, help='images per second')
    parser.add_argument('--count', type=int, default=20, help='instances per image')
    parser.add_argument('--overlay', action='store_true', help='subscribe to the overlay too')
    parser.add_argument('--best-effort', action='store_true', help='publish images best effort')
    parser.add_argument('--no-profile', dest='profile', action='store_false',
                        help='leave the middleware at its defaults')
    parser.add_argument('--node', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
