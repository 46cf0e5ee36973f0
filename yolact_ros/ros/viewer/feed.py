"""Topics of the node, subscribed to only while somebody looks at what they carry."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage

from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.viewer.remote_parameters import RemoteParameters
from yolact_ros.ros.viewer.reports import choice_of_cameras, health, objects

# Best effort: the node owes this reader nothing, not even a resent image.
NEWEST = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                    reliability=ReliabilityPolicy.BEST_EFFORT)
JPEG_START = b'\xff\xd8'
SILENCE_S = 3.0  # of the diagnostics, which come once a second: then the node was away
Tell = Callable[[str, Any], None]


class Feed:
    """
    Subscribes for those who look, and hands on what they shall see.

    All methods but `do` belong to the executor's thread.
    """

    def __init__(self, node: Node, source: str, camera: str, tell: Tell) -> None:
        """
        Subscribe to what costs the node nothing.

        :param source: fully resolved name of the segmentation node.
        :param camera: name of one of its cameras, '' where it has a single one.
        :param tell: gets the kind of a thing and the thing: 'image' as JPEG, 'objects',
            'health', 'parameters'.
        """
        self._node, self._tell = node, tell
        self._base = node.resolve_topic_name(f'{source}/{camera}' if camera else source)
        self._name = f'{source.lstrip("/")}: ' + (f'{camera} ' if camera else '')
        self._image: Subscription | None = None
        self._instances: Subscription | None = None
        self._heard = -SILENCE_S
        self._jobs: deque[Callable[[], None]] = deque()
        self._wake = node.create_guard_condition(self._work)
        self.parameters = RemoteParameters(node, source, self._on_parameters)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def do(self, job: Callable[[], None]) -> None:
        """Have something done on the executor's thread, from any other."""
        self._jobs.append(job)
        self._wake.trigger()

    def show_image(self, wanted: bool) -> None:
        """Subscribe to the overlay, or leave it."""
        self._image = self._follow(wanted, self._image, CompressedImage, 'overlay/compressed',
                                   self._on_image)

    def show_objects(self, wanted: bool) -> None:
        """Subscribe to the objects, or leave them."""
        self._instances = self._follow(wanted, self._instances, InstanceMaskArray, 'instances',
                                       self._on_instances)
        if wanted:
            self.parameters.ask()

    def _follow(self, wanted: bool, now: Subscription | None, kind: type, topic: str,
                receive: Callable[[Any], None]) -> Subscription | None:
        """Return a subscription where one is wanted, after taking away one that is not."""
        if wanted and now is None:
            return self._node.create_subscription(kind, f'{self._base}/{topic}', receive, NEWEST)
        if not wanted and now is not None:
            self._node.destroy_subscription(now)
        return now if wanted else None

    def _work(self) -> None:
        """Do what others have asked for."""
        while self._jobs:
            self._jobs.popleft()()

    def _on_image(self, message: CompressedImage) -> None:
        """Hand on an image as it is."""
        jpeg = bytes(message.data)
        if jpeg.startswith(JPEG_START):
            self._tell('image', jpeg)

    def _on_instances(self, array: InstanceMaskArray) -> None:
        """Hand on the rows of the table."""
        color_by = self.parameters.values.get('overlay_color_by', 'class')
        self._tell('objects', objects(array, color_by))

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        """Hand on how the node is; ask for its parameters when it is back."""
        report = (health(array.status, self._name)
                  or choice_of_cameras(array.status, self._name))
        if report is None:
            return
        self._tell('health', report)
        if time.monotonic() - self._heard >= SILENCE_S:
            self.parameters.ask()
        self._heard = time.monotonic()

    def _on_parameters(self, values: Mapping[str, Any]) -> None:
        """Hand on all parameters."""
        self._tell('parameters', values)
