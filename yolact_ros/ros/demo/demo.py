"""The demo's viewer: says once a second what the segmentation node sees, keeps a few overlays."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import Image
from std_msgs.msg import String

from yolact_ros.files import write_image
from yolact_ros.msg import InstanceMask, InstanceMaskArray
from yolact_ros.ros.demo.score import Region, RunningScore
from yolact_ros.ros.image_codec import decode_image
from yolact_ros.ros.instance_codec import to_bool
from yolact_ros.ros.spin import until_interrupted

IMAGES = 4
NAMED_OBJECTS = 6  # what fits into a line
JOIN_DEPTH = 100  # frames of truth and results that wait for each other


class DemoViewer(Node):
    """Listens to the segmentation node and, where there is one, to the truth."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """
        Subscribe.

        :param folder: where the overlays go; those of an earlier demo there are removed.
        :param seconds: how long the demo will run; the overlays are spread over this time.
        """
        super().__init__('demo_viewer')
        self.score = RunningScore()
        self.latencies_ms: list[float] = []
        self.started: float | None = None
        self.overlays: list[Path] = []
        self._folder, self._seconds = folder, seconds
        self._since_line: list[InstanceMaskArray] = []
        self._truths: dict[int, InstanceMaskArray] = {}
        self._unscored: deque[InstanceMaskArray] = deque(maxlen=JOIN_DEPTH)
        self._known_classes: set[str] = set()
        self._true_classes: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob('overlay_*.png'):
            old.unlink()
        self._subscribe(InstanceMaskArray, 'yolact/instances', self._on_instances, 10)
        self._subscribe(InstanceMaskArray, 'frame_source/truth', self._on_truth, 20)
        self._subscribe(Image, 'yolact/overlay', self._on_overlay, 1)
        self._subscribe(String, 'yolact/class_names', self._on_class_names, 1,
                        DurabilityPolicy.TRANSIENT_LOCAL)

    @property
    def running_for(self) -> float:
        """Seconds since the first result, 0 before it."""
        return time.monotonic() - self.started if self.started is not None else 0.0

    def line(self) -> str:
        """Return what was seen since the last line, and forget it."""
        arrays, self._since_line = self._since_line, []
        self._score_pending()
        if not arrays:
            return f'{self.running_for:3.0f} s   nothing new'
        work_ms = np.median([array.processing_time.sec * 1e3 + array.processing_time.nanosec / 1e6
                             for array in arrays])
        text = (f'{self.running_for:3.0f} s  {len(arrays):3d} frames, '
                f'{np.median(self.latencies_ms[-len(arrays):]):4.0f} ms old '
                f'({work_ms:.0f} ms of it the node): {describe(arrays[-1].instances)}')
        return text + (f'; so far {self.score}' if self.score.frames else '')

    def summary(self) -> str:
        """Return the figures of the whole demo."""
        self._score_pending()
        count = len(self.latencies_ms)
        median, late = np.percentile(self.latencies_ms, (50, 95))
        text = (f'{count} frames in {self.running_for:.1f} s ({count / self.running_for:.1f} Hz); '
                f'from camera to masks {median:.0f} ms (median), {late:.0f} ms (95 %)')
        if self.score.frames:
            text += f'\nagainst the truth: {self.score}'
        if self._known_classes and self._true_classes - self._known_classes:
            text += ('\nof what was shown this model does not know: '
                     + ', '.join(sorted(self._true_classes - self._known_classes)))
        others = self.count_publishers(self.resolve_topic_name('yolact/instances')) - 1
        if others > 0:
            text += (f'\n{others} other publishers of /yolact/instances are mixed in here: '
                     'another demo or node runs; set another ROS_DOMAIN_ID')
        return text + ''.join(f'\noverlay: {path}' for path in self.overlays)

    def why_nothing(self) -> str:
        """Return the likeliest reason for silence."""
        image = self.resolve_topic_name('image')
        if not self.count_publishers(image) + self.count_publishers(f'{image}/compressed'):
            return f'no camera publishes on {image}'
        if not self.count_publishers(self.resolve_topic_name('yolact/instances')):
            return 'no segmentation node publishes on /yolact/instances'
        return 'camera and node run, but no masks arrive; the log of the node says why'

    def _subscribe(self, kind: type, topic: str, callback: Callable, depth: int,
                   durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> None:
        self.create_subscription(kind, topic, callback, QoSProfile(
            depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability))

    def _on_instances(self, array: InstanceMaskArray) -> None:
        if self.started is None:
            self.started = time.monotonic()
        age = self.get_clock().now() - Time.from_msg(array.header.stamp)
        self.latencies_ms.append(age.nanoseconds / 1e6)
        self._since_line.append(array)
        self._unscored.append(array)

    def _on_truth(self, array: InstanceMaskArray) -> None:
        self._truths[stamp_of(array)] = array
        while len(self._truths) > JOIN_DEPTH:
            del self._truths[next(iter(self._truths))]

    def _on_class_names(self, message: String) -> None:
        self._known_classes = set(json.loads(message.data))

    def _on_overlay(self, message: Image) -> None:
        """Save the image when the next of the evenly spread moments has come."""
        moment = self._seconds * (len(self.overlays) + 0.5) / IMAGES
        if len(self.overlays) < IMAGES and self.running_for >= moment:
            path = self._folder / f'overlay_{len(self.overlays) + 1}.png'
            write_image(path, decode_image(message))
            self.overlays.append(path)

    def _score_pending(self) -> None:
        """Score every result whose truth has come."""
        waiting = [array for array in self._unscored if stamp_of(array) not in self._truths]
        for array in self._unscored:
            truth = self._truths.get(stamp_of(array))
            if truth is not None:
                self._true_classes.update(item.class_name for item in truth.instances)
                counted = [item for item in truth.instances if item.score > 0]
                ignored = [item for item in truth.instances if item.score == 0]
                self.score.add(regions(array.instances), regions(counted), regions(ignored))
        self._unscored = deque(waiting, maxlen=JOIN_DEPTH)


def stamp_of(array: InstanceMaskArray) -> int:
    """Return the time of acquisition [ns]."""
    return array.header.stamp.sec * 10 ** 9 + array.header.stamp.nanosec


def regions(instances: Sequence[InstanceMask]) -> list[Region]:
    """Return the masks in the same order."""
    return [Region(item.class_name, item.roi.x_offset, item.roi.y_offset, to_bool(item),
                   distance(item)) for item in instances]


def distance(item: InstanceMask) -> float:
    """Return how far an object is from the camera [m], NaN where nobody knows."""
    return math.hypot(item.position.x, item.position.y, item.position.z)


def describe(instances: Sequence[InstanceMask]) -> str:
    """Return the best objects with their scores, and their distances where they are known."""
    names = [f'{item.class_name} {item.score:.2f}'
             + (f' at {distance(item):.2f} m' if item.depth_points else '')
             for item in instances[:NAMED_OBJECTS]]
    if len(instances) > NAMED_OBJECTS:
        names.append(f'{len(instances) - NAMED_OBJECTS} more')
    return ', '.join(names) or 'no object'


def watch(viewer: DemoViewer, seconds: float, patience: float) -> int:
    """
    Print a line a second for the given time, which begins with the first result.

    :param seconds: length of the demo [s].
    :param patience: how long the first result may take [s].
    :returns: 0, or 1 when nothing came.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(viewer)
    give_up = time.monotonic() + patience
    next_line = 1.0
    print('waiting for the first masks', flush=True)
    while viewer.running_for < seconds:
        executor.spin_once(timeout_sec=0.1)
        if viewer.started is None and time.monotonic() > give_up:
            print(f'nothing to see after {patience:g} s: {viewer.why_nothing()}', file=sys.stderr)
            return 1
        if viewer.running_for >= next_line:
            print(viewer.line(), flush=True)
            next_line += 1.0
    print(viewer.summary(), flush=True)
    return 0


def main(args: list[str] | None = None) -> int:
    """Run the viewer; return its exit code, 0 after a signal."""
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument('--duration', type=float, default=15.0, help='how long to watch [s]')
    parser.add_argument('--patience', type=float, default=60.0, help='for the first result [s]')
    parser.add_argument('--out', type=Path, default=Path('out/demo'), help='folder for overlays')
    options = parser.parse_args(remove_ros_args(args or sys.argv)[1:])
    try:
        return until_interrupted(lambda: _watch_node(args, options))
    except OSError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()


def _watch_node(args: list[str] | None, options: argparse.Namespace) -> int:
    """Make the viewer and watch; rclpy's own handlers would take the middleware from under it."""
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    return watch(DemoViewer(options.out, options.duration), options.duration, options.patience)


if __name__ == '__main__':
    sys.exit(main())
