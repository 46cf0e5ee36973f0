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
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header, String
from visualization_msgs.msg import MarkerArray

from yolact_ros.geometry import Places
from yolact_ros.msg import InstanceMaskArray
from yolact_ros.overlay import OverlayStyle, TrackMarks, draw_instances, instance_colors
from yolact_ros.ros.image_codec import encode_image, encode_jpeg
from yolact_ros.ros.node.depth.markers import markers
from yolact_ros.ros.node.depth.point_cloud import point_cloud
from yolact_ros.ros.node.depth.reading import DepthView
from yolact_ros.ros.node.outputs.class_image import HIGHEST, class_image, confidence_image
from yolact_ros.ros.node.outputs.vision_messages import VisionMessages
from yolact_ros.structures import Instances

TOPICS = {
    'instances': (InstanceMaskArray, '~/instances', 'All objects of one image with their masks; '
                  'also sent, empty, for an image without objects.'),
    'label_image': (Image, '~/label_image', 'mono8 (mono16 beyond 255 objects): 0 is background, '
                    'else the id of the object; the better score wins a pixel.'),
    'class_image': (Image, '~/class_image', 'mono8 for costmaps: 0 is nothing, else class id + 1 '
                    'of the object that wins the pixel.'),
    'confidence_image': (Image, '~/confidence_image', 'mono8: 255 x score of that object.'),
    'overlay': (Image, '~/overlay', 'bgr8, the image with masks, boxes and names drawn on it.'),
    'overlay_compressed': (CompressedImage, '~/overlay/compressed', 'The overlay as JPEG.'),
}
# Advertised where use_depth is true.
DEPTH_TOPICS = {
    'points': (PointCloud2, '~/points', 'With `use_depth`: organised like the image, x y z rgb '
               'and uint16 instance (id, 0: none) and class_id (65535: none).'),
    'markers': (MarkerArray, '~/markers', 'With `use_depth`: box and name of every object whose '
                'place is known, for RViz.'),
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
    :param places: of the objects; None when nobody looks for them.
    :param view: the depth image; None when there is none for this image.
    """

    header: Header
    rgb: np.ndarray
    instances: Instances
    class_names: Sequence[str]
    marks: TrackMarks | None = None
    places: Places | None = None
    view: DepthView | None = None

    @property
    def track_ids(self) -> Sequence[int]:
        """Return the number of every object, or none when they are not followed."""
        return () if self.marks is None else self.marks.ids.tolist()


class Publishers:
    """All publishers of results; publishing may happen on another thread than the executor's."""

    def __init__(self, node: LifecycleNode, camera: str,
                 listeners_changed: Callable[[], None], with_depth: bool = False) -> None:
        """
        Advertise the topics.

        :param camera: its name stands before that of every topic; '' for none.
        :param listeners_changed: called when somebody subscribes or leaves (not on Humble).
        :param with_depth: also those of places in space.
        """
        self._node, self._camera = node, camera
        self._matched = partial(_matched, listeners_changed)
        self._publishers = {key: self._advertise(kind, topic)
                            for key, (kind, topic, _) in
                            (TOPICS | (DEPTH_TOPICS if with_depth else {})).items()}
        self._class_names = self._latch(*CLASS_NAMES[:2])
        self._vision = VisionMessages.if_installed()
        if self._vision is None:
            node.get_logger().info('vision_msgs is not installed: no ~/detections, ~/label_info',
                                   once=True)
        else:
            kind, topic, _ = self._vision.DETECTIONS
            self._publishers['detections'] = self._advertise(self._vision.type_of(kind), topic)
            self._label_info, self._class_image_info = (
                self._latch(self._vision.type_of(kind), topic) for kind, topic, _ in
                (self._vision.LABEL_INFO, self._vision.CLASS_IMAGE_INFO))
            if with_depth:
                kind, topic, _ = self._vision.DETECTIONS_3D
                self._publishers['detections_3d'] = self._advertise(self._vision.type_of(kind),
                                                                     topic)

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
            stamp = self._node.get_clock().now().to_msg()
            self._label_info.publish(self._vision.label_info(
                class_names, score_threshold, stamp))
            self._class_image_info.publish(self._vision.label_info(
                class_names[:HIGHEST], score_threshold, stamp, first=1))

    def publish_array(self, array: InstanceMaskArray) -> None:
        """Publish the instances."""
        self._publishers['instances'].publish(array)

    def publish_views(self, result: Result, style: OverlayStyle, jpeg_quality: int,
                      wanted: frozenset[str]) -> None:
        """Publish everything that is derived from the instances, as far as it is wanted."""
        if 'detections' in wanted and self._vision is not None:
            self._publishers['detections'].publish(self._vision.detections(
                result.instances, result.class_names, result.header, result.track_ids))
        if wanted & {'label_image', 'class_image', 'confidence_image'}:
            self._publish_pixels(result, wanted)
        if wanted & {'overlay', 'overlay_compressed'}:
            self._publish_overlay(result, style, jpeg_quality, wanted)

    def _publish_pixels(self, result: Result, wanted: frozenset[str]) -> None:
        """Publish what has one value for every pixel."""
        instances, labels = result.instances, result.instances.label_image()
        if 'label_image' in wanted:
            self._publishers['label_image'].publish(encode_image(
                labels, 'mono8' if labels.dtype == np.uint8 else 'mono16', result.header))
        if 'class_image' in wanted:
            self._publishers['class_image'].publish(encode_image(
                class_image(instances, labels), 'mono8', result.header))
        if 'confidence_image' in wanted:
            self._publishers['confidence_image'].publish(encode_image(
                confidence_image(instances, labels), 'mono8', result.header))

    def _publish_overlay(self, result: Result, style: OverlayStyle, jpeg_quality: int,
                         wanted: frozenset[str]) -> None:
        """Draw once, publish raw and compressed."""
        drawn = draw_instances(result.rgb, result.instances, result.class_names, style,
                               result.marks,
                               () if result.places is None else result.places.distances)
        if 'overlay' in wanted:
            self._publishers['overlay'].publish(encode_image(drawn, 'bgr8', result.header))
        if 'overlay_compressed' in wanted:
            self._publishers['overlay_compressed'].publish(
                encode_jpeg(drawn, result.header, jpeg_quality))

    def publish_places(self, result: Result, style: OverlayStyle, background: bool,
                       wanted: frozenset[str]) -> None:
        """
        Publish what there is to see in space, as far as it is wanted.

        :param background: whether points beside the objects are wanted too.
        """
        if 'points' in wanted and result.view is not None:
            self._publishers['points'].publish(point_cloud(
                result.view, result.rgb, result.instances, result.header, background))
        if 'markers' in wanted and result.places is not None:
            self._publishers['markers'].publish(markers(
                result.places, result.instances, result.class_names,
                instance_colors(result.instances, style, result.marks), result.track_ids,
                result.header))
        if 'detections_3d' in wanted and self._vision is not None and result.places is not None:
            self._publishers['detections_3d'].publish(self._vision.detections_3d(
                result.places, result.instances, result.class_names, result.header,
                result.track_ids))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (*self._publishers.values(), self._class_names):
            self._node.destroy_lifecycle_publisher(publisher)
        if self._vision is not None:
            self._node.destroy_lifecycle_publisher(self._label_info)
            self._node.destroy_lifecycle_publisher(self._class_image_info)


def topic_of(camera: str, topic: str) -> str:
    """Return a camera's own topic: '~/front/overlay' for 'front' and '~/overlay'."""
    return topic.replace('~', f'~/{camera}', 1) if camera else topic


def _matched(changed: Callable[[], None]) -> PublisherEventCallbacks:
    """Return callbacks that tell when subscribers come or go."""
    try:
        return PublisherEventCallbacks(matched=lambda _event: changed())
    except TypeError:  # ROS Humble knows no matched event; the node's timer looks instead
        return PublisherEventCallbacks()
