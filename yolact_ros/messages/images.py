"""Images of messages to RGB, whichever library read the message: rclpy or rosbags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from yolact_ros.coded_images import (
    JPEG_START,
    MAX_PIXELS,
    PNG_SIGNATURE,
    ImageError,
    check_size,
    decode_jpeg,
    decode_png,
)

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
# image_transport's description of a colour image that was compressed from bgr8.
JPEG_FORMAT = 'bgr8; jpeg compressed bgr8'

DARK_BELOW = 4096 // 257 + 2  # what 12 bits reach where 16 were announced, in 8 bits
DISTANCES = ('32FC1', '64FC1')  # [m], as depth cameras publish them (REP 118)
NAME_LENGTH = 60  # longest encoding that a message tells in full


@dataclass(frozen=True)
class _Layout:
    """
    How an encoding lies in memory and becomes RGB.

    :param to_rgb: (rows, W, C) or (rows, W) array of dtype -> (H, W, 3) uint8 RGB.
    :param channels: values per pixel.
    :param wide: True for 16-bit values, in the message's byte order.
    :param planes: True where a plane of half the height with two colours follows the brightness.
    :param even: (height, width) must be multiples of these.
    :param smallest: least height and width [px].
    """

    to_rgb: Callable[[np.ndarray], np.ndarray]
    channels: int = 1
    wide: bool = False
    planes: bool = False
    even: tuple[int, int] = (1, 1)
    smallest: int = 1

    def rows(self, height: int) -> int:
        """Return the number of rows in memory."""
        return height * 3 // 2 if self.planes else height

    @property
    def pixel_bytes(self) -> int:
        """Return the bytes from one pixel of a row to the next."""
        return self.channels * (2 if self.wide else 1)


def decode_message(message: Any, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Return the image of a sensor_msgs Image or CompressedImage as (H, W, 3) uint8 RGB.

    :raises ImageError: as decode_raw and decode_compressed.
    """
    decode = decode_raw if hasattr(message, 'encoding') else decode_compressed
    return decode(message, max_pixels)


def decode_raw(message: Any, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Return a sensor_msgs Image as (H, W, 3) uint8 RGB.

    rgb8 is a view of the message's bytes (rows may be padded); all others are new arrays.
    16-bit grey is scaled from [0, 65535]. Nameless colours (8UC3, 8UC4) are taken as bgr8 and
    bgra8, OpenCV's order.

    :raises ImageError: for impossible sizes, too little data or an unknown encoding.
    """
    check_size(message.height, message.width, max_pixels)
    if message.encoding in DISTANCES:
        raise ImageError('encoding', f'{message.encoding} is a depth picture, which has no '
                                     'colours to segment; subscribe to the colour camera')
    layout = LAYOUTS.get(message.encoding)
    if layout is None:
        raise ImageError('encoding', f'unknown encoding {quoted(message.encoding)}; these can be '
                                     f'read: {", ".join(LAYOUTS)}')
    _check_multiple(message, layout)
    return layout.to_rgb(_view(message, layout))


def decode_compressed(message: Any, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Return a sensor_msgs CompressedImage, JPEG or PNG, as (H, W, 3) uint8 RGB.

    16-bit PNG is scaled from [0, 65535], transparency is dropped, an orientation in EXIF data is
    not applied: pixels stay where the camera's calibration expects them. The mosaic of a Bayer
    sensor that was compressed as it is becomes colours.

    :raises ImageError: for data that is neither, is damaged anywhere, claims more than
        max_pixels, or comes from a depth transport.
    """
    if 'compressedDepth' in message.format:
        raise ImageError('format', f'{quoted(message.format)} is a depth picture, which has no '
                                   'colours to segment; subscribe to the colour camera')
    rgb = _decode_coded(message.data.tobytes(), message.format, max_pixels)
    pattern = _BAYER.get(message.format.partition(';')[0].strip().removesuffix('16')
                         .removesuffix('8'))
    if pattern is not None and _is_grey(rgb) and min(rgb.shape[:2]) >= 3:
        return cv2.cvtColor(np.ascontiguousarray(rgb[..., 0]), pattern)  # still the mosaic
    if 'compressed rgb' in message.format:  # image_transport: the coder was fed RGB as if BGR
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return rgb


def doubt_about(message: Any, rgb: np.ndarray) -> str:
    """
    Return why a readable image is hardly what a camera meant to show, '' if it is not.

    :param rgb: what the message was decoded to.
    """
    packed = '' if hasattr(message, 'encoding') else message.format
    # image_transport writes the encoding that was packed before the way it was; JPEG has 8 bits.
    encoding = packed.partition(';')[0].strip() if packed else message.encoding
    if encoding == '16UC1':
        return ('16UC1 is how depth is published (REP 118), here it is segmented as grey; remap '
                'image to the colour camera')
    layout = LAYOUTS.get(encoding)
    if layout is not None and layout.wide and 'jpeg' not in packed and rgb.max() < DARK_BELOW:
        return (f'{encoding} reaches from 0 to 65535, but these values stay below 4096, which is '
                'nearly black; let the driver publish 8 bits, or its 10 to 14 bits shifted up to '
                '16')
    return ''


def quoted(name: str) -> str:
    """Return a name from a message for an error, which a damaged one must not flood."""
    return repr(name if len(name) <= NAME_LENGTH else name[:NAME_LENGTH] + '...')


def _decode_coded(data: bytes, description: str, max_pixels: int) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB, told apart by the data: descriptions are often wrong."""
    if data.startswith(JPEG_START):
        return decode_jpeg(data, max_pixels)
    if not data.startswith(PNG_SIGNATURE):
        raise ImageError('format', f'{len(data)} bytes of format {quoted(description)} are '
                                   'neither JPEG nor PNG; publish JPEG or PNG')
    pixels = decode_png(data, max_pixels)
    if pixels.dtype == np.uint16:
        pixels = _scale_16_bit(pixels)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _is_grey(rgb: np.ndarray) -> bool:
    """Return whether there are no colours at all."""
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())


def _converted(code: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return OpenCV's colour conversion of this code."""
    return lambda pixels: cv2.cvtColor(pixels, code)


def _scale_16_bit(pixels: np.ndarray) -> np.ndarray:
    """Return uint16 as uint8, 65535 becoming 255, to the nearest."""
    return cv2.convertScaleAbs(pixels, alpha=255 / 65535)


def _converted_16(code: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return OpenCV's colour conversion of 16-bit values in any byte order, then 8 of them."""
    return lambda pixels: _scale_16_bit(cv2.cvtColor(pixels.astype(np.uint16), code))


_GREY = _Layout(_converted(cv2.COLOR_GRAY2RGB))
_GREY_16 = _Layout(_converted_16(cv2.COLOR_GRAY2RGB), wide=True)
_BGR = _Layout(_converted(cv2.COLOR_BGR2RGB), channels=3)
_BGRA = _Layout(_converted(cv2.COLOR_BGRA2RGB), channels=4)
_UYVY = _Layout(_converted(cv2.COLOR_YUV2RGB_UYVY), channels=2, even=(1, 2))
_YUYV = _Layout(_converted(cv2.COLOR_YUV2RGB_YUY2), channels=2, even=(1, 2))

# ROS names a Bayer pattern by its first pixels (rggb: red top-left), OpenCV by the second and
# third pixel of the second row, so that ROS's rggb is OpenCV's BG.
_BAYER = {'bayer_rggb': cv2.COLOR_BayerBG2RGB, 'bayer_bggr': cv2.COLOR_BayerRG2RGB,
          'bayer_gbrg': cv2.COLOR_BayerGR2RGB, 'bayer_grbg': cv2.COLOR_BayerGB2RGB}
LAYOUTS: dict[str, _Layout] = {
    'rgb8': _Layout(lambda pixels: pixels, channels=3),
    'bgr8': _BGR,
    'rgba8': _Layout(_converted(cv2.COLOR_RGBA2RGB), channels=4),
    'bgra8': _BGRA,
    'mono8': _GREY,
    'mono16': _GREY_16,
    '8UC1': _GREY,
    '8UC3': _BGR,
    '8UC4': _BGRA,
    '16UC1': _GREY_16,
    'rgb16': _Layout(lambda pixels: _scale_16_bit(pixels.astype(np.uint16)), 3, wide=True),
    'bgr16': _Layout(_converted_16(cv2.COLOR_BGR2RGB), 3, wide=True),
    'rgba16': _Layout(_converted_16(cv2.COLOR_RGBA2RGB), 4, wide=True),
    'bgra16': _Layout(_converted_16(cv2.COLOR_BGRA2RGB), 4, wide=True),
    **{f'{name}8': _Layout(_converted(code), smallest=3) for name, code in _BAYER.items()},
    **{f'{name}16': _Layout(_converted_16(code), wide=True, smallest=3)
       for name, code in _BAYER.items()},
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv12': _Layout(_converted(cv2.COLOR_YUV2RGB_NV12), planes=True, even=(2, 2)),
    'nv21': _Layout(_converted(cv2.COLOR_YUV2RGB_NV21), planes=True, even=(2, 2)),
}


def _view(message: Any, layout: _Layout) -> np.ndarray:
    """Return the message's bytes as (rows, W, C), or (rows, W) for one channel."""
    row_bytes = message.width * layout.pixel_bytes
    if message.step < row_bytes:
        raise ImageError('step', f'a row of {message.width} pixels in {message.encoding} takes '
                                 f'{row_bytes} bytes, but step is {message.step}')
    rows = layout.rows(message.height)
    if len(message.data) < message.step * rows:
        raise ImageError('data', f'{message.width}x{message.height} pixels in {message.encoding} '
                                 f'with a step of {message.step} take {message.step * rows} '
                                 f'bytes, the message has {len(message.data)}')
    dtype = np.dtype(('>u2' if message.is_bigendian else '<u2') if layout.wide else np.uint8)
    shape: tuple[int, ...] = (rows, message.width)
    strides: tuple[int, ...] = (message.step, layout.pixel_bytes)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, dtype.itemsize)
    return np.ndarray(shape, dtype, buffer=message.data, strides=strides)


def _check_multiple(message: Any, layout: _Layout) -> None:
    """Refuse sizes at which the encoding's shared colours do not come out even."""
    rows, columns = layout.even
    if message.height % rows or message.width % columns:
        raise ImageError('size', f'{message.encoding} shares colours between neighbours and needs '
                                 f'a multiple of {columns}x{rows} pixels, got {message.width}x'
                                 f'{message.height}')
    if min(message.height, message.width) < layout.smallest:
        raise ImageError('size', f'{message.encoding} needs at least {layout.smallest}x'
                                 f'{layout.smallest} pixels to find the colours between, '
                                 f'got {message.width}x{message.height}')
