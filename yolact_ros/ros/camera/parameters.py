"""The parameters of the source node: declared once, read once."""

from __future__ import annotations

from dataclasses import dataclass

from yolact_ros.ros.image_codec import TRANSPORTS
from yolact_ros.ros.parameter_table import check_table, fixed

DEPTH_ENCODINGS = ('16UC1', '32FC1')
RELIABILITIES = ('reliable', 'best_effort')


@dataclass(frozen=True)
class SourceParameters:
    """What the source node plays and how; every one is fixed at the start."""

    source: str = fixed(
        'synthetic:conveyor',
        'A folder of pictures, a picture, a video, a rosbag2 (folder, .mcap or .db3), a webcam '
        '(its number or /dev/videoN), a stream (rtsp://...), or synthetic:MODE.')
    rate: float = fixed(
        0.0, 'Frames per second; 0: as recorded, a folder 5, synthetic 15.', low=0, high=1000)
    loop: bool = fixed(True, 'Begin again at the end; false: stop there with exit code 0.')
    image_transport: str = fixed(
        'raw', 'raw: sensor_msgs/Image on image; compressed: JPEG on image/compressed.',
        choices=TRANSPORTS)
    jpeg_quality: int = fixed(
        90, 'JPEG quality, 1 to 100, where a picture is not compressed already.',
        low=1, high=100)
    reliability: str = fixed(
        'reliable', 'reliable or best_effort. Best effort loses pictures over 512 KiB unless '
        'this process has config/fastdds.xml in FASTDDS_DEFAULT_PROFILES_FILE.',
        choices=RELIABILITIES)
    frame_id: str = fixed(
        '', 'Optical frame of the camera; empty: as recorded, else camera_optical_frame.')
    restamp: bool = fixed(
        True, 'Stamp with the time of publishing; false: keep the stamps of a bag.')
    publish_clock: bool = fixed(
        False, 'Publish every stamp on /clock too, for nodes with use_sim_time.')
    bag_topic: str = fixed(
        '', 'Image topic of the bag; empty: the largest one in colour, else in grey.')
    wait_for_subscriber: float = fixed(
        0.0, 'Hold the first frame until somebody listens, at most so long [s].',
        low=0, high=3600)
    width: int = fixed(640, 'Width of synthetic scenes [px].',
                        low=32, high=16384)
    height: int = fixed(480, 'Height of synthetic scenes [px].',
                         low=32, high=16384)
    seed: int = fixed(0, 'Which synthetic scene; the same seed shows the same scene.')
    difficulty: str = fixed('easy', 'easy or hard synthetic scenes.', choices=('easy', 'hard'))
    depth: bool = fixed(
        False, 'Publish depth beside image, registered to it, with synthetic scenes.')
    depth_encoding: str = fixed(
        '16UC1', '16UC1: millimetres, 0 where unknown; 32FC1: metres, NaN where unknown.',
        choices=DEPTH_ENCODINGS)

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        check_table(self)
        if not self.source:
            raise ValueError('source is empty; pass -p source:=PATH or leave it out')
