"""Videos in, videos out: whole, damaged, absent."""

import cv2
import numpy as np
import pytest

from yolact_ros.media.images import Video, silence_opencv
from yolact_ros.media.video import VideoReader, VideoWriter, check_video_suffix


def frame(value: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of one grey."""
    return np.full((*size, 3), value, np.uint8)


@pytest.fixture(autouse=True, scope='module')
def _quiet():
    silence_opencv()


def noise_video(path, count: int = 40, fps: float = 10.0) -> None:
    """Write a video whose frames are too different to predict one from another."""
    generator = np.random.default_rng(0)
    with VideoWriter(path, fps) as writer:
        for _ in range(count):
            writer.write(generator.integers(0, 255, (48, 64, 3), np.uint8))


@pytest.mark.parametrize('suffix', ['.mp4', '.m4v', '.mov', '.mkv', '.avi'])
def test_what_is_written_can_be_read_again(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    with VideoWriter(path, 12.5) as writer:
        for value in range(0, 200, 20):
            writer.write(frame(value))
    with VideoReader(Video(str(path))) as reader:
        assert reader.fps == pytest.approx(12.5)
        assert reader.frame_count == 10
        means = [rgb.mean() for rgb in reader]
    # lossy: a flat grey moves by a few steps
    np.testing.assert_allclose(means, range(0, 200, 20), atol=5)
    assert reader.problem is None


def test_colors_are_red_green_blue(tmp_path):
    with VideoWriter(tmp_path / 'a.mp4', 10) as writer:
        writer.write(np.full((48, 64, 3), (200, 40, 40), np.uint8))
    with VideoReader(Video(str(tmp_path / 'a.mp4'))) as reader:
        red, _, blue = next(iter(reader))[20, 20].tolist()
    assert red > 180
    assert blue < 60


def test_odd_sizes_lose_their_last_row_and_column(tmp_path):
    with VideoWriter(tmp_path / 'a.mp4', 10) as writer:
        writer.write(frame(9, (63, 81)))
    with VideoReader(Video(str(tmp_path / 'a.mp4'))) as reader:
        assert next(iter(reader)).shape == (62, 80, 3)


def test_nothing_has_the_name_before_the_video_is_finished(tmp_path):
    path = tmp_path / 'a.mp4'
    with VideoWriter(path, 10) as writer:
        writer.write(frame(1))
        assert not path.exists()
    assert [item.name for item in tmp_path.iterdir()] == ['a.mp4']


@pytest.mark.parametrize('interruption', [ValueError, KeyboardInterrupt])
def test_an_interrupted_video_leaves_nothing_and_keeps_an_older_one(tmp_path, interruption):
    path = tmp_path / 'a.mp4'
    path.write_bytes(b'older')
    with pytest.raises(interruption), VideoWriter(path, 10) as writer:
        writer.write(frame(1))
        raise interruption
    assert [item.name for item in tmp_path.iterdir()] == ['a.mp4']
    assert path.read_bytes() == b'older'


def test_a_video_without_frames_is_not_made(tmp_path):
    with VideoWriter(tmp_path / 'a.mp4', 10):
        pass
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'frame 1 is \(9, 9, 3\).* is \(48, 64, 3\)'):
        with VideoWriter(tmp_path / 'a.mp4', 10) as writer:
            writer.write(frame(1))
            writer.write(frame(1, (9, 9)))


def test_a_image_too_small_for_the_codec_is_refused_with_its_size(tmp_path):
    with pytest.raises(OSError, match='cannot write a 1x1 px video.*at least 16x16'):
        with VideoWriter(tmp_path / 'a.mp4', 10) as writer:
            writer.write(frame(1, (1, 1)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', ['a.jpg', 'a', 'a.xyz'])
def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(ValueError, match=r'wanted a name that ends in \.avi'):
        check_video_suffix(tmp_path / name)


@pytest.mark.parametrize('container', ['mp4', 'avi'])
def test_a_damaged_frame_ends_the_video_with_the_loss_named(tmp_path, container):
    path = tmp_path / f'a.{container}'
    noise_video(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle:middle + len(data) // 4] = bytes(len(data) // 4)
    path.write_bytes(data)
    with VideoReader(Video(str(path))) as reader:
        count = sum(1 for _ in reader)
    assert 0 < count < 38
    assert f'announces 40 frames, but only {count} could be read: it is damaged' in reader.problem


def test_a_video_left_early_has_no_problem(tmp_path):
    noise_video(tmp_path / 'a.mp4', 5)
    with VideoReader(Video(str(tmp_path / 'a.mp4'))) as reader:
        next(iter(reader))
    assert reader.problem is None


@pytest.mark.parametrize(('content', 'message'), [
    (b'', "a.mp4' is an empty file"),
    (b'<!DOCTYPE html><html>', 'neither a picture nor a video that OpenCV can read'),
    (b'\0' * 5000, 'neither a picture nor a video that OpenCV can read'),
], ids=['empty', 'web page', 'zeros'])
def test_a_file_that_is_no_video_is_refused(tmp_path, content, message):
    path = tmp_path / 'a.mp4'
    path.write_bytes(content)
    with pytest.raises(OSError, match=message):
        VideoReader(Video(str(path)))


def test_a_video_cut_off_before_its_first_frame_is_refused(tmp_path):
    path = tmp_path / 'a.mp4'
    noise_video(path, 10)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(OSError, match='cut off before its first frame'):
        VideoReader(Video(str(path)))


def test_a_missing_camera_is_answered_with_what_to_check():
    with pytest.raises(OSError, match='camera 98 cannot be opened; is it connected'):
        VideoReader(Video(98, live=True))


def test_a_missing_stream_is_named():
    with pytest.raises(OSError, match="stream 'http://127.0.0.1:9/' cannot be opened"):
        VideoReader(Video('http://127.0.0.1:9/', live=True))


class FakeCamera:
    """Delivers three frames, then is unplugged; tells no frame rate."""

    def __init__(self, address):
        self.left = 3
        self.released = False

    def isOpened(self):  # noqa: N802
        return True

    def read(self):
        self.left -= 1
        return self.left >= 0, np.zeros((48, 64, 3), np.uint8)

    def get(self, prop):
        return -1.0

    def release(self):
        self.released = True


def test_a_camera_that_is_unplugged_ends_with_the_problem_named(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', FakeCamera)
    with VideoReader(Video(0, live=True)) as reader:
        count = sum(1 for _ in reader)
        assert reader.fps is None
        assert reader.frame_count is None
    assert count == 3
    assert reader.problem == 'camera0 stopped delivering after 3 frames'


def test_the_video_of_a_camera_is_read(video, frames):
    with VideoReader(Video(str(video))) as reader:
        assert reader.frame_count == 10
        assert reader.fps == pytest.approx(30000 / 1001, abs=1e-3)
        first = next(iter(reader))
    assert np.abs(first.astype(int) - frames[0]).mean() < 8  # what MPEG-4 may lose


class Capture:
    """Stands in for OpenCV's, with frames at uneven times."""

    def __init__(self, stamps_ms):
        self._stamps, self._shown = stamps_ms, -1

    def isOpened(self):  # noqa: N802
        return True

    def read(self):
        self._shown += 1
        more = self._shown < len(self._stamps)
        return more, frame(self._shown) if more else None

    def get(self, what):
        if what == cv2.CAP_PROP_POS_MSEC:
            return self._stamps[min(self._shown, len(self._stamps) - 1)]
        return {cv2.CAP_PROP_FPS: 10.0, cv2.CAP_PROP_FRAME_COUNT: len(self._stamps)}[what]

    def release(self):
        pass


@pytest.mark.parametrize('stamps_ms, seconds', [
    ([40.0, 140.0, 940.0, 1000.0], [0, 0.1, 0.9, 0.96]),
    ([0.0, 0.0, 0.0], [0, 0.1, 0.2])], ids=['variable rate', 'no stamps'])
def test_frames_keep_their_times(monkeypatch, stamps_ms, seconds):
    monkeypatch.setattr(cv2, 'VideoCapture', lambda address: Capture(stamps_ms))
    reader = VideoReader(Video('a.mp4'))
    assert [reader.time for _ in reader] == pytest.approx(seconds)
