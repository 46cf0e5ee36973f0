"""Image messages to RGB images and back, straight from the message's bytes."""

from __future__ import annotations

import sys

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from yolact_ros import coded_images
from yolact_ros.coded_images import MAX_PIXELS, ImageError, check_size
from yolact_ros.messages.images import (
    DISTANCES,
    JPEG_FORMAT,
    LAYOUTS,
    decode_compressed,
    decode_message,
    quoted,
)

__all__ = ['decode_compressed', 'decode_image', 'encode_image', 'encode_jpeg']

TRANSPORTS = ('raw', 'compressed')

_ENCODABLE = {'rgb8': (np.uint8, 3), 'bgr8': (np.uint8, 3), 'mono8': (np.uint8, 2),
              'mono16': (np.uint16, 2)}


def decode_image(message: Image | CompressedImage, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Return the image as (H, W, 3) uint8 RGB, see messages.images.

    Encodings that are not known there are left to cv_bridge, where it is installed.

    :raises ImageError: for impossible sizes, too little or damaged data or an unknown encoding.
    """
    if isinstance(message, CompressedImage) or message.encoding in (*LAYOUTS, *DISTANCES):
        return decode_message(message, max_pixels)
    check_size(message.height, message.width, max_pixels)
    return _decode_with_cv_bridge(message)


def encode_image(image: np.ndarray, encoding: str, header: Header) -> Image:
    """
    Return the message of an image.

    :param image: (H, W, 3) uint8 RGB for 'rgb8' and 'bgr8', (H, W) uint8 for 'mono8',
        (H, W) uint16 for 'mono16'.
    :param header: goes into the message, not copied.
    :raises ValueError: for another encoding or an array that does not fit it.
    """
    if encoding not in _ENCODABLE:
        raise ValueError(f'can encode {", ".join(_ENCODABLE)}, got {encoding!r}')
    dtype, ndim = _ENCODABLE[encoding]
    if image.dtype != dtype or image.ndim != ndim or image.shape[2:] not in ((), (3,)):
        wanted = '(H, W, 3)' if ndim == 3 else '(H, W)'
        raise ValueError(f'{encoding} needs a {wanted} {np.dtype(dtype).name} array, '
                         f'got {image.shape} {image.dtype}')
    if encoding == 'bgr8':
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    image = np.ascontiguousarray(image)
    message = Image(header=header, height=image.shape[0], width=image.shape[1],
                    encoding=encoding, step=image.strides[0],
                    is_bigendian=int(sys.byteorder == 'big'))
    message.data.frombytes(image.reshape(-1).view(np.uint8))
    return message


def encode_jpeg(rgb: np.ndarray, header: Header, quality: int = 80) -> CompressedImage:
    """
    Return an image as JPEG, described as image_transport does.

    :param rgb: (H, W, 3) uint8 RGB.
    :param quality: 1 to 100.
    """
    message = CompressedImage(header=header, format=JPEG_FORMAT)
    message.data.frombytes(coded_images.encode_jpeg(rgb, quality))
    return message


def _decode_with_cv_bridge(message: Image) -> np.ndarray:
    """Return what cv_bridge makes of an encoding that is not in the table."""
    known = ', '.join(LAYOUTS)
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise ImageError('encoding', f'unknown encoding {quoted(message.encoding)}; without '
                                     f'cv_bridge ({error}) these can be read: {known}. Install '
                                     'cv_bridge or let the camera driver publish bgr8') from error
    try:
        return CvBridge().imgmsg_to_cv2(message, 'rgb8')
    except Exception as error:  # it fails in many ways, by its own and by NumPy's versions
        raise ImageError('encoding', 'cv_bridge cannot turn encoding '
                                     f'{quoted(message.encoding)} into rgb8 ({error!r}); without '
                                     f'it these can be read: {known}. Let the camera driver '
                                     'publish bgr8') from error
