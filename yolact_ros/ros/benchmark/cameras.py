"""
What more cameras and calls cost: python -m yolact_ros.ros.benchmark.cameras.

Nodes with one, two and four cameras run side by side, each a process with the same model. A
consumer gives every camera of one node an image, waits for all results, goes to the next node,
and begins again: so a busy machine slows all of them alike. Then it calls ~/segment of the first,
alone and beside a stream.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.health.watchdog import fastdds_profile, profile_variable
from yolact_ros.ros.image_codec import encode_image
from yolact_ros.scenes import scene
from yolact_ros.srv import Segment

COUNTS = (1, 2, 4)
WARM_UP, PATIENCE_S = 3, 120.0
NODE = """
import resource, sys
from yolact_ros.ros.node import node
from yolact_ros.ros.spin import run

class Reporting(node.YolactNode):
    def stop(self):
        stages = [camera.metrics.figures().stage_ms for camera in self.cameras]
        network = sum(each.get('network', 0.0) for each in stages) / len(stages)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f'{network} {memory}', flush=True)
        return super().stop()

sys.exit(run(lambda: Reporting(node._open_predictor), sys.argv))
"""


class Consumer(Node):
    """Publishes one image to each camera of a node at a time and waits for what comes back."""

    def __init__(self, image: Image) -> None:
        """:param image: what every camera shows."""
        super().__init__('benchmark')
        self._image, self._spinner = image, SingleThreadedExecutor()
        self._spinner.add_node(self)
        self._cameras = {count: [self._camera(count, index) for index in range(count)]
                         for count in COUNTS}
        self._waiting: set[tuple[int, int]] = set()
        self._client: Client = self.create_client(Segment, f'/cameras_{COUNTS[0]}/yolact/segment')

    def _camera(self, count: int, index: int) -> Publisher:
        """Return the publisher of a camera, with a subscription to its results."""
        self.create_subscription(
            InstanceMaskArray, f'/cameras_{count}/yolact/camera_{index}/instances',
            lambda _: self._waiting.discard((count, index)), 1)
        return self.create_publisher(Image, f'/cameras_{count}/camera_{index}/image', 1)

    def settle(self) -> None:
        """Wait until every camera is received and the service is there."""
        cameras = [camera for group in self._cameras.values() for camera in group]
        self._spin_until(lambda: all(camera.get_subscription_count() for camera in cameras)
                         and self._client.service_is_ready())

    def round(self, count: int) -> float:
        """Return how long one image for each camera of a node takes [ms]."""
        self._stamp()
        self._waiting = {(count, index) for index in range(count)}
        start = time.perf_counter()
        for camera in self._cameras[count]:
            camera.publish(self._image)
        self._spin_until(lambda: not self._waiting)
        return 1e3 * (time.perf_counter() - start)

    def call(self, beside_stream: bool) -> float:
        """Return how long a call of ~/segment takes [ms]."""
        self._stamp()
        if beside_stream:
            self._cameras[COUNTS[0]][0].publish(self._image)
        start = time.perf_counter()
        answer = self._client.call_async(Segment.Request(image=self._image))
        self._spin_until(answer.done)
        result: Any = answer.result()
        assert result.success, result.message
        return 1e3 * (time.perf_counter() - start)

    def _stamp(self) -> None:
        """Give the image the time of now."""
        self._image.header.stamp = self.get_clock().now().to_msg()

    def _spin_until(self, done: Callable[[], bool]) -> None:
        """Spin until something has happened."""
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError('no answer of the node; see its log above')
            self._spinner.spin_once(timeout_sec=0.1)


def main() -> int:
    """Run the benchmark and print its tables."""
    options = parse_arguments()
    os.environ[profile_variable()] = fastdds_profile()
    image = encode_image(scene(0, size=(options.height, options.width)).image, 'rgb8', Header())
    nodes = {count: start_node(count, options.weights) for count in COUNTS}
    rclpy.init()
    consumer = Consumer(image)
    try:
        consumer.settle()
        rounds = [[consumer.round(count) for count in COUNTS]
                  for _ in range(WARM_UP + options.rounds)][WARM_UP:]
        calls = [[consumer.round(COUNTS[0]), consumer.call(False), consumer.call(True)]
                 for _ in range(options.rounds)]
    finally:
        reports = {count: stop_node(node) for count, node in nodes.items()}
        consumer.destroy_node()
        rclpy.try_shutdown()
    print_tables(np.array(rounds), np.array(calls), reports)
    return 0


def start_node(count: int, weights: str) -> subprocess.Popen:
    """Return a running node with so many cameras."""
    names = ', '.join(f"'camera_{index}'" for index in range(count))
    return subprocess.Popen(
        [sys.executable, '-c', NODE, '--ros-args', '-r', f'__ns:=/cameras_{count}',
         '-p', f'cameras:=[{names}]', '-p', f'weights:={weights}', '--log-level', 'warn'],
        stdout=subprocess.PIPE, text=True)


def stop_node(node: subprocess.Popen) -> tuple[float, float]:
    """Return a node's median network time [ms] and peak memory [MiB], and end it."""
    node.send_signal(signal.SIGINT)
    report = node.communicate(timeout=PATIENCE_S)[0].split()
    return float(report[-2]), float(report[-1])


def print_tables(rounds: np.ndarray, calls: np.ndarray,
                 reports: dict[int, tuple[float, float]]) -> None:
    """
    Print what was measured as Markdown.

    :param rounds: (R, cameras) ms.
    :param calls: (R, 3) ms, an image of a stream, calls without and with one.
    :param reports: cameras -> network ms, memory MiB.
    """
    single, (_, memory) = rounds[:, 0], reports[COUNTS[0]]
    print('| cameras | round [ms] | of so many single images | network, an image [ms] | '
          'peak memory [MiB] | of one camera |\n' + '| --- ' * 6 + '|')
    for count, times in zip(COUNTS, rounds.T):
        ratio = np.median(times / (count * single))
        network, peak = reports[count]
        print(f'| {count} | {np.median(times):.1f} | {ratio:.2f} | {network:.1f} | {peak:.0f} | '
              f'{peak / memory:.2f} |')
    print('\n| call of ~/segment | p50 [ms] | p95 [ms] |\n' + '| --- ' * 3 + '|')
    names = ('one image of a stream, for comparison', 'without a stream',
             'an image came just before')
    for name, times in zip(names, calls.T):
        median, high = np.percentile(times, (50, 95))
        print(f'| {name} | {median:.1f} | {high:.1f} |')


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(prog='cameras_benchmark', description=__doc__)
    parser.add_argument('--weights', default='demo', help='model of all nodes')
    parser.add_argument('--rounds', type=int, default=50, help='rounds to measure')
    parser.add_argument('--height', type=int, default=480, help='[px]')
    parser.add_argument('--width', type=int, default=640, help='[px]')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
