"""`yolact extract` on recordings and videos made for the case."""

import errno
import json
import os

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from yolact_ros.commands.main import main
from yolact_ros.data.coco import CocoDataset
from yolact_ros.inference import predictor as predictor_module
from yolact_ros.media.bag_types import blank, open_typestore
from yolact_ros.media.images import read_image
from yolact_ros.media.video import VideoWriter
from yolact_ros.structures import ImageSize, Instances

STORE = open_typestore()


def texture(seed):
    """Return an image that no other seed's resembles."""
    rough = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return np.kron(rough, np.ones((4, 4, 1), np.uint8))


def write_bag(path, seeds, storage=StoragePlugin.MCAP):
    """Write one image a second of /cam/image; None is a damaged one."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection('/cam/image', 'sensor_msgs/msg/Image', typestore=STORE)
        for second, seed in enumerate(seeds, start=1):
            message = blank(STORE, 'sensor_msgs/msg/Image')
            message.height, message.width, message.encoding, message.step = 48, 64, 'rgb8', 192
            message.data = texture(seed or 0).ravel()[:None if seed else 10]
            message.header.stamp.sec = second
            writer.write(connection, second * 10 ** 9,
                         STORE.serialize_cdr(message, 'sensor_msgs/msg/Image'))
    return path


def extract(*arguments):
    """Run the command."""
    return main(['extract', *map(str, arguments)])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_images_that_were_taken_before_are_left_out(tmp_path):
    source = write_bag(tmp_path / 'bag', [1, 1, 2, 1, 3])
    assert extract(source, '-o', tmp_path / 'out') == 0
    assert names(tmp_path / 'out') == [
        'cam_image_000000_1_000000000.png', 'cam_image_000002_3_000000000.png',
        'cam_image_000004_5_000000000.png']
    np.testing.assert_array_equal(
        read_image(tmp_path / 'out' / 'cam_image_000002_3_000000000.png'), texture(2))


@pytest.mark.parametrize('options, seconds', [
    (('--every', 2), [1, 3, 5]), (('--most', 2), [1, 2]), ((), [1, 2, 3, 4, 5])])
def test_how_many_can_be_limited(tmp_path, options, seconds):
    source = write_bag(tmp_path / 'bag', [1, 2, 3, 4, 5])
    assert extract(source, '-o', tmp_path / 'out', *options) == 0
    assert [int(name.split('_')[3]) for name in names(tmp_path / 'out')] == seconds


def test_a_damaged_image_is_reported_and_left_out(tmp_path, caplog):
    source = write_bag(tmp_path / 'bag', [1, None, 3])
    assert extract(source, '-o', tmp_path / 'out') == 0
    assert len(names(tmp_path / 'out')) == 2
    assert 'left out' in caplog.text


def test_frames_of_a_video_carry_its_times(tmp_path):
    with VideoWriter(tmp_path / 'clip.avi', 4) as writer:
        for seed in range(1, 9):
            writer.write(texture(seed))
    assert extract(tmp_path / 'clip.avi', '-o', tmp_path / 'out', '--every', 1) == 0
    assert names(tmp_path / 'out') == ['clip_000000_00000000ms.png', 'clip_000004_00001000ms.png']


def test_prelabels_are_a_coco_file_of_polygons(tmp_path, monkeypatch):
    class Finder:
        class_names = ('mug', 'bowl')

        def predict(self, rgb):
            one = np.ones(1, np.float32)
            return Instances(ImageSize(48, 64), np.array([[8, 4, 28, 14]], np.float32), one, one,
                             one, np.array([1]), np.array([[8, 4, 28, 14]], np.int32),
                             (np.ones((10, 20), bool),))

    monkeypatch.setattr(predictor_module, 'open_predictor', lambda *_, **__: Finder())
    source = write_bag(tmp_path / 'bag', [1, 2])
    assert extract(source, '-o', tmp_path / 'out', '--prelabel', 'any') == 0
    content = json.loads((tmp_path / 'out' / 'prelabels.json').read_text())
    assert any('correct them first' in line
               for line in CocoDataset(tmp_path / 'out').report.lines())
    assert [entry['file_name'] for entry in content['images']] == [
        name for name in names(tmp_path / 'out') if name.endswith('.png')]
    assert [(entry['id'], entry['image_id'], entry['category_id'], entry['bbox'])
            for entry in content['annotations']] == [(1, 1, 2, [8, 4, 20, 10]),
                                                     (2, 2, 2, [8, 4, 20, 10])]
    x, y = np.reshape(content['annotations'][0]['segmentation'][0], (-1, 2)).T
    assert (x.min(), y.min(), x.max(), y.max()) == pytest.approx((8, 4, 28, 14), abs=0.2)


def test_labels_that_may_have_been_corrected_are_not_replaced(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(predictor_module, 'open_predictor', lambda *_, **__: opened.append(1))
    source = write_bag(tmp_path / 'bag', [1, 2])
    corrected = tmp_path / 'out' / 'prelabels.json'
    corrected.parent.mkdir()
    corrected.write_text('by hand')
    assert extract(source, '-o', tmp_path / 'out', '--prelabel', 'any') == 1
    complaint = capsys.readouterr().err
    assert 'prelabels.json' in complaint and 'choose another -o' in complaint
    assert (names(tmp_path / 'out'), corrected.read_text(), opened) == (
        ['prelabels.json'], 'by hand', [])
    assert extract(source, '-o', tmp_path / 'out') == 0


def test_a_full_disk_is_named_and_keeps_what_was_written(tmp_path, monkeypatch, capsys):
    written = []

    def fill(path, rgb):
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path.name)

    monkeypatch.setattr('yolact_ros.commands.extract.write_image', fill)
    source = write_bag(tmp_path / 'bag', [1, 2, 3])
    assert extract(source, '-o', tmp_path / 'out') == 1
    assert 'is the disk full' in capsys.readouterr().err
    assert len(written) == 1


@pytest.mark.parametrize('suffix', ['', '/bag.mcap'], ids=['folder', 'file'])
def test_a_recording_that_was_cut_off_is_refused_with_the_cure(tmp_path, capsys, suffix):
    file = write_bag(tmp_path / 'bag', [1, 2, 3]) / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:-100])
    assert extract(f'{tmp_path}/bag{suffix}', '-o', tmp_path / 'out') == 1
    assert 'mcap recover' in capsys.readouterr().err


def test_what_is_no_recording_is_refused(tmp_path, capsys):
    (tmp_path / 'a.txt').write_text('hello')
    assert extract(tmp_path / 'a.txt', '-o', tmp_path / 'out') == 1
    assert extract(tmp_path / 'none', '-o', tmp_path / 'out') == 1
    assert 'neither a rosbag2 nor a video' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['pipe', 'pipe.mp4', 'pipe.mcap', 'bag/pipe.mcap'])
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path, capsys, name):
    (tmp_path / 'bag').mkdir()
    os.mkfifo(tmp_path / name)
    assert extract((tmp_path / name.split('/')[0]), '-o', tmp_path / 'out') == 1
    assert 'is a pipe, socket or disk' in capsys.readouterr().err
