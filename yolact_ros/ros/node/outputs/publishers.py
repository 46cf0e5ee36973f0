"""The topics of one camera: nothing is made for a topic that nobody subscribes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from yolact_ros.msg import InstanceMaskArray
from yolact_ros.overlay import OverlayStyle, TrackMarks, draw_instances
from yolact_ros.ros.image_codec import encode_image, encode_jpeg
from yolact_ros.ros.node.outputs.vision_messages import VisionMessages
from yolact_ros.structures import Instances

TOPICS = {
    'instances': (InstanceMaskArray, '~/instances', 'All objects of one image with their masks; '
                  'also sent, empty, for an image without objects.'),
    'label_image': (Image, '~/label_image', 'mono8 (mono16 beyond 255 objects): 0 is background, '
                    'else the id of the object; the better score wins a pixel.'),
    'overlay': (Image, '~/overlay', 'bgr8, the image with masks, boxes and names drawn on it.'),
    'overlay_compressed': (CompressedImage, '~/overlay/compressed', 'The overlay as JPEG.'),
}
CLASS_NAMES = (String, '~/class_names', 'Latched: JSON list of class names; the index is '
               'class_id. Sent again after a reload.')

# Reliable suits every subscriber, and large images sent best effort get lost in shared memory.
NEWEST = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                    reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                     reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class Result:
    """
    One image and what was found in it.

    :param header: the input message's header.
    :param rgb: (H, W, 3) uint8.
    :param marks: numbers and trails of the objects; None when they are not followed.
    """

    header: Header
    rgb: np.ndarray
    instances: Instances
    class_names: Sequence[str]
    marks: TrackMarks | None = None


class Publishers:
    """All publishers of results; publishing may happen on another thread than the executor's."""

    def __init__(self, node: LifecycleNode, camera: str,
                 listeners_changed: Callable[[], None]) -> None:
        """
        Advertise the topics.

        :param camera: its name stands before that of every topic; '' for none.
        :param listeners_changed: called when somebody subscribes or leaves (not on Humble).
        """
        self._node, self._camera = node, camera
        self._matched = partial(_matched, listeners_changed)
        self._publishers = {key: self._advertise(kind, topic)
                            for key, (kind, topic, _) in TOPICS.items()}
        self._class_names = self._latch(*CLASS_NAMES[:2])
        self._vision = VisionMessages.if_installed()
        if self._vision is None:
            node.get_logger().info('vision_msgs is not installed: no ~/detections, ~/label_info',
                                   once=True)
        else:
            kind, topic, _ = self._vision.DETECTIONS
            self._publishers['detections'] = self._advertise(self._vision.type_of(kind), topic)
            kind, topic, _ = self._vision.LABEL_INFO
            self._label_info = self._latch(self._vision.type_of(kind), topic)

    def _advertise(self, kind: type, topic: str) -> LifecyclePublisher:
        """Return the publisher of a result."""
        return self._node.create_lifecycle_publisher(
            kind, topic_of(self._camera, topic), NEWEST, event_callbacks=self._matched())

    def _latch(self, kind: type, topic: str) -> LifecyclePublisher:
        """Return the publisher of what is there for who comes late."""
        return self._node.create_lifecycle_publisher(
            kind, topic_of(self._camera, topic), LATCHED)

    @property
    def topics(self) -> list[str]:
        """Return the resolved names of the result topics."""
        return [publisher.topic_name for publisher in self._publishers.values()]

    def wanted(self) -> frozenset[str]:
        """Return the keys of topics that somebody subscribes to."""
        return frozenset(key for key, publisher in self._publishers.items()
                         if publisher.get_subscription_count() > 0)

    def announce(self, class_names: Sequence[str], score_threshold: float) -> None:
        """Publish the latched class names of a model."""
        self._class_names.publish(String(data=json.dumps(list(class_names))))
        if self._vision is not None:
            self._label_info.publish(self._vision.label_info(
                class_names, score_threshold, self._node.get_clock().now().to_msg()))

    def publish_array(self, array: InstanceMaskArray) -> None:
        """Publish the instances."""
        self._publishers['instances'].publish(array)

    def publish_views(self, result: Result, style: OverlayStyle, jpeg_quality: int,
                      wanted: frozenset[str]) -> None:
        """Publish everything that is derived from the instances, as far as it is wanted."""
        if 'detections' in wanted:
            self._publishers['detections'].publish(self._vision.detections(
                result.instances, result.class_names, result.header))
        if 'label_image' in wanted:
            labels = result.instances.label_image()
            self._publishers['label_image'].publish(encode_image(
                labels, 'mono8' if labels.dtype == np.uint8 else 'mono16', result.header))
        if wanted & {'overlay', 'overlay_compressed'}:
            self._publish_overlay(result, style, jpeg_quality, wanted)

    def _publish_overlay(self, result: Result, style: OverlayStyle, jpeg_quality: int,
                         wanted: frozenset[str]) -> None:
        """Draw once, publish raw and compressed."""
        drawn = draw_instances(result.rgb, result.instances, result.class_names, style,
                               result.marks)
        if 'overlay' in wanted:
            self._publishers['overlay'].publish(encode_image(drawn, 'bgr8', result.header))
        if 'overlay_compressed' in wanted:
            self._publishers['overlay_compressed'].publish(
                encode_jpeg(drawn, result.header, jpeg_quality))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (*self._publishers.values(), self._class_names):
            self._node.destroy_lifecycle_publisher(publisher)
        if self._vision is not None:
            self._node.destroy_lifecycle_publisher(self._label_info)


def topic_of(camera: str, topic: str) -> str:
    """Return a camera's own topic: '~/front/overlay' for 'front' and '~/overlay'."""
    return topic.replace('~', f'~/{camera}', 1) if camera else topic


def _matched(changed: Callable[[], None]) -> PublisherEventCallbacks:
    """Return callbacks that tell when subscribers come or go."""
    try:
        return PublisherEventCallbacks(matched=lambda _event: changed())
    except TypeError:  # ROS Humble knows no matched event; the node's timer looks instead
        return PublisherEventCallbacks()
