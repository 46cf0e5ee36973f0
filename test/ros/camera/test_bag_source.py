"""Recordings as sources."""

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from yolact_ros.ros.camera.bag_source import BagSource

STORES = [StoragePlugin.SQLITE3, StoragePlugin.MCAP]


def write_bag(path, messages, storage=StoragePlugin.MCAP):
    """Write (topic, time [ns], ROS message) rows."""
    store = get_typestore(Stores.LATEST)
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for topic, stamp, message in messages:
            kind = f'{type(message).__module__.split(".")[0]}/msg/{type(message).__name__}'
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp, serialize_message(message))
    return path


def image(value, encoding='mono8'):
    message = Image(height=1, width=2, step=2, encoding=encoding)
    message.header.stamp.sec = value
    message.data.frombytes(bytes([value, value]))
    return message


def test_a_bag_yields_every_image_as_recorded_with_its_camera_info(recording):
    store = get_typestore(Stores.LATEST)
    with Reader(recording) as reader:
        recorded = [store.deserialize_cdr(raw, connection.msgtype)
                    for connection, _, raw in reader.messages()
                    if connection.topic == '/camera/image_raw/compressed']
    frames = list(BagSource(recording))
    assert len(recorded) == 10
    assert [bytes(frame.image.data) for frame in frames] == [bytes(one.data) for one in recorded]
    assert [(frame.image.header.stamp.sec, frame.image.header.stamp.nanosec) for frame in frames] \
        == [(one.header.stamp.sec, one.header.stamp.nanosec) for one in recorded]
    assert {(frame.camera_info.width, frame.camera_info.height) for frame in frames} == {
        (640, 360)}


def test_a_bag_is_played_at_the_rate_of_its_recording(recording):
    source = BagSource(recording)
    times = [frame.time for frame in source]
    assert np.median(np.diff(times)) == pytest.approx(0.1, abs=0.005)
    assert source.rate == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize('storage', STORES, ids=lambda storage: storage.name)
def test_raw_images_come_unchanged_from_both_kinds_of_storage(tmp_path, storage):
    rows = [('/cam/image', 10 ** 9 * value, image(value, 'bayer_rggb8')) for value in (1, 2, 4)]
    source = BagSource(write_bag(tmp_path / 'bag', rows, storage))
    frames = list(source)
    assert [(frame.time, frame.image.encoding, bytes(frame.image.data)) for frame in frames] == [
        (0.0, 'bayer_rggb8', b'\1\1'), (1.0, 'bayer_rggb8', b'\2\2'),
        (3.0, 'bayer_rggb8', b'\4\4')]


def test_each_image_has_the_camera_info_that_was_valid_then(tmp_path):
    rows = [('/cam/image', 1, image(1)), ('/cam/camera_info', 2, CameraInfo(width=2)),
            ('/cam/image', 3, image(3)), ('/cam/camera_info', 4, CameraInfo(width=4)),
            ('/cam/image', 5, image(5)), ('/other/camera_info', 6, CameraInfo(width=6))]
    frames = BagSource(write_bag(tmp_path / 'bag', rows))
    assert [frame.camera_info.width for frame in frames] == [2, 2, 4]


def test_a_bag_without_calibration_leaves_the_camera_info_open(tmp_path):
    source = BagSource(write_bag(tmp_path / 'bag', [('/cam/image', 1, image(1))]))
    assert [frame.camera_info for frame in source] == [None]


def test_a_bag_without_images_is_refused_and_its_topics_are_named(tmp_path):
    path = write_bag(tmp_path / 'bag', [('/chatter', 1, String(data='hello'))])
    with pytest.raises(ValueError, match=r'no colour images.*/chatter \(std_msgs/msg/String'):
        BagSource(path)


def test_a_bag_without_the_wanted_topic_is_refused_and_its_topics_are_named(tmp_path):
    path = write_bag(tmp_path / 'bag', [('/cam/image', 1, image(1))])
    with pytest.raises(ValueError, match="no image topic '/left/image'.*/cam/image"):
        BagSource(path, '/left/image')


def test_a_recording_that_was_cut_off_is_refused_with_the_cure(tmp_path):
    path = write_bag(tmp_path / 'bag', [('/cam/image', 1, image(1))]) / 'bag.mcap'
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match='mcap recover'):
        BagSource(path)


@pytest.mark.parametrize('topics, wanted, chosen', [
    ({'/a/image': ('mono8', 2), '/b/image': ('rgb8', 1)}, '', '/b/image'),
    ({'/a/image': ('bgr8', 1), '/b/image': ('bgr8', 2)}, '', '/b/image'),
    ({'/a/image': ('16UC1', 4), '/b/depth': ('mono8', 1)}, '', '/b/depth'),
    ({'/a/image': ('rgb8', 1), '/b/image': ('mono8', 1)}, '/b/image', '/b/image')],
    ids=['colour before grey', 'the larger one', 'names tell nothing', 'asked for'])
def test_the_topic_is_chosen_by_what_its_images_are(tmp_path, topics, wanted, chosen):
    rows = []
    for topic, (encoding, height) in topics.items():
        message = Image(height=height, width=2, step=12, encoding=encoding)
        message.data.frombytes(bytes(12 * height))
        rows.append((topic, 1, message))
    source = BagSource(write_bag(tmp_path / 'bag', rows), wanted)
    assert f'frames of {chosen} ' in source.description


def test_a_recording_of_depth_alone_is_refused(tmp_path):
    rows = [('/depth/image', 1, image(1, '16UC1'))]
    with pytest.raises(ValueError, match=r'no colour images; it holds: /depth/image'):
        BagSource(write_bag(tmp_path / 'bag', rows))


def test_images_that_were_all_recorded_at_once_are_played_at_a_rate_that_can_be_seen(tmp_path):
    rows = [('/cam/image', 10 ** 9, image(value)) for value in range(3)]
    assert BagSource(write_bag(tmp_path / 'bag', rows)).rate == 10.0


def test_a_lone_topic_of_16_bit_grey_is_played(tmp_path):
    message = Image(height=1, width=1, step=2, encoding='mono16')
    message.data.frombytes(b'12')
    source = BagSource(write_bag(tmp_path / 'bag', [('/cam/image', 10 ** 9, message)]))
    assert [frame.image.encoding for frame in source] == ['mono16']


def test_a_damaged_message_costs_itself_only(tmp_path, caplog):
    store, path = get_typestore(Stores.LATEST), tmp_path / 'bag'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection('/cam/image', 'sensor_msgs/msg/Image', typestore=store)
        for stamp, cut in ((1, None), (2, 20), (3, None)):
            writer.write(topic, stamp * 10 ** 9, serialize_message(image(stamp))[:cut])
    frames = list(BagSource(path))
    assert [frame.image.header.stamp.sec for frame in frames] == [1, 3]
    assert 'left out' in caplog.text and 'damaged message of type' in caplog.text
