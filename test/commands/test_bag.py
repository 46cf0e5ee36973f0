"""`yolact bag` on recordings made for the case, with a network that is known."""

import errno
import os
import signal
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from yolact_ros.commands.main import main
from yolact_ros.inference import predictor as predictor_module
from yolact_ros.media.bag_types import blank, open_typestore
from yolact_ros.media.bags import BagCopy
from yolact_ros.structures import ImageSize, Instances

STORE = open_typestore()
SIZE = (48, 64)
MASK = np.array([[True, False, True], [True, True, True]])


class Finder:
    """Finds the same mask in every image and remembers the images' first values."""

    class_names, description = ('mug', 'bowl'), 'fake'

    def __init__(self):
        self.seen = []
        self.after_each = lambda: None
        self.class_id = 1

    def predict(self, rgb):
        self.seen.append(int(rgb[0, 0, 0]))
        self.after_each()
        one = np.array([0.75], np.float32)
        return Instances(ImageSize(*rgb.shape[:2]), np.array([[5, 4, 8, 6]], np.float32), one, one,
                         one, np.array([self.class_id]), np.array([[5, 4, 8, 6]], np.int32),
                         (MASK,))


@pytest.fixture
def finder(monkeypatch):
    """Put the fake in the place of the network."""
    fake = Finder()
    monkeypatch.setattr(predictor_module, 'open_predictor', lambda *_, **__: fake)
    return fake


def image(value, encoding='rgb8', size=SIZE):
    message = blank(STORE, 'sensor_msgs/msg/Image')
    channels = {'rgb8': 3, '16UC1': 2, 'mono8': 1}[encoding]
    message.height, message.width, message.encoding = *size, encoding
    message.step, message.data = size[1] * channels, np.full(size[0] * size[1] * channels, value,
                                                             np.uint8)
    message.header.stamp.sec, message.header.frame_id = value, 'optical'
    return message


def compressed(value):
    message = blank(STORE, 'sensor_msgs/msg/CompressedImage')
    message.format = 'bgr8; png compressed bgr8'
    colour = np.full((*SIZE, 3), (value // 2, value, value), np.uint8)
    message.data = cv2.imencode('.png', colour)[1].ravel()
    message.header.stamp.sec = value
    return message


def write_bag(path, rows, storage=StoragePlugin.MCAP):
    """Write (topic, stamp [ns], message or damaged bytes of an Image) rows."""
    path.parent.mkdir(exist_ok=True)
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for topic, stamp, message in rows:
            kind = getattr(message, '__msgtype__', 'sensor_msgs/msg/Image')
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            data = message if isinstance(message, bytes) else STORE.serialize_cdr(message, kind)
            writer.write(connections[topic], stamp, data)
    return path


def read(path, topic=None):
    """Return (topic, stamp, message) of everything, or of one topic."""
    with Reader(path) as reader:
        return [(item.topic, stamp, STORE.deserialize_cdr(data, item.msgtype))
                for item, stamp, data in reader.messages() if topic in (None, item.topic)]


def bag(*arguments):
    """Run the command."""
    return main(['bag', *map(str, arguments)])


@pytest.mark.parametrize('storage', list(StoragePlugin), ids=lambda storage: storage.name)
def test_every_image_gets_its_instances_at_its_stamp(finder, tmp_path, storage):
    source = write_bag(tmp_path / 'in', [('/a', 10 * value, image(value)) for value in (1, 2, 7)],
                       storage)
    assert bag(source, '-o', tmp_path / 'out', '--overlay') == 0
    assert finder.seen == [1, 2, 7]
    results = read(tmp_path / 'out', '/yolact/instances')
    assert [(stamp, message.header.stamp.sec) for _, stamp, message in results] == [
        (10, 1), (20, 2), (70, 7)]
    mask = results[0][2].instances[0]
    assert (mask.class_name, mask.score, mask.area, mask.header.frame_id) == (
        'bowl', 0.75, 5, 'optical')
    assert mask.data.tolist() == [0b10100000, 0b11100000]
    assert np.isnan((mask.position.z, mask.box_pose.orientation.w, mask.box_size.x,
                     mask.depth_spread)).all() and mask.depth_points == 0
    # pixels' centres, by hand: x 5.5 7.5 5.5 6.5 7.5, y 4.5 4.5 5.5 5.5 5.5
    assert (mask.centroid_x, mask.centroid_y) == pytest.approx((6.5, 5.1))
    topics = [topic for topic, _, _ in read(tmp_path / 'out')]
    assert topics == ['/a', '/yolact/instances', '/yolact/overlay/compressed'] * 3


def test_only_results_leaves_the_recording_out(finder, tmp_path):
    source = write_bag(tmp_path / 'in', [('/a', 1, image(1))])
    assert bag(source, '-o', tmp_path / 'out', '--only-results') == 0
    assert {topic for topic, _, _ in read(tmp_path / 'out')} == {'/yolact/instances'}


def test_frames_with_equal_stamps_keep_their_order(finder, tmp_path):
    source = write_bag(tmp_path / 'in', [('/a', 5, image(value)) for value in range(1, 9)])
    assert bag(source, '-o', tmp_path / 'out') == 0
    assert finder.seen == list(range(1, 9))
    assert [message.header.stamp.sec for _, _, message in
            read(tmp_path / 'out', '/yolact/instances')] == list(range(1, 9))


@pytest.mark.parametrize('rows, chosen', [
    ([('/a', image(9, '16UC1')), ('/b', image(1))], 1),
    ([('/a', image(9, 'mono8')), ('/b', image(1))], 1),
    ([('/a', image(9, size=(24, 32))), ('/b', image(1))], 1),
    ([('/depth', image(1)), ('/rgb', image(9, '16UC1'))], 1),
    ([('/a', compressed(9)), ('/b', image(1))], 1),
    ([('/a', image(9, '16UC1')), ('/b', compressed(1))], 1)],
    ids=['not depth', 'not grey', 'largest', 'by content, not by name', 'raw', 'compressed'])
def test_the_topic_is_chosen_by_what_it_carries(finder, tmp_path, rows, chosen):
    source = write_bag(tmp_path / 'in', [(topic, 1, message) for topic, message in rows])
    assert bag(source, '-o', tmp_path / 'out') == 0
    assert finder.seen == [chosen]


def test_an_asked_topic_is_taken(finder, tmp_path):
    source = write_bag(tmp_path / 'in', [('/a', 1, image(9)), ('/b', 1, image(1, 'mono8'))])
    assert bag(source, '-o', tmp_path / 'out', '--topic', '/b') == 0
    assert finder.seen == [1]


def test_a_bag_without_colour_names_what_it_holds(finder, tmp_path, capsys):
    source = write_bag(tmp_path / 'in', [('/d', 1, image(9, '16UC1'))])
    assert bag(source, '-o', tmp_path / 'out') == 1
    assert '/d (sensor_msgs/msg/Image)' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_every_takes_images_that_far_apart(finder, tmp_path):
    source = write_bag(tmp_path / 'in', [('/a', value * 10 ** 8, image(value))
                                         for value in range(1, 11)])
    assert bag(source, '-o', tmp_path / 'out', '--every', 0.3) == 0
    assert finder.seen == [1, 4, 7, 10]


def test_a_broken_message_is_reported_and_the_rest_goes_on(finder, tmp_path, caplog):
    source = write_bag(tmp_path / 'in', [('/a', 1, image(1)), ('/a', 2, b'\0\1\0\0rubbish'),
                                         ('/a', 3, image(3))])
    assert bag(source, '-o', tmp_path / 'out') == 1
    assert finder.seen == [1, 3]
    assert 'image 2 of /a' in caplog.text
    assert len(read(tmp_path / 'out', '/yolact/instances')) == 2


def test_ctrl_c_leaves_a_readable_bag(finder, tmp_path):
    source = write_bag(tmp_path / 'in', [('/a', value, image(value)) for value in range(1, 9)])
    finder.after_each = lambda: len(finder.seen) == 3 and os.kill(os.getpid(), signal.SIGINT)
    assert bag(source, '-o', tmp_path / 'out') == 0
    assert len(read(tmp_path / 'out', '/yolact/instances')) == 3


def test_an_existing_output_is_refused_and_left_as_it_is(finder, tmp_path, capsys):
    source = write_bag(tmp_path / 'in', [('/a', 1, image(1))])
    (tmp_path / 'out').mkdir()
    assert bag(source, '-o', tmp_path / 'out') == 1
    assert 'exists' in capsys.readouterr().err
    assert (finder.seen, list((tmp_path / 'out').iterdir())) == ([], [])


def test_a_full_disk_is_named_and_leaves_nothing(finder, tmp_path, monkeypatch, capsys):
    source = write_bag(tmp_path / 'in', [('/a', 1, image(1))])

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(BagCopy, 'add', full)
    assert bag(source, '-o', tmp_path / 'out') == 1
    assert 'is the disk full' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['in']


def test_memory_does_not_grow_with_the_length_of_the_bag(finder, tmp_path):
    peaks = []
    for count in (50, 200):
        source = write_bag(tmp_path / f'in{count}', [('/a', value, image(value, size=(128, 192)))
                                                     for value in range(count)])
        tracemalloc.start()
        assert bag(source, '-o', tmp_path / f'out{count}') == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The longer one has 11 MB more of images; the index takes some bytes for each.
    assert peaks[1] - peaks[0] < 1.5e6


def test_the_recording_of_a_camera_is_segmented_whole(finder, recording, tmp_path):
    assert bag(recording, '-o', tmp_path / 'out') == 0
    images = read(recording, '/camera/image_raw/compressed')
    assert len(images) == 10
    results = read(tmp_path / 'out', '/yolact/instances')
    assert [(stamp, message.header.stamp.nanosec) for _, stamp, message in results] == [
        (stamp, message.header.stamp.nanosec) for _, stamp, message in images]
    assert len(read(tmp_path / 'out', '/camera/camera_info')) == len(
        read(recording, '/camera/camera_info'))


@pytest.mark.parametrize('option, expected', [((), ['', '1']), (('--no-tracks',), ['', ''])])
def test_objects_are_numbered_from_their_second_image_on(finder, tmp_path, option, expected):
    first, second = image(4), image(4)
    second.header.stamp.nanosec = 100_000_000
    source = write_bag(tmp_path / 'in', [('/a', 1, first), ('/a', 2, second)])
    assert bag(source, '-o', tmp_path / 'out', *option) == 0
    results = read(tmp_path / 'out', '/yolact/instances')
    assert [message.instances[0].track_id for _, _, message in results] == expected


def write_sequence(path, stamps):
    """Write images with these stamps [ns] of recording, and none in their headers."""
    rows = [('/a', stamp, image(1)) for stamp in stamps]
    for _, _, message in rows:
        message.header.stamp.sec = 0
    return write_bag(path, rows)


@pytest.mark.parametrize('option, expected', [((), ['bowl'] * 6),
                                              (('--no-tracks',), ['bowl'] * 4 + ['mug', 'bowl'])])
def test_a_tracked_object_keeps_the_class_it_was_seen_as_most_often(finder, tmp_path, option,
                                                                    expected):
    def flip():
        finder.class_id = 0 if len(finder.seen) == 5 else 1
    finder.after_each = flip
    source = write_sequence(tmp_path / 'in', range(10 ** 8, 7 * 10 ** 8, 10 ** 8))
    assert bag(source, '-o', tmp_path / 'out', *option) == 0
    assert [message.instances[0].class_name for _, _, message
            in read(tmp_path / 'out', '/yolact/instances')] == expected


def test_without_stamps_in_the_headers_those_of_the_recording_tell_how_long_a_track_lives(
        finder, tmp_path):
    source = write_sequence(tmp_path / 'in', [second * 10 ** 8 for second in (1, 2, 80, 81)])
    assert bag(source, '-o', tmp_path / 'out') == 0
    assert [message.instances[0].track_id for _, _, message
            in read(tmp_path / 'out', '/yolact/instances')] == ['', '1', '', '2']


@pytest.mark.parametrize('option, expected', [((), [[0], [1]]), (('--no-tracks',), [None, None])])
def test_the_overlay_shows_the_numbers(finder, tmp_path, monkeypatch, option, expected):
    drawn = []
    monkeypatch.setattr('yolact_ros.commands.bag.draw_instances', lambda rgb, *_, tracks=None: (
        drawn.append(tracks and tracks.ids.tolist()) or rgb))
    source = write_sequence(tmp_path / 'in', [10 ** 8, 2 * 10 ** 8])
    assert bag(source, '-o', tmp_path / 'out', '--overlay', *option) == 0
    assert drawn == expected


def write_folder(folder):
    """Write two recordings and a broken one; segment the first."""
    for name in 'ab':
        write_bag(folder / 'in' / name, [('/a', 1, image(4))])
    (folder / 'in' / 'broken').mkdir()
    (folder / 'in' / 'broken' / 'metadata.yaml').write_text('nothing')
    assert bag(folder / 'in' / 'a', '-o', folder / 'out' / 'a') == 0


def test_a_folder_skips_what_is_done_and_goes_on_behind_a_failure(finder, tmp_path, caplog):
    write_folder(tmp_path)
    caplog.set_level('INFO')
    stamp = (tmp_path / 'out' / 'a' / 'metadata.yaml').stat().st_mtime_ns
    assert bag(tmp_path / 'in', '-o', tmp_path / 'out', '--jobs', 2, '--only-results') == 1
    assert len(read(tmp_path / 'out' / 'b')) == 1
    assert (tmp_path / 'out' / 'a' / 'metadata.yaml').stat().st_mtime_ns == stamp
    assert 'a: done before' in caplog.text and 'b: done' in caplog.text
    assert 'broken: failed' in caplog.text and '2 of 3 recordings' in caplog.text


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cluster_does_what_this_machine_does(finder, tmp_path, caplog, monkeypatch):
    ray_clusters = pytest.importorskip('ray.cluster_utils', reason='the extra ray is missing')
    write_folder(tmp_path)
    caplog.set_level('INFO')
    cluster = ray_clusters.Cluster(
        initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False})
    try:
        monkeypatch.chdir(tmp_path)
        assert bag('in', '-o', 'out', '--ray', cluster.address) == 1
    finally:
        cluster.shutdown()
    assert len(read(tmp_path / 'out' / 'b', '/yolact/instances')) == 1
    assert 'a: done before' in caplog.text and 'b: done' in caplog.text
    assert 'broken: failed' in caplog.text and '2 of 3 recordings' in caplog.text


def test_an_absent_cluster_is_named_with_the_line_that_starts_one(tmp_path, capsys):
    pytest.importorskip('ray', reason='the extra ray is not installed')
    write_bag(tmp_path / 'in' / 'a', [('/a', 1, image(4))])
    assert bag(tmp_path / 'in', '-o', tmp_path / 'out', '--ray') == 1
    assert 'ray start --head' in capsys.readouterr().err


def test_a_missing_ray_is_named_with_its_pip_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    write_bag(tmp_path / 'in' / 'a', [('/a', 1, image(4))])
    assert bag(tmp_path / 'in', '-o', tmp_path / 'out', '--ray') == 1
    assert "pip install 'yolact_ros[ray]'" in capsys.readouterr().err


def test_a_result_that_was_cut_short_is_not_taken_for_done(finder, tmp_path, caplog):
    source = write_bag(tmp_path / 'in' / 'a', [('/a', value, image(value)) for value in (1, 2)])
    finder.after_each = lambda: len(finder.seen) == 1 and os.kill(os.getpid(), signal.SIGINT)
    bag(source, '-o', tmp_path / 'out' / 'a')
    caplog.set_level('INFO')
    assert bag(tmp_path / 'in', '-o', tmp_path / 'out') == 1
    assert 'cut short before' in caplog.text
