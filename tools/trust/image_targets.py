"""Images as they come in: messages, compressed messages, files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from tools.trust.mutate import Random, mutate_bytes
from tools.trust.target import Target
from yolact_ros.coded_images import PNG_SIGNATURE
from yolact_ros.media.images import decode_image as decode_file
from yolact_ros.messages.images import LAYOUTS, decode_compressed
from yolact_ros.ros.image_codec import decode_image

ENCODINGS = (*LAYOUTS, '', 'rgb', '32FC1', 'jpeg', '16SC1', 'x' * 10000)
HEAD = struct.Struct('<IIIBB')
HEIGHT, WIDTH = 6, 8


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8)


def _raw_corpus() -> list[bytes]:
    """Return a valid message of every encoding, as HEAD and data."""
    messages = []
    for number, encoding in enumerate(LAYOUTS):
        layout = LAYOUTS[encoding]
        step = WIDTH * layout.pixel_bytes
        data = _noise(layout.rows(HEIGHT) * step).tobytes()
        messages.append(HEAD.pack(HEIGHT, WIDTH, step, 0, number) + data)
    return messages


def _read_raw(data: bytes) -> None:
    """Decode a raw image message."""
    height, width, step, big, number = HEAD.unpack(data[:HEAD.size].ljust(HEAD.size, b'\0'))
    message = Image(height=height, width=width, step=step, is_bigendian=big,
                    encoding=ENCODINGS[number % len(ENCODINGS)])
    message.data.frombytes(data[HEAD.size:])
    _check(decode_image(message), (height, width))


def _check(rgb: np.ndarray, size: tuple[int, int] | None = None) -> None:
    """Check what every decoder promises."""
    assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3, rgb.shape
    assert size is None or rgb.shape[:2] == size, f'{rgb.shape} is not {size}'
    assert rgb.size > 0
    int(rgb[::7].sum())  # touches the memory


def _coded(*suffixes: str) -> list[bytes]:
    """Return images in several forms of the formats."""
    colour, grey = _noise(24, 31, 3), _noise(17, 40)
    alpha, deep = _noise(9, 9, 4), np.random.default_rng(1).integers(0, 65535, (8, 8), np.uint16)
    found = []
    for suffix in suffixes:
        for image in (colour, grey, alpha, deep):
            try:
                done, data = cv2.imencode(suffix, image)
            except cv2.error:
                continue
            if done:
                found.append(data.tobytes())
    return found


def _jpegs() -> list[bytes]:
    """Return JPEGs: plain, grey, progressive, with restart markers and other samplings."""
    image = cv2.GaussianBlur(_noise(40, 56, 3), (0, 0), 3)
    options = ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1],
               [cv2.IMWRITE_JPEG_QUALITY, 5])
    found = [cv2.imencode('.jpg', image, option)[1].tobytes() for option in options]
    return [*found, cv2.imencode('.jpg', image[..., 0])[1].tobytes()]


def _read_compressed(data: bytes) -> None:
    """Decode a compressed image message."""
    message = CompressedImage(format='bgr8; jpeg compressed bgr8')
    message.data.frombytes(data)
    _check(decode_compressed(message))


def _mutate_png(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Damage the content of chunks; checksums are right again, so that the damage counts."""
    position, chunks = len(PNG_SIGNATURE), []
    while position + 12 <= len(data):
        length = int.from_bytes(data[position:position + 4], 'big')
        chunks.append((data[position + 4:position + 8], data[position + 8:position + 8 + length]))
        position += 12 + length
    victim = int(random.integers(len(chunks)))
    kind, content = chunks[victim]
    chunks[victim] = kind, mutate_bytes(content or b'\0', others, random)
    if random.random() < 0.1:
        chunks.insert(victim, chunks[int(random.integers(len(chunks)))])
    return PNG_SIGNATURE + b''.join(
        len(content).to_bytes(4, 'big') + kind + content
        + zlib.crc32(kind + content).to_bytes(4, 'big') for kind, content in chunks)


IMAGE_TARGETS = (
    Target('raw image', _raw_corpus, _read_raw),
    Target('compressed image', lambda: [*_jpegs(), *_coded('.png')], _read_compressed),
    Target('png, right checksums', lambda: _coded('.png'), _read_compressed, mutate=_mutate_png),
    Target('image file', lambda: [*_jpegs(), *_coded('.png', '.bmp', '.tif', '.webp', '.ppm')],
           lambda data: _check(decode_file(data, 'image'))),
)
