"""Depth beside a camera's images: received while it is wanted, asked once for every image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from yolact_ros.geometry import Places, lift
from yolact_ros.ros.health.watchdog import Finding, Level, fastdds_profile, profile_variable
from yolact_ros.ros.node.camera.image_input import ImageInput
from yolact_ros.ros.node.depth.pairing import RING, DepthError, DepthPairing
from yolact_ros.ros.node.depth.reading import DepthView, distorts, read_view
from yolact_ros.structures import Instances

# Matches every publisher; the message is too small to get lost.
NEWEST_INFO = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=ReliabilityPolicy.BEST_EFFORT)
IDLE = Finding(Level.OK, 'idle', 'no picture has asked for depth yet')


@dataclass(frozen=True, eq=False)
class Located:
    """
    Where the objects of an image are.

    :param view: None when there is no depth for this image; then all places are unknown.
    """

    places: Places
    view: DepthView | None = None


class DepthInput:
    """
    The topics depth and camera_info of one camera, and the places they give.

    `expect` and `locate` belong to the working thread, all else to the executor's.

    :ivar paired: images that got a depth image since the start.
    :ivar unpaired: images that did not.
    """

    def __init__(self, node: Node, prefix: str, image_topic: str,
                 look_again: Callable[[], None]) -> None:
        """
        Prepare without subscribing yet.

        :param prefix: '' or the camera's name and a slash.
        :param image_topic: resolved; image_rect... are rectified.
        :param look_again: called when publishers of depth come, go or do not fit.
        """
        self._node = node
        self._pairing = DepthPairing(node.resolve_topic_name(prefix + 'depth'))
        self._input = ImageInput(node, prefix + 'depth', 'raw', self._pairing.add, look_again,
                                 queue=RING)  # the partner of an image that waited, too
        self._info_name = prefix + 'camera_info'
        self.info_topic = node.resolve_topic_name(self._info_name)
        self._rectified = 'image_rect' in image_topic
        self._info: CameraInfo | None = None
        self._infos: Subscription | None = None
        self._finding = IDLE
        self.paired, self.unpaired = 0, 0

    def follow(self, wanted: bool, qos_rule: str) -> None:
        """Open or close both subscriptions, as needed now."""
        if not wanted:
            self.close()
            return
        if self._infos is None:
            self._pairing.open()
            self._infos = self._node.create_subscription(
                CameraInfo, self._info_name, self._on_info, NEWEST_INFO)
        self._input.follow(True, qos_rule)

    @property
    def is_ready(self) -> bool:
        """Return whether an image that comes now can have places."""
        return self._infos is not None and self._info is not None and self._pairing.has_images

    def close(self) -> None:
        """Unsubscribe; the calibration stays known."""
        self._input.close()
        if self._infos is not None:
            self._node.destroy_subscription(self._infos)
        self._infos, self._finding = None, IDLE

    def _on_info(self, message: CameraInfo) -> None:
        """Keep the newest calibration; say when it is another one than before."""
        before, self._info = self._info, message
        if before is not None and _numbers(before) != _numbers(message):
            self._node.get_logger().info(f'the calibration on {self.info_topic} has changed: '
                                         'places follow the new one')

    # the working thread

    def expect(self, header: Header) -> None:
        """Keep the depth image of an image from now on, while the network works on that."""
        self._pairing.expect(header)

    def locate(self, instances: Instances, header: Header, arrival: float,
               slop_s: float) -> Located:
        """
        Return where the objects of the expected image are.

        :param arrival: when the image came [s, monotonic]; its depth is waited for until slop_s
            later, not longer.
        """
        try:
            depth = self._pairing.partner(slop_s, arrival + slop_s)
            view = read_view(depth, self._calibration(), header, instances.image_size,
                             self._rectified)
        except DepthError as error:
            self.unpaired += 1
            self._finding = Finding(Level.WARN, error.cause, str(error))
            return Located(Places.unknown(len(instances)))
        self.paired += 1
        self._finding = self._healthy()
        return Located(lift(instances, view.depth_m, view.matrix), view)

    def _calibration(self) -> CameraInfo:
        """Return the newest one."""
        if self._info is None:
            raise DepthError('no calibration', f'no camera_info has arrived on {self.info_topic}; '
                             'start the driver with its calibration, or name its topic '
                             f'({self._renaming(self._info_name)})')
        return self._info

    def _healthy(self) -> Finding:
        """Return what is to be said of an image with depth."""
        if distorts(self._info) and not self._rectified:
            return Finding(Level.WARN, 'distorted', f'the lens on {self.info_topic} bends lines, '
                           'and the picture is not rectified: places are wrong towards the rim; '
                           'run image_proc and take image_rect')
        return Finding(Level.OK, 'running', f'places come from {self._input.topic}')

    # diagnostics

    def finding(self) -> Finding:
        """Return how it went with the newest image; silence is looked into."""
        finding = self._finding
        if finding.cause != 'no depth':
            return finding
        return Finding(finding.level, finding.cause, self._why_silent())

    def values(self) -> dict[str, str]:
        """Return the diagnostics' values about depth."""
        return {'topic': self._input.topic, 'camera_info': self.info_topic,
                'publishers': ', '.join(sorted({each.node
                                                for each in self._input.publishers()})),
                'with depth': str(self.paired), 'without depth': str(self.unpaired)}

    def _why_silent(self) -> str:
        """Return why no depth image arrives."""
        topic, publishers = self._input.topic, self._input.publishers()
        if not publishers:
            return (f"no publisher on {topic}; start the camera's depth stream, or name its topic "
                    f'({self._renaming(self._input.name)})')
        names = ', '.join(sorted({each.node for each in publishers}))
        types = {each.type_name for each in publishers}
        if self._input.type_name not in types:
            return (f'{topic} carries {", ".join(sorted(types))} (from {names}), not '
                    f'{self._input.type_name}; name the topic of the raw depth picture')
        return (f'{names} announces {topic}, but nothing arrives: it sends nothing, or its '
                'pictures do not fit the shared memory of the sender; start the camera with '
                f'{profile_variable()}={fastdds_profile()}, or let it publish reliable')

    @staticmethod
    def _renaming(name: str) -> str:
        """Return how to name a topic; the launch argument is that of a lone camera."""
        return f'-r {name}:=' if '/' in name else f'{name}_topic:=, or -r {name}:='


def _numbers(message: CameraInfo) -> tuple:
    """Return what of a calibration places depend on."""
    roi = message.roi
    return (message.height, message.width, tuple(message.k), tuple(message.p), tuple(message.d),
            message.binning_x, message.binning_y, roi.x_offset, roi.y_offset, roi.height,
            roi.width)
