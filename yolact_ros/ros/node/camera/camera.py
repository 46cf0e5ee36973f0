"""One camera: everything that it does not share with the others of the node."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from yolact_ros.coded_images import ImageError
from yolact_ros.ros.health.metrics import Metrics
from yolact_ros.ros.node.camera.depth_input import DepthInput
from yolact_ros.ros.node.camera.identity import Identity
from yolact_ros.ros.node.camera.image_input import ImageInput
from yolact_ros.ros.node.camera.newest import Newest
from yolact_ros.ros.node.camera.turns import Turns
from yolact_ros.ros.node.outputs.publishers import Publishers
from yolact_ros.ros.reason import reason_of

REMEMBERED_KINDS = 100


@dataclass(frozen=True)
class Arrival:
    """An image message and when it came [s, monotonic]."""

    message: Image | CompressedImage
    time: float


class Camera:
    """
    The input, the outputs, the books and the tracked objects of one camera.

    Input and outputs belong to the executor's thread, `identity`, `sequence` and `lose` to the
    working thread; the metrics to both.

    :ivar name: '' for the camera of a node that has only one.
    :ivar depth: None where places are not asked for.
    :ivar outputs: None while the node is not configured.
    :ivar calls: how many calls wait for an image of this camera, or for the answer about it.
    """

    def __init__(self, node: LifecycleNode, name: str, transport: str,
                 look_again: Callable[[], None], use_depth: bool = False) -> None:
        """
        Prepare without subscribing or advertising yet.

        :param transport: 'raw' or 'compressed'.
        :param look_again: called when publishers or subscribers come, go or do not fit.
        :param use_depth: whether to listen to depth images too.
        """
        self.name, self._node, self._look_again = name, node, look_again
        prefix = f'{name}/' if name else ''
        self.metrics = Metrics()
        self.input = ImageInput(node, prefix + 'image', transport, self._receive, look_again)
        self.depth = (DepthInput(node, prefix, self.input.topic, look_again) if use_depth
                      else None)
        self.outputs: Publishers | None = None
        self.identity = Identity(self._log)
        self.newest: Newest[tuple[Camera, Arrival]] = Newest()
        self.calls = 0
        self._turns: Turns[Camera, Arrival, Any] | None = None
        self._known: set[Hashable] = set()
        self._sequence, self._reported_drops = 0, 0

    def open(self, turns: Turns[Camera, Arrival, Any]) -> None:
        """
        Advertise the outputs.

        :param turns: where images wait for the worker.
        """
        self.outputs = Publishers(self._node, self.name, self._look_again,
                                  self.depth is not None)
        self._turns, self._sequence = turns, 0

    @property
    def opened(self) -> Publishers:
        """Return the outputs of a configured node."""
        assert self.outputs is not None, 'the node is not configured'
        return self.outputs

    def close(self) -> None:
        """Unsubscribe and take the outputs back."""
        self.unsubscribe()
        if self.outputs is not None:
            self.outputs.destroy()
        self.outputs, self._turns = None, None

    def unsubscribe(self) -> None:
        """Receive nothing any more."""
        self.input.close()
        if self.depth is not None:
            self.depth.close()

    @property
    def label(self) -> str:
        """Return what stands before words about this camera: '' or 'front '."""
        return f'{self.name} ' if self.name else ''

    @property
    def has_listeners(self) -> bool:
        """Return True when somebody subscribes to a result."""
        outputs = self.outputs  # read once: the worker asks too
        return outputs is not None and bool(outputs.wanted())

    def follow(self, active: bool, enabled: bool, qos_rule: str) -> None:
        """Open or close the inputs, as listeners, calls and publishers ask for."""
        wanted = active and enabled and self.has_listeners
        called = active and self.calls > 0
        self.newest.expire()
        self.input.follow(wanted or called, qos_rule)
        if not self.input.is_open:
            self.newest.image = None
        if self.depth is not None:
            self.depth.follow(wanted or called, qos_rule)
        if not wanted and self._turns is not None and self._turns.withdraw(self) is not None:
            self.metrics.drop('unwanted')

    def _receive(self, message: Image | CompressedImage) -> None:
        """Leave an image for the worker; one that it did not get to yet is dropped."""
        self.metrics.arrived(self.age_s(message.header))
        if self._turns is None:
            self.metrics.drop('unwanted')
            return
        arrival = Arrival(message, time.monotonic())
        self.newest.show((self, arrival), self.depth is None or self.depth.is_ready)
        left = self._turns.put(self, arrival)
        if left is not None:
            self.metrics.drop('unwanted' if left is arrival else 'overtaken')

    def age_s(self, header: Header) -> float:
        """Return the seconds since a stamp, NaN for the stamp 0 of cameras without a clock."""
        stamp_ns = header.stamp.sec * 10 ** 9 + header.stamp.nanosec
        now_ns = self._node.get_clock().now().nanoseconds
        return 1e-9 * (now_ns - stamp_ns) if stamp_ns else math.nan

    def count_array(self) -> tuple[int, int]:
        """Return the number of the next array and how many images were skipped before it."""
        sequence, before = self._sequence, self._reported_drops
        self._sequence, self._reported_drops = sequence + 1, self.metrics.dropped
        return sequence, self._reported_drops - before

    def lose(self, error: Exception) -> None:
        """Count an image that an error cost; log the error if it is of a new kind."""
        text = reason_of(error)
        self.metrics.drop('failed', text)
        kind = kind_of(error)
        if kind not in self._known and len(self._known) < REMEMBERED_KINDS:
            self._known.add(kind)
            self._node.get_logger().error(f'image on {self.input.topic} lost: {text}')

    def doubt(self, text: str) -> None:
        """Warn, once, of images that can be read but are hardly what was meant ('': they are)."""
        if text and text not in self._known:
            self._known.add(text)
            self._node.get_logger().warning(f'images on {self.input.topic}: {text}')

    def _log(self, line: str) -> None:
        """Log a line about this camera."""
        self._node.get_logger().info(self.label + line)


def kind_of(error: Exception) -> Hashable:
    """Return what errors of the same fault have in common, whatever numbers are in their text."""
    if isinstance(error, ImageError):
        return error.cause
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else None
    return type(error), place
