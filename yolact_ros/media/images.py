"""Images, folders, videos and cameras as RGB frames, with errors that say what is wrong."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from yolact_ros.coded_images import (
    CURE,
    JPEG_START,
    PNG_SIGNATURE,
    ImageError,
    check_runs,
    decode_jpeg,
    pure_png,
)

IMAGE_SUFFIXES = ('.avif', '.bmp', '.exr', '.gif', '.hdr', '.jp2', '.jpeg', '.jpg', '.pbm',
                    '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
VIDEO_SUFFIXES = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.ogv', '.ts', '.webm',
                  '.wmv')

MOST_PIXELS = 1 << 30  # OpenCV's own limit; phones take more than any camera of a robot
# An entry of EXIF that says how the camera was held (tag 0x112, a short), other than upright (1).
TURNED = re.compile(br'\x01\x12\x00\x03\x00\x00\x00\x01\x00[\x02-\x08]'
                    br'|\x12\x01\x03\x00\x01\x00\x00\x00[\x02-\x08]\x00')
EXIF_BYTES = 1 << 16  # where it stands in a file


@dataclass(frozen=True)
class Images:
    """
    Images on disk.

    :param paths: in natural order (img2 before img10), at least one.
    :param folder: where they were found, None for a single image that was named.
    """

    paths: tuple[Path, ...]
    folder: Path | None = None


@dataclass(frozen=True)
class Video:
    """
    A video file, a stream or a camera.

    :param address: file name, URL or device name as OpenCV takes it; an integer is a camera.
    :param live: True for cameras and streams, which have no end and cannot wait.
    """

    address: str | int
    live: bool = False

    @property
    def name(self) -> str:
        """Return a name for people and for output files."""
        if isinstance(self.address, int):
            return f'camera{self.address}'
        return Path(self.address).stem or 'stream'


def find_source(text: str) -> Images | Video:
    """
    Return what a user means by an image, folder, video, URL or camera number.

    A file or folder of that name comes first, so './0' and '0' are told apart only where a
    file '0' exists. Files with an unknown ending are told apart by their content.

    :raises FileNotFoundError: when there is nothing of that name.
    :raises ValueError: when a folder has no images, or it is a pipe or the like.
    """
    path = Path(text)
    if path.is_dir():
        return Images(list_images(path), path)
    if path.is_char_device():
        return Video(text, live=True)
    check_regular(path)
    if path.exists():
        return Images((path,)) if _is_image(path) else Video(text)
    if text.isdecimal():
        return Video(int(text), live=True)
    if '://' in text:
        return Video(text, live=True)
    raise FileNotFoundError(f'{text!r} does not exist; give a picture, a folder of pictures, a '
                            'video, a stream URL or the number of a camera (0 is the first)')


def check_regular(path: Path) -> None:
    """
    Refuse what would be waited for without end.

    :raises ValueError: for a pipe, socket or disk; a path of nothing is left to its reader.
    """
    if path.is_fifo() or path.is_socket() or path.is_block_device():
        raise ValueError(f"'{path}' is a pipe, socket or disk; wanted a regular file, write it to "
                         'one first')


def list_images(folder: Path) -> tuple[Path, ...]:
    """
    Return the images of a folder in natural order; subfolders and hidden files are left out.

    :raises ValueError: when there are none, naming the endings looked for.
    """
    paths = [path for path in folder.iterdir()
             if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')
             and path.is_file()]
    if not paths:
        raise ValueError(f'folder {str(folder)!r} has no pictures; looked for files that end in '
                         f'{" ".join(IMAGE_SUFFIXES)} (not in its subfolders)')
    return tuple(sorted(paths, key=_natural_order))


def read_image(path: Path, upright: bool = True) -> np.ndarray:
    """
    Return an image file as (H, W, 3) uint8 RGB.

    Grey becomes RGB, transparency is dropped, 16 bits (or 12 bits in 16) become 8, floating
    point is taken as 0 to 1. The EXIF orientation of photos is applied, as OpenCV does by
    default: the image, its boxes and its masks are upright. Of several pages or animation
    frames the first is taken.

    :param upright: False leaves the EXIF orientation alone, as some labelling tools do.
    :raises OSError: when the file cannot be opened.
    :raises ValueError: when its content is no image that OpenCV can read.
    """
    return decode_image(path.read_bytes(), str(path), upright)


def decode_image(data: bytes, name: str, upright: bool = True) -> np.ndarray:
    """
    Return the image that encoded bytes (JPEG, PNG, ...) hold, as read_image does.

    :param name: what error messages call it.
    :raises ValueError: when the bytes are no image that OpenCV can read.
    """
    if not data:
        raise ValueError(f'{name!r} is an empty file; wanted a picture, copy it again')
    if data.lstrip()[:1] == b'<':
        raise ValueError(f'{name!r} is a web page or other text, not a picture; download the '
                         'picture itself')
    if data.startswith(JPEG_START):
        rgb = _decode_photo(data, name)
        if rgb is not None and not (upright and TURNED.search(data, 0, EXIF_BYTES)):
            return rgb
    image = _decode(_checked(data, name), upright)
    if image is None:
        raise ValueError(f'{name!r} cannot be read as a picture ({len(data)} bytes): it is '
                         'damaged or of a kind that OpenCV does not know; copy it again or '
                         'convert it to PNG' + _exr_advice(name))
    return rgb_of(image, name)


def rgb_of(image: np.ndarray, name: str) -> np.ndarray:
    """
    Return (H, W, 3) uint8 RGB from an array as OpenCV decodes it.

    :param image: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA of uint8, uint16 or float.
    :param name: what error messages call it.
    :raises ValueError: when values or channels have no meaning as an image.
    """
    image = _to_8_bit(image, name)
    channels = 1 if image.ndim == 2 else image.shape[2]
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if channels not in codes:
        raise ValueError(f'{name!r} has {channels} channels; wanted 1 (grey), 3 (colour) or 4 '
                         '(with transparency)')
    return cv2.cvtColor(image, codes[channels])


def used_bits(image: np.ndarray) -> int:
    """
    Return how many bits the values of an image use: 8, 12 or 16.

    Cameras of 12 bits are stored in 16; brighter than a sixteenth of white is every real image
    of 16 bits.
    """
    if image.dtype != np.uint16:
        return 8
    return 12 if image.size and int(image.max()) < 2 ** 12 else 16


def silence_opencv() -> None:
    """
    Keep OpenCV and its FFmpeg from complaining on stderr; our errors say the same in one line.

    FFmpeg listens only before the first video of the process.
    """
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    if hasattr(cv2, 'setLogLevel'):  # OpenCV 4.5
        cv2.setLogLevel(0)
    else:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _decode_photo(data: bytes, name: str) -> np.ndarray | None:
    """
    Return a JPEG as its sensor saw it, None for those made for printing.

    :raises ValueError: when it is damaged anywhere, which OpenCV fills with grey.
    """
    try:
        return decode_jpeg(data, MOST_PIXELS)
    except ImageError as error:
        if error.cause == 'format':
            return None
        raise _damaged(error, name) from error


def _checked(data: bytes, name: str) -> bytes:
    """
    Return what a decoder may get: of a PNG, what its pixels are made of.

    :raises ValueError: when a part is damaged, or claims more pixels than it can hold.
    """
    try:
        if data.startswith(PNG_SIGNATURE):
            return pure_png(data)
        check_runs(data)
    except ImageError as error:
        raise _damaged(error, name) from error
    return data


def _damaged(error: ImageError, name: str) -> ImageError:
    """Return the error of a file that a strict reader refuses."""
    fault = str(error.__cause__ or error).removesuffix(CURE)
    return ImageError(error.cause, f'{name!r} is cut off or damaged ({fault}); copy it again')


def _decode(coded: bytes, upright: bool) -> np.ndarray | None:
    """Return the decoded image, None where OpenCV cannot."""
    data = np.frombuffer(coded, np.uint8)
    turned = 0 if upright else cv2.IMREAD_IGNORE_ORIENTATION
    for flags in (cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | turned, cv2.IMREAD_UNCHANGED):
        try:
            image = cv2.imdecode(data, flags)
        except cv2.error:
            continue
        if image is not None:  # grey float TIFF decodes only with IMREAD_UNCHANGED
            return image
    return None


def _to_8_bit(image: np.ndarray, name: str) -> np.ndarray:
    """Return the array as uint8, full range to full range."""
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return np.rint(image * (255.0 / (2 ** used_bits(image) - 1))).astype(np.uint8)
    if image.dtype.kind != 'f':
        raise ValueError(f'{name!r} has {image.dtype} pixels; wanted 8 or 16 bits without sign, '
                         'or floating point from 0 to 1')
    low, high = float(image.min()), float(image.max())
    if not (low >= 0.0 and high <= 1.0):  # NaN fails too
        raise ValueError(f'{name!r} has floating point pixels from {low:g} to {high:g}; wanted 0 '
                         'to 1, because nothing says which value is white: scale it and save '
                         'it as 8-bit PNG')
    return np.rint(image * 255.0).astype(np.uint8)


def _is_image(path: Path) -> bool:
    """Tell an image from a video: by the ending, else by the content."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES:
        return suffix in IMAGE_SUFFIXES
    return cv2.haveImageReader(str(path))


def _exr_advice(name: str) -> str:
    """Return what OpenCV wants before it reads OpenEXR files."""
    if Path(name).suffix.lower() != '.exr':
        return ''
    return ', or set the environment variable OPENCV_IO_ENABLE_OPENEXR=1'


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key by which 'img2' comes before 'img10'."""
    parts = re.split(r'(\d+)', path.name)
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part.lower()) for part in parts]
