"""The node `frame_source`: plays images, a video, a bag or synthetic scenes as a camera."""

from __future__ import annotations

import sys
import time

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.arguments import check_arguments, warn_of_foreign_files
from yolact_ros.ros.camera.frames import Frame, Truth
from yolact_ros.ros.camera.messages import (
    depth_message,
    guessed_matrix,
    image_message,
    jpeg_message,
    pinhole,
    size_of,
)
from yolact_ros.ros.camera.pacer import Pacer
from yolact_ros.ros.camera.parameters import SourceParameters
from yolact_ros.ros.camera.sources import open_camera
from yolact_ros.ros.instance_codec import encode_array
from yolact_ros.ros.parameter_table import declare_table
from yolact_ros.ros.spin import Spinning, leave, until_interrupted, with_cure

USAGE = """usage: frame_source [--ros-args [-p source:=PATH] [-p PARAMETER:=VALUE] \\
                    [-r image:=TOPIC] [--params-file FILE] ...]

Plays pictures, a video, a recording or synthetic scenes as a camera. Parameters: ros2 param
describe."""
QUEUE_DEPTH = 10
DEFAULT_FRAME_ID = 'camera_optical_frame'
SAME_ERROR_SECONDS = 10
FLUSH_SECONDS = 2  # how long the last frames may take to reach a slow subscriber


class FrameSource(Node):
    """
    A camera without a camera.

    Publishes `image` (or `image/compressed`), `camera_info` beside it, and for synthetic scenes
    the truth on `~/truth` and on request `depth` beside the image, all with the same header.
    """

    def __init__(self, **node_arguments) -> None:
        """
        Open the source.

        :raises OSError, ValueError, RuntimeError, ImportError: with the cure, when it cannot.
        """
        super().__init__('frame_source', **node_arguments)
        self.parameters = SourceParameters(**declare_table(self, SourceParameters))
        self.source = open_camera(self.parameters)
        self.published = 0
        self._create_publishers()
        self._log_start()

    def play(self) -> None:
        """Publish the source to its end, or for ever when looping."""
        pacer = Pacer(self.parameters.rate, self.source.rate)
        self._wait_for_subscriber()
        while True:
            played = False
            for frame in self.source:
                time.sleep(max(0.0, pacer.due(frame.time, time.monotonic()) - time.monotonic()))
                self._try_publish(frame)
                played = True
            if not played:
                raise ValueError(f"'{self.parameters.source}' has no frames any more")
            if not self.parameters.loop:
                break
        self._images.wait_for_all_acked(Duration(seconds=FLUSH_SECONDS))
        self.get_logger().info(f'end of {self.parameters.source}: {self.published} frames')

    def publish(self, frame: Frame) -> None:
        """Publish the frame on all topics that somebody listens to."""
        header = self._header(frame)
        if self._clocks:
            self._clocks.publish(Clock(clock=header.stamp))
        self._infos.publish(self._camera_info(frame, header))
        if frame.truth is not None and self._truths.get_subscription_count():
            self._truths.publish(truth_message(frame.truth, header))
        if frame.depth is not None and self._depths.get_subscription_count():
            self._depths.publish(depth_message(frame.depth, header,
                                                self.parameters.depth_encoding))
        if self._images.get_subscription_count():
            self._images.publish(self._image_message(frame, header))
        self.published += 1

    def _try_publish(self, frame: Frame) -> None:
        """Publish; a damaged recorded image costs this frame only."""
        try:
            self.publish(frame)
        except ValueError as error:
            self.get_logger().error(f'a frame is left out: {error}',
                                    throttle_duration_sec=SAME_ERROR_SECONDS)

    def _create_publishers(self) -> None:
        """Name the topics after the camera's image topic, as image_transport does."""
        reliability = ReliabilityPolicy[self.parameters.reliability.upper()]
        qos = QoSProfile(depth=QUEUE_DEPTH, reliability=reliability)
        image_topic = self.resolve_topic_name('image')
        beside = image_topic.rpartition('/')[0]
        if self.parameters.image_transport == 'compressed':
            self._images = self.create_publisher(CompressedImage, f'{image_topic}/compressed', qos)
        else:
            self._images = self.create_publisher(Image, image_topic, qos)
        self._infos = self.create_publisher(CameraInfo, f'{beside}/camera_info', qos)
        if self.source.knows_truth:
            self._truths = self.create_publisher(InstanceMaskArray, '~/truth', qos)
        if self.parameters.depth:
            self._depths = self.create_publisher(Image, f'{beside}/depth', qos)
        self._clocks = (self.create_publisher(Clock, '/clock', 10)
                       if self.parameters.publish_clock else None)

    def _log_start(self) -> None:
        rate = f'{self.parameters.rate:g} Hz' if self.parameters.rate else 'its own rate'
        self.get_logger().info(
            f'playing {self.source.description}; on {self._images.topic_name} '
            f'({self.parameters.reliability}) at {rate}')

    def _wait_for_subscriber(self) -> None:
        deadline = time.monotonic() + self.parameters.wait_for_subscriber
        while time.monotonic() < deadline and not self._images.get_subscription_count():
            time.sleep(0.02)

    def _header(self, frame: Frame) -> Header:
        """Return the recorded header or a new one, as the parameters want it."""
        recorded = None if isinstance(frame.image, np.ndarray) else frame.image.header
        frame_id = (self.parameters.frame_id or (recorded.frame_id if recorded else '')
                    or DEFAULT_FRAME_ID)
        if recorded and not self.parameters.restamp:
            return Header(stamp=recorded.stamp, frame_id=frame_id)
        if not self.parameters.restamp:
            self.get_logger().warning('restamp is false, but only bags have recorded stamps: '
                                      'the time of publishing it is', once=True)
        # A node that publishes the clock cannot read it.
        now = Time(nanoseconds=time.time_ns()) if self._clocks else self.get_clock().now()
        if not now.nanoseconds:
            self.get_logger().warning(
                'frames are stamped 0: use_sim_time is on, but nothing publishes /clock; '
                'publish_clock:=true lets this node do it', throttle_duration_sec=5.0)
        return Header(stamp=now.to_msg(), frame_id=frame_id)

    def _image_message(self, frame: Frame, header: Header) -> Image | CompressedImage:
        if self.parameters.image_transport == 'compressed':
            return jpeg_message(frame.image, header, self.parameters.jpeg_quality)
        return image_message(frame.image, header)

    def _camera_info(self, frame: Frame, header: Header) -> CameraInfo:
        """Return what is known of the camera, else a guess that is named once."""
        camera_info = frame.camera_info
        if camera_info is None:
            self.get_logger().info('no calibration known: camera_info is a guess, a pinhole with '
                                   'fx = fy = 0.9 x width and no distortion', once=True)
            size = size_of(frame.image)
            camera_info = pinhole(size, guessed_matrix(size))
        camera_info.header = header
        return camera_info


def truth_message(truth: Truth, header: Header) -> InstanceMaskArray:
    """Return the truth in the form in which the segmentation node publishes what it finds."""
    message = encode_array(truth.instances, truth.class_names, header, model='truth',
                           places=truth.places)
    for instance, track_id in zip(message.instances, truth.track_ids):
        instance.track_id = str(track_id)
    return message


def main(args: list[str] | None = None) -> int:
    """Run the node; return 1 when there is nothing to play."""
    args = sys.argv if args is None else args
    status = check_arguments(args, USAGE)
    if status is not None:
        return status
    try:
        return until_interrupted(lambda: _play(args))
    finally:
        rclpy.try_shutdown()


def _play(args: list[str]) -> int:
    """
    Play to the end; return the exit status.

    The executor has a thread of its own: rclpy's waiting does not survive an interrupt.
    """
    spinning, status = None, 0
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = FrameSource()
        warn_of_foreign_files(node, args)
        spinning = Spinning(node)
        spinning.start()
        node.play()
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        rclpy.logging.get_logger('frame_source').fatal(with_cure(error))
        status = 1
    finally:
        if spinning is not None and not spinning.stop():
            leave(status)
    return status
