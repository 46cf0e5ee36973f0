"""`yolact bag` on the kinds of recordings there are: what is in them, and how they are stored."""

import subprocess

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from yolact_ros.commands.main import main
from yolact_ros.inference import predictor as predictor_module
from yolact_ros.media.bag_types import ARRAY_TYPE, blank, open_typestore
from yolact_ros.structures import ImageSize, Instances

STORE = open_typestore()
FOREIGN = 'other_msgs/msg/Gripper'
STORE.register(get_types_from_msg('int32 force\nbool closed', FOREIGN))
INSTANCES = '/yolact/instances'


class Finder:
    """Finds one object in every image."""

    class_names, description = ('mug',), 'fake'

    def predict(self, rgb):
        one, roi = np.ones(1, np.float32), np.int32([[1, 2, 4, 4]])
        return Instances(ImageSize(*rgb.shape[:2]), roi.astype(np.float32), one, one, one,
                         np.array([0]), roi, (np.ones((2, 3), bool),))


@pytest.fixture(autouse=True)
def finder(monkeypatch):
    """Put the fake in the place of the network."""
    monkeypatch.setattr(predictor_module, 'open_predictor', lambda *_, **__: Finder())


def image(second):
    message = blank(STORE, 'sensor_msgs/msg/Image')
    message.height, message.width, message.encoding, message.step = 6, 8, 'rgb8', 24
    message.data, message.header.stamp.sec = np.full(144, second, np.uint8), second
    return message


def gripper():
    message = blank(STORE, FOREIGN)
    message.force = 7
    return message


def write(path, messages, storage=StoragePlugin.MCAP, compression=None, version=9):
    """Write (topic, message) rows, ten a second."""
    writer = Writer(path, version=version, storage_plugin=storage)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        topics = {}
        for number, (topic, message) in enumerate(messages, start=1):
            kind = message.__msgtype__
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(topics[topic], number * 10 ** 8, STORE.serialize_cdr(message, kind))
    return path


def segment(source, output):
    return main(['bag', str(source), '-o', str(output)])


def read(path, topic, store=STORE):
    with Reader(path) as reader:
        return [store.deserialize_cdr(data, item.msgtype)
                for item, _, data in reader.messages() if item.topic == topic]


def test_results_are_read_by_the_definitions_inside_alone(tmp_path):
    assert segment(write(tmp_path / 'in', [('/a', image(1))]), tmp_path / 'out') == 0
    stranger = get_typestore(Stores.EMPTY)
    with Reader(tmp_path / 'out') as reader:
        definition, = (item.msgdef.data for item in reader.connections
                       if item.topic == INSTANCES)
    stranger.register(get_types_from_msg(definition, ARRAY_TYPE))
    array, = read(tmp_path / 'out', INSTANCES, stranger)
    assert (array.header.stamp.sec, array.model, array.image_width) == (1, 'fake', 8)
    mask, = array.instances
    assert (mask.class_name, mask.area, mask.roi.x_offset) == ('mug', 6, 1)


def test_ros2_bag_knows_the_result(tmp_path):
    pytest.importorskip('ros2bag', reason='ros2 bag is not installed (not on PyPI)')
    assert segment(write(tmp_path / 'in', [('/a', image(1))]), tmp_path / 'out') == 0
    told = subprocess.run(['ros2', 'bag', 'info', str(tmp_path / 'out')], text=True,
                          capture_output=True, check=True).stdout
    assert f'Topic: {INSTANCES} | Type: {ARRAY_TYPE} | Count: 1' in told


@pytest.mark.parametrize('compression', [CompressionMode.FILE, CompressionMode.MESSAGE],
                         ids=lambda mode: mode.name)
def test_a_compressed_recording_is_read(tmp_path, compression):
    source = write(tmp_path / 'in', [('/a', image(second)) for second in (1, 2)],
                   StoragePlugin.SQLITE3, compression)
    assert segment(source, tmp_path / 'out') == 0
    assert [array.header.stamp.sec for array in read(tmp_path / 'out', INSTANCES)] == [1, 2]


@pytest.mark.parametrize(('storage', 'version'), [
    (StoragePlugin.MCAP, 9), (StoragePlugin.SQLITE3, 9), (StoragePlugin.SQLITE3, 8)])
def test_types_that_nobody_here_knows_are_copied_as_they_are(tmp_path, storage, version):
    source = write(tmp_path / 'in', [('/grip', gripper()), ('/a', image(1)), ('/grip', gripper())],
                   storage, version=version)
    assert segment(source, tmp_path / 'out') == 0
    assert [message.force for message in read(tmp_path / 'out', '/grip')] == [7, 7]
    assert len(read(tmp_path / 'out', INSTANCES)) == 1


def test_stamps_that_run_backwards_cost_no_image_and_start_tracks_anew(tmp_path, caplog):
    source = write(tmp_path / 'in', [('/a', image(second)) for second in (8, 8, 3, 3)])
    caplog.set_level('INFO')
    assert segment(source, tmp_path / 'out') == 0
    arrays = read(tmp_path / 'out', INSTANCES)
    assert [(array.header.stamp.sec, array.instances[0].track_id) for array in arrays] \
        == [(8, ''), (8, '1'), (3, ''), (3, '2')]
    assert caplog.text.count('jumped back') == 1


@pytest.mark.parametrize('spoil', ['cut off', 'no index', 'empty file', 'no file'])
def test_a_recording_that_is_not_whole_is_refused_with_the_cure(tmp_path, capsys, spoil):
    source = write(tmp_path / 'in', [('/a', image(second)) for second in range(1, 9)])
    file = source / 'in.mcap'
    whole = file.read_bytes()
    if spoil == 'no file':
        file.unlink()
    else:
        file.write_bytes({'cut off': whole[:len(whole) // 2], 'empty file': b'',
                          'no index': whole[:whole.rindex(b'\x89MCAP0\r\n')]}[spoil])
    assert segment(source, tmp_path / 'out') == 1
    complaint = capsys.readouterr().err
    assert "in' cannot be read" in complaint and 'mcap recover' in complaint
    assert not (tmp_path / 'out').exists()
