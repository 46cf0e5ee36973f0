"""Read videos and cameras frame by frame; write videos that are whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from yolact_ros.files import temporary_name
from yolact_ros.media.images import Video

CODECS = {'.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v', '.avi': 'MJPG'}
DEFAULT_FPS = 30.0
MISSING_SHARE = 0.02  # some containers only estimate how many frames they hold


class VideoReader:
    """
    The frames of a video, a stream or a camera, in order.

    OpenCV cannot continue behind a damaged part, so there the video ends early; `problem`
    then says how much is missing.

    :param video: what to open.
    :raises OSError: when it cannot be opened or has not a single frame.
    :ivar fps: frame rate [1/s], None when the source does not tell a believable one.
    :ivar frame_count: how many frames the file announces, None for cameras and streams.
    :ivar frames_read: how many have been handed out.
    :ivar time: of the newest frame handed out, since the first [s]; a file's own stamps, which a
        variable frame rate spaces unevenly.
    """

    def __init__(self, video: Video) -> None:
        """Open the video and decode its first frame."""
        self.video = video
        self.frames_read = 0
        self._capture = cv2.VideoCapture(video.address)
        self._next: np.ndarray | None = None
        opened = self._capture.isOpened()
        if opened:
            opened, self._next = self._capture.read()
        if not opened:
            self._capture.release()
            raise OSError(_why_not_opened(video))
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.fps: float | None = fps if 0.1 <= fps <= 1000.0 else None
        self._start = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        self.time, self._next_time = 0.0, 0.0
        self.frame_count: int | None = count if count > 0 and not video.live else None

    def __enter__(self) -> VideoReader:
        """Return the reader; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the video or camera."""
        self._capture.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield (H, W, 3) uint8 RGB frames until the end."""
        while self._next is not None:
            frame = cv2.cvtColor(self._next, cv2.COLOR_BGR2RGB)
            self.frames_read, self.time = self.frames_read + 1, self._next_time
            yield frame
            got, following = self._capture.read()
            self._next = following if got else None
            self._next_time = self._stamp()

    def _stamp(self) -> float:
        """Return the time of the frame just decoded [s], by the frame rate where it has none."""
        stamp = (self._capture.get(cv2.CAP_PROP_POS_MSEC) - self._start) / 1e3
        return stamp if stamp > self.time else self.time + 1 / (self.fps or DEFAULT_FPS)

    @property
    def problem(self) -> str | None:
        """Return why the frames ended too early, None when they did not."""
        if self._next is not None:
            return None
        if self.video.live:
            return f'{self.video.name} stopped delivering after {self.frames_read} frames'
        missing = (self.frame_count or 0) - self.frames_read
        if missing <= max(1, MISSING_SHARE * (self.frame_count or 0)):
            return None
        return (f'{str(self.video.address)!r} announces {self.frame_count} frames, but only '
                f'{self.frames_read} could be read: it is damaged or cut off from there on; '
                'copy it again or repair it with ffmpeg')


class VideoWriter:
    """
    A video file that appears under its name only when it is complete.

    OpenCV writes even sizes only: an odd width or height loses its last column or row.

    :param path: its ending chooses the container, see CODECS.
    :param fps: frame rate [1/s].
    :raises ValueError: when the ending is unknown.
    """

    def __init__(self, path: Path, fps: float) -> None:
        """Check the ending; the file is made with the first frame, whose size it takes."""
        check_video_suffix(path)
        self.path = path
        self.fps = fps
        self.frames_written = 0
        self._part = temporary_name(path)
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()

    def __enter__(self) -> VideoWriter:
        """Return the writer; leaving the block finishes the file, or removes it on an error."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file, or remove what is there of it when an exception is under way."""
        if self._writer is not None:
            self._writer.release()
        try:
            if kind is None and self.frames_written:
                self._check()
                os.replace(self._part, self.path)
        finally:
            self._part.unlink(missing_ok=True)

    def write(self, rgb: np.ndarray) -> None:
        """
        Append a frame.

        :param rgb: (H, W, 3) uint8, of the size of the first one.
        :raises OSError: when no video of this size can be written there.
        :raises ValueError: when the size differs from the first frame's.
        """
        if self._writer is None:
            self._writer, self._shape = self._open(rgb), rgb.shape
        if rgb.shape != self._shape:
            raise ValueError(f'frame {self.frames_written} is {rgb.shape}, the video '
                             f'{str(self.path)!r} is {self._shape}; a video has one size')
        self._writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self.frames_written += 1

    def _open(self, rgb: np.ndarray) -> cv2.VideoWriter:
        """Return OpenCV's writer for frames of this size."""
        codec = CODECS[self.path.suffix.lower()]
        height, width = rgb.shape[:2]
        writer = cv2.VideoWriter(str(self._part), cv2.VideoWriter_fourcc(*codec), self.fps,
                                 (width, height))
        if not writer.isOpened():
            raise OSError(f'cannot write a {width}x{height} px video ({codec}) to '
                          f'{str(self.path)!r}; is the folder writable, and the picture at '
                          'least 16x16 px?')
        return writer

    def _check(self) -> None:
        """Open the finished file as a player would; a full disk shows only here."""
        capture = cv2.VideoCapture(str(self._part))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        readable = capture.read()[0]
        capture.release()
        if not readable or count < self.frames_written:
            raise OSError(f'only {count} of {self.frames_written} frames arrived in '
                          f'{str(self.path)!r}; is the disk full?')


def check_video_suffix(path: Path) -> None:
    """
    Check that a video can be written under this name.

    :raises ValueError: naming the endings that can.
    """
    if path.suffix.lower() not in CODECS:
        raise ValueError(f'a video cannot be written as {path.name!r}; wanted a name that ends in '
                         f'{" ".join(sorted(CODECS))}')


def _why_not_opened(video: Video) -> str:
    """Return what is wrong with a source that delivers nothing, and the cure."""
    if isinstance(video.address, int) or video.address.startswith('/dev/'):
        return (f'camera {video.address} cannot be opened; is it connected, free (only one '
                'program can use it) and readable by you (group video)? 0 is the first camera')
    if video.live:
        return f'stream {video.address!r} cannot be opened; does it play with ffplay?'
    if Path(video.address).stat().st_size == 0:
        return f'{video.address!r} is an empty file; wanted a video, copy it again'
    return (f'{video.address!r} is neither a picture nor a video that OpenCV can read, or it is '
            'cut off before its first frame; copy it again or convert it with ffmpeg to .mp4')
