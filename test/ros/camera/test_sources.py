"""What the source node can play, and what it says about what it cannot."""

import cv2
import numpy as np
import pytest

from yolact_ros.ros.camera.parameters import SourceParameters
from yolact_ros.ros.camera.sources import is_bag, open_camera

RED = (255, 0, 0)
BLUE = (0, 0, 255)


def write_image(path, rgb, size=(6, 8)):
    cv2.imwrite(str(path), np.full((*size, 3), rgb[::-1], np.uint8))


def play(source, **parameters):
    return list(open_camera(SourceParameters(source=str(source), **parameters)))


def test_a_folder_plays_its_images_by_name_and_leaves_the_rest_out(tmp_path):
    write_image(tmp_path / 'b.png', BLUE)
    write_image(tmp_path / 'a.PNG', RED)
    (tmp_path / 'notes.txt').write_text('no picture')
    frames = play(tmp_path)
    assert [tuple(frame.image[0, 0]) for frame in frames] == [RED, BLUE]


def test_a_damaged_image_is_left_out_and_named_once(tmp_path, caplog):
    write_image(tmp_path / 'a.png', RED)
    (tmp_path / 'b.jpg').write_bytes(b'not a picture')
    source = open_camera(SourceParameters(source=str(tmp_path)))
    frames = [*source, *source]
    assert len(frames) == 2
    assert [record.message.count('b.jpg') for record in caplog.records] == [1]


def test_one_image_is_a_source(tmp_path):
    write_image(tmp_path / 'only.png', RED, size=(3, 5))
    assert [frame.image.shape for frame in play(tmp_path / 'only.png')] == [(3, 5, 3)]


def test_a_video_plays_all_its_frames_in_colour_at_its_own_times(video):
    capture = cv2.VideoCapture(str(video))
    expected = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    source = open_camera(SourceParameters(source=str(video)))
    count, times = 0, []
    for frame in source:
        if count == 0:
            np.testing.assert_array_equal(frame.image, expected)
        count += 1
        times.append(frame.time)
    assert count == 10
    assert np.allclose(np.diff(times), 1001 / 30000)


@pytest.mark.parametrize('name, content, words', [
    ('missing.mp4', None, 'does not exist.*rosbag2 or synthetic:MODE'),
    ('missing.mcap', None, 'does not exist'),
    ('text.mp4', b'hello', 'ffmpeg'),
    ('text.txt', b'hello', 'ffmpeg'),
    ('empty.mp4', b'', 'empty file'),
    ('damaged.jpg', b'hello', 'damaged'),
    ('damaged.mcap', b'hello', 'mcap recover'),
    ('old.bag', b'#ROSBAG V2.0', 'rosbags-convert --src'),
    ('damaged.db3', b'hello', 'ros2 bag reindex'),
])
def test_a_source_that_cannot_be_played_is_refused_with_the_cure(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((OSError, ValueError), match=words) as caught:
        play(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match='no pictures'):
        play(tmp_path)


@pytest.mark.parametrize('spec', ['99', '/dev/video99'])
def test_a_webcam_that_is_not_there_is_refused(spec):
    with pytest.raises(OSError, match='video99 does not|camera 99 cannot be opened|not exist'):
        play(spec)


def test_depth_is_refused_where_nobody_knows_it(tmp_path):
    write_image(tmp_path / 'a.png', RED)
    with pytest.raises(ValueError, match='depth is known of synthetic scenes only'):
        play(tmp_path, depth=True)


def test_an_unknown_synthetic_mode_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match='synthetic:conveyor'):
        play('synthetic:flying')


def test_a_folder_with_a_recording_in_it_is_a_bag(tmp_path):
    assert not is_bag(tmp_path)
    (tmp_path / 'part_0.mcap').touch()
    assert is_bag(tmp_path)
    assert is_bag(tmp_path / 'part_0.mcap')


@pytest.mark.parametrize('parameters', [
    {'rate': -1.0}, {'image_transport': 'theora'}, {'reliability': 'maybe'}, {'jpeg_quality': 0},
    {'width': 0}, {'height': 2 ** 31}, {'difficulty': 'brutal'}, {'source': ''}],
    ids=lambda parameters: next(iter(parameters)))
def test_a_parameter_out_of_range_is_refused_by_name(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        SourceParameters(**parameters)
