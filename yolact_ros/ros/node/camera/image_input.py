"""The image subscription: raw or compressed, open only when wanted, QoS as publishers offer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from yolact_ros.ros.health.watchdog import Endpoint

TYPES = {'raw': Image, 'compressed': CompressedImage}
TYPE_NAMES = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}


class ImageInput:
    """
    Subscribes to the camera as long as somebody wants its images.

    All methods belong to the executor's thread.

    :ivar name: relative topic of the raw images, before remapping.
    """

    def __init__(self, node: Node, name: str, transport: str, receive: Callable[[object], None],
                 look_again: Callable[[], None], queue: int = 1) -> None:
        """
        Prepare without subscribing yet.

        :param name: relative topic of the raw images, before remapping.
        :param transport: 'raw' or 'compressed'.
        :param receive: gets every message.
        :param look_again: called when publishers come, go or do not fit; must only arrange for
            `follow` to be called soon.
        :param queue: how many messages may wait; of images an older one would only be late.
        """
        self.name = name
        self._node, self._receive, self._look_again = node, receive, look_again
        self._queue = queue
        self._type, self.type_name = TYPES[transport], TYPE_NAMES[transport]
        self._name = input_name(node.resolve_topic_name(name), transport)
        self.topic = node.resolve_topic_name(self._name)
        self._subscription: Subscription | None = None
        self.reliable, self.arrived = False, False
        self.image_bytes = 0  # of the newest image
        self.lost = 0  # images that the middleware knows of but could not deliver
        self._last_sign = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Return the seconds since the newest image, or since the input was opened."""
        return time.monotonic() - self._last_sign

    @property
    def is_open(self) -> bool:
        """Return True while subscribed."""
        return self._subscription is not None

    def publishers(self) -> list[Endpoint]:
        """Return who publishes on the topic, whatever the type."""
        return [Endpoint(each.node_name, each.topic_type,
                         each.qos_profile.reliability == ReliabilityPolicy.RELIABLE)
                for each in self._node.get_publishers_info_by_topic(self.topic)]

    def follow(self, wanted: bool, rule: str) -> None:
        """
        Subscribe, subscribe anew with another QoS, or unsubscribe, as needed now.

        :param rule: 'auto', 'reliable' or 'best_effort'.
        """
        if not wanted:
            self.close()
            return
        reliable = choose_reliable(rule, [each.reliable for each in self.publishers()
                                          if each.type_name == self.type_name])
        if reliable is None:
            reliable = self.is_open and self.reliable
        if self.is_open and reliable == self.reliable:
            return
        self.close()
        self._open(reliable)

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _open(self, reliable: bool) -> None:
        """Subscribe."""
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=self._queue,
                         reliability=ReliabilityPolicy.RELIABLE if reliable
                         else ReliabilityPolicy.BEST_EFFORT)
        self.reliable, self.arrived = reliable, False
        try:
            self._subscription = self._node.create_subscription(
                self._type, self._name, self._on_message, qos, event_callbacks=self._events())
        except RuntimeError:
            # This very process has the topic with another type; the watchdog will tell.
            return
        self._last_sign = time.monotonic()

    def _on_message(self, message: Image | CompressedImage) -> None:
        """Hand a message on."""
        self._last_sign, self.arrived = time.monotonic(), True
        self.image_bytes = len(message.data)
        self._receive(message)

    def _events(self) -> SubscriptionEventCallbacks:
        """Return callbacks for lost images and for all that may ask for another QoS."""
        def look(_event: object) -> None:
            self._look_again()

        def count(event: Any) -> None:
            self.lost += event.total_count_change

        common: dict[str, Any] = {'incompatible_qos': look, 'message_lost': count}
        try:
            return SubscriptionEventCallbacks(**common, matched=look)
        except TypeError:  # ROS Humble knows no matched event; the node's timer looks instead
            return SubscriptionEventCallbacks(**common)


def choose_reliable(rule: str, offers: Sequence[bool]) -> bool | None:
    """
    Return whether to subscribe reliable; None when there is nothing to go by.

    Reliable is chosen as soon as every publisher offers it, because large images sent best
    effort get lost in Fast DDS' shared memory. Best effort matches both kinds.

    :param rule: 'auto', 'reliable' or 'best_effort'.
    :param offers: for each publisher whether it is reliable.
    """
    if rule != 'auto':
        return rule == 'reliable'
    return all(offers) if offers else None


def input_name(image_topic: str, transport: str) -> str:
    """Return the topic to subscribe to, as image_transport names it."""
    if transport == 'raw' or image_topic.endswith('/compressed'):
        return image_topic
    return image_topic + '/compressed'
