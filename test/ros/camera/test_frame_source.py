"""The source node as a process of its own, heard through real DDS."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.camera.frame_source import main
from yolact_ros.ros.camera.messages import depth_message
from yolact_ros.ros.camera.pacer import Pacer
from yolact_ros.ros.image_codec import decode_compressed, decode_image
from yolact_ros.ros.instance_codec import to_bool
from yolact_ros.scenes import CLASS_NAMES, scene

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 30  # [s], for a busy machine


def write_parameter(value):
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' \
        if isinstance(value, (str, Path)) else str(value)


@contextmanager
def playing(*, remap=(), **parameters):
    """Run the node; it is gone afterwards whatever happens."""
    arguments = [word for name, value in parameters.items()
                 for word in ('-p', f'{name}:={write_parameter(value)}')]
    remaps = [word for rule in remap for word in ('-r', rule)]
    command = [sys.executable, str(ROOT / 'scripts' / 'frame_source'), '--ros-args']
    process = subprocess.Popen(
        [*command, *arguments, *remaps],
        env={**os.environ, 'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds.xml')},
        stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Listener:
    """Collects what arrives."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('listener', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def hear(self, kind, topic, reliability=ReliabilityPolicy.RELIABLE):
        messages = []
        self.node.create_subscription(kind, topic, messages.append,
                                      QoSProfile(depth=200, reliability=reliability))
        return messages

    def spin_until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, 'it did not happen in time'
            self.executor.spin_once(timeout_sec=0.1)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.close()


def stamps(messages):
    return [message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
            for message in messages]


def test_a_bag_arrives_unchanged_in_order_with_its_stamps(listener, recording):
    store = get_typestore(Stores.LATEST)
    with Reader(recording) as reader:
        recorded = [store.deserialize_cdr(raw, connection.msgtype)
                    for connection, _, raw in reader.messages()
                    if connection.msgtype.endswith('CompressedImage')]
    images = listener.hear(CompressedImage, '/cam/image_raw/compressed')
    infos = listener.hear(CameraInfo, '/cam/camera_info')
    clocks = listener.hear(Clock, '/clock')
    with playing(source=recording, image_transport='compressed', restamp=False, loop=False,
                 rate=25, publish_clock=True, wait_for_subscriber=PATIENCE,
                 remap=['image:=/cam/image_raw']) as process:
        listener.spin_until(lambda: len(images) == len(recorded) and infos
                            and stamps(infos)[-1] == stamps(recorded)[-1])
        assert process.wait(PATIENCE) == 0
    assert stamps(images) == stamps(recorded) == sorted(stamps(images))
    assert [bytes(one.data) for one in images] == [bytes(one.data) for one in recorded]
    assert stamps(infos) == stamps(images)[-len(infos):]  # it waits for the images' listener only
    assert {(one.width, one.height, one.header.frame_id) for one in infos} == {
        (640, 360, recorded[0].header.frame_id)}
    assert {clock.clock.sec for clock in clocks} <= {one.header.stamp.sec for one in recorded}


def test_a_video_arrives_raw_at_the_asked_rate_with_a_guessed_camera(listener, video):
    capture = cv2.VideoCapture(str(video))
    expected = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(8)]
    images = listener.hear(Image, '/image')
    infos = listener.hear(CameraInfo, '/camera_info')
    begin = time.time_ns()
    with playing(source=video, rate=5, wait_for_subscriber=PATIENCE):
        listener.spin_until(lambda: len(images) >= 8 and infos)
    for message, image in zip(images, expected):
        np.testing.assert_array_equal(decode_image(message), image)
    assert np.median(np.diff(stamps(images))) / 1e9 == pytest.approx(0.2, rel=0.1)
    assert begin < stamps(images)[0] < stamps(images)[-1] < time.time_ns()
    assert images[0].header.frame_id == 'camera_optical_frame'
    assert infos[0].k.tolist() == [576, 0, 319.5, 0, 576, 179.5, 0, 0, 1]  # fx = 0.9 x 640
    assert infos[0].p.tolist() == [576, 0, 319.5, 0, 0, 576, 179.5, 0, 0, 0, 1, 0]


def test_a_video_can_be_sent_best_effort_as_jpeg(listener, video):
    expected = cv2.cvtColor(cv2.VideoCapture(str(video)).read()[1], cv2.COLOR_BGR2RGB)
    images = listener.hear(CompressedImage, '/image/compressed', ReliabilityPolicy.BEST_EFFORT)
    with playing(source=video, rate=10, image_transport='compressed', reliability='best_effort',
                 wait_for_subscriber=PATIENCE):
        listener.spin_until(lambda: images)
        publishers = listener.node.get_publishers_info_by_topic('/image/compressed')
    assert [info.qos_profile.reliability for info in publishers] == [ReliabilityPolicy.BEST_EFFORT]
    difference = np.abs(decode_compressed(images[0]).astype(int) - expected)
    assert difference.mean() < 5  # what JPEG of quality 90 may lose


def test_raw_images_of_a_bag_keep_their_encoding_and_loop_with_new_stamps(listener, tmp_path):
    image = Image(height=2, width=3, step=8, encoding='mono16', is_bigendian=1)
    image.header.frame_id = 'recorded_frame'
    image.data.frombytes(bytes(range(16)))
    store = get_typestore(Stores.LATEST)
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        topic = writer.add_connection('/cam/image', 'sensor_msgs/msg/Image', typestore=store)
        for stamp in (1, 2):
            writer.write(topic, stamp, serialize_message(image))
    images = listener.hear(Image, '/image')
    with playing(source=tmp_path / 'bag', rate=20):
        listener.spin_until(lambda: len(images) >= 5)
    assert stamps(images) == sorted(set(stamps(images)))
    assert {(one.encoding, one.step, one.is_bigendian, bytes(one.data), one.header.frame_id)
            for one in images} == {('mono16', 8, 1, bytes(range(16)), 'recorded_frame')}


def test_synthetic_frames_come_with_their_truth_and_depth(listener):
    images = listener.hear(Image, '/image')
    truths = listener.hear(InstanceMaskArray, '/frame_source/truth')
    depths = listener.hear(Image, '/depth')
    with playing(source='synthetic:shuffle', width=160, height=120, seed=3, depth=True,
                 rate=10, wait_for_subscriber=PATIENCE):
        listener.spin_until(lambda: min(len(images), len(truths), len(depths)) >= 2)
    common = sorted(set(stamps(images)) & set(stamps(truths)) & set(stamps(depths)))[0]
    image, truth, depth = (messages[stamps(messages).index(common)]
                           for messages in (images, truths, depths))
    index = stamps(images).index(common)
    expected = scene(3, index / 10, (120, 160), 'shuffle', depth=True)
    np.testing.assert_array_equal(decode_image(image), expected.image)
    assert (depth.encoding, bytes(depth.data)) == ('16UC1', expected.depth_mm.tobytes())
    assert truth.model == 'truth'
    by_track = {item.track_id: item for item in truth.instances}
    assert len(by_track) == len(expected.objects) > 0
    for item in expected.objects:
        found = by_track[str(item.track_id)]
        mask = np.zeros((120, 160), bool)
        roi = found.roi
        mask[roi.y_offset:roi.y_offset + roi.height,
             roi.x_offset:roi.x_offset + roi.width] = to_bool(found)
        np.testing.assert_array_equal(mask, item.mask)
        assert (found.class_name, found.score) == (CLASS_NAMES[item.class_id], not item.crowd)
        assert found.position.z == pytest.approx(expected.depth_mm[item.mask].mean() / 1000)
        assert found.depth_points == item.mask.sum()


def test_depth_in_metres_is_that_in_millimetres():
    depth_mm = np.array([[0, 1, 1500], [65535, 20, 300]], np.uint16)
    message = depth_message(depth_mm, Header(frame_id='optical'), '32FC1')
    assert (message.encoding, message.height, message.width, message.step) == ('32FC1', 2, 3, 12)
    metres = np.frombuffer(message.data, '<f4').reshape(2, 3)
    np.testing.assert_allclose(metres, [[np.nan, 0.001, 1.5], [65.535, 0.02, 0.3]], rtol=1e-6)


@pytest.mark.parametrize('numbers', [
    [signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT, signal.SIGTERM] * 5],
    ids=['ctrl-c', 'terminate', 'impatient'])
@pytest.mark.parametrize('rate', [100, 0.01], ids=['busy', 'waiting'])
def test_it_stops_within_three_seconds_and_without_an_error(listener, tmp_path, numbers, rate):
    cv2.imwrite(str(tmp_path / 'picture.png'), np.zeros((48, 64, 3), np.uint8))
    with playing(source=tmp_path, rate=rate) as process:
        listener.spin_until(lambda: listener.node.count_publishers('/camera_info'))
        for number in numbers:
            process.send_signal(number)
            listener.executor.spin_once(timeout_sec=0.01)  # signals in one moment count as one
        assert process.wait(3) == 0
        assert 'Traceback' not in process.stderr.read()


@pytest.mark.parametrize('parameters, words', [
    ({'source': 'missing.mp4'}, "'missing.mp4' does not exist"),
    ({'rate': 'fast'}, "parameter rate must be a number, got 'fast'")], ids=['path', 'number'])
def test_a_start_that_cannot_work_ends_with_code_1_and_the_reason(parameters, words):
    with playing(**parameters) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert words in errors
    assert 'Traceback' not in errors


def test_a_value_that_no_parameter_takes_is_told():
    with playing(source='missing.mp4', sourc='photos') as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert "no parameter 'sourc', its value is ignored; did you mean 'source'?" in errors


@pytest.mark.parametrize('words, status', [(['--help'], 0), (['--nonsense'], 1),
                                           (['-p', 'source:=photos'], 1)])
def test_words_that_ros_would_ignore_are_answered_with_the_usage(capsys, words, status):
    assert main(['frame_source', *words]) == status
    assert 'usage: frame_source' in ''.join(capsys.readouterr())


def dues(pacer, times, clock):
    return [round(pacer.due(frame_time, now), 6) for frame_time, now in zip(times, clock)]


def test_frames_are_due_at_their_own_times_and_again_in_the_next_round():
    pacer = Pacer(rate=0, source_rate=4)
    assert dues(pacer, [0, 0.5, 0.6, 0, 0.5], [9, 9, 9, 9, 9]) == [9, 9.5, 9.6, 9.85, 10.35]


def test_an_asked_rate_replaces_the_frames_own_times():
    assert dues(Pacer(rate=2, source_rate=4), [0, 0.1, 7], [9, 9, 9]) == [9, 9.5, 10]


def test_frames_after_a_hold_up_are_not_sent_in_a_burst():
    assert dues(Pacer(rate=10, source_rate=4), [0] * 4, [0, 5, 5, 5]) == [0, 5, 5.1, 5.2]


def test_a_live_source_is_never_held_back():
    assert dues(Pacer(rate=0, source_rate=None), [0, 1, 2], [5, 5.1, 5.2]) == [5, 5.1, 5.2]
