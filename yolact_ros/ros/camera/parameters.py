"""The parameters of the source node: declared once, read once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from yolact_ros.ros.node.parameters import TRANSPORTS, Rule

KINDS = {str: 'text', bool: 'true or false', int: 'a whole number', float: 'a number'}
RELIABILITIES = ('reliable', 'best_effort')


def _start(default: Any, description: str, **limits: Any) -> Any:
    """Return a field whose value is fixed when the node starts."""
    return field(default=default, metadata={'rule': Rule(description, live=False, **limits)})


@dataclass(frozen=True)
class SourceParameters:
    """What the source node plays and how; every one is fixed at the start."""

    source: str = _start(
        'synthetic:conveyor',
        'A folder of pictures, a picture, a video, a rosbag2 (folder, .mcap or .db3), a webcam '
        '(its number or /dev/videoN), a stream (rtsp://...), or synthetic:MODE.')
    rate: float = _start(
        0.0, 'Frames per second; 0: as recorded, a folder 5, synthetic 15.', low=0, high=1000)
    loop: bool = _start(True, 'Begin again at the end; false: stop there with exit code 0.')
    image_transport: str = _start(
        'raw', 'raw: sensor_msgs/Image on image; compressed: JPEG on image/compressed.',
        choices=TRANSPORTS)
    jpeg_quality: int = _start(
        90, 'JPEG quality, 1 to 100, where a picture is not compressed already.',
        low=1, high=100)
    reliability: str = _start(
        'reliable', 'reliable or best_effort. Best effort loses pictures over 512 KiB unless '
        'this process has config/fastdds.xml in FASTDDS_DEFAULT_PROFILES_FILE.',
        choices=RELIABILITIES)
    frame_id: str = _start(
        '', 'Optical frame of the camera; empty: as recorded, else camera_optical_frame.')
    restamp: bool = _start(
        True, 'Stamp with the time of publishing; false: keep the stamps of a bag.')
    publish_clock: bool = _start(
        False, 'Publish every stamp on /clock too, for nodes with use_sim_time.')
    bag_topic: str = _start(
        '', 'Image topic of the bag; empty: the only one, else the first colour one.')
    wait_for_subscriber: float = _start(
        0.0, 'Hold the first frame until somebody listens, at most so long [s].',
        low=0, high=3600)
    width: int = _start(640, 'Width of synthetic scenes [px].',
                        low=32, high=16384)
    height: int = _start(480, 'Height of synthetic scenes [px].',
                         low=32, high=16384)
    seed: int = _start(0, 'Which synthetic scene; the same seed shows the same scene.')
    difficulty: str = _start('easy', 'easy or hard synthetic scenes.', choices=('easy', 'hard'))
    depth: bool = _start(
        False, 'Publish depth/image (16UC1, millimetres) with synthetic scenes.')

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        for item in fields(self):
            item.metadata['rule'].check(item.name, getattr(self, item.name))
        if not self.source:
            raise ValueError('source is empty; pass -p source:=PATH or leave it out')


def declare_parameters(node: Node) -> SourceParameters:
    """
    Declare all parameters on the node and return what the user set.

    Numbers may be written without a decimal point and a webcam as a bare number, hence the
    dynamic typing.

    :raises ValueError: when a value has the wrong type or is out of range.
    """
    values = {}
    for item in fields(SourceParameters):
        descriptor = ParameterDescriptor(description=item.metadata['rule'].description,
                                         read_only=True, dynamic_typing=True)
        value = node.declare_parameter(item.name, item.default, descriptor).value
        values[item.name] = convert(item.name, value, item.default)
    return SourceParameters(**values)


def convert(name: str, value: Any, default: Any) -> Any:
    """
    Return the value as the type of the default, where nothing gets lost by that.

    :raises ValueError: when the value is of another kind.
    """
    wanted = type(default)
    if type(value) is wanted:
        return value
    if not isinstance(value, bool) and isinstance(value, int) and wanted in (float, str):
        return wanted(value)
    raise ValueError(f'parameter {name} must be {KINDS[wanted]}, got {value!r}; '
                     f'its default is {default!r}')
