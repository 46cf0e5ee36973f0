"""What a camera driver publishes: images as messages and the intrinsics that go with them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from yolact_ros.ros.image_codec import decode_image, encode_image, encode_jpeg
from yolact_ros.structures import ImageSize

FOCAL_LENGTH_PER_WIDTH = 0.9  # a lens with 58 degrees across, like most webcams

AnyImage: TypeAlias = np.ndarray | Image | CompressedImage


def to_rgb(image: AnyImage) -> np.ndarray:
    """
    Return (H, W, 3) uint8 RGB.

    :raises ValueError: when a recorded message is damaged or of an unknown encoding.
    """
    return image if isinstance(image, np.ndarray) else decode_image(image)


def image_message(image: AnyImage, header: Header) -> Image:
    """Return the raw message; a recorded one stays as it is but for its header."""
    if isinstance(image, Image):
        image.header = header
        return image
    return encode_image(to_rgb(image), 'rgb8', header)


def depth_message(depth_mm: np.ndarray, header: Header, encoding: str = '16UC1') -> Image:
    """
    Return a depth image as depth cameras publish it (REP 118).

    :param depth_mm: (H, W) uint16 [mm], 0 where unknown.
    :param encoding: '16UC1' for millimetres, '32FC1' for metres with NaN where unknown.
    """
    if encoding == '16UC1':
        message = encode_image(depth_mm, 'mono16', header)
    else:
        metres = np.where(depth_mm > 0, depth_mm * np.float32(1e-3), np.float32(np.nan))
        message = encode_image(metres.view(np.uint16), 'mono16', header)
        message.width = depth_mm.shape[1]  # four bytes a pixel, not two
    message.encoding = encoding
    return message


def jpeg_message(image: AnyImage, header: Header, quality: int) -> CompressedImage:
    """Return the compressed message; a recorded one stays as it is but for its header."""
    if isinstance(image, CompressedImage):
        image.header = header
        return image
    return encode_jpeg(to_rgb(image), header, quality)


def size_of(image: AnyImage) -> ImageSize:
    """Return the size of the image; a compressed one has to be decoded for it."""
    if isinstance(image, Image):
        return ImageSize(image.height, image.width)
    return ImageSize(*to_rgb(image).shape[:2])


def guessed_matrix(size: ImageSize) -> np.ndarray:
    """Return (3, 3) K of a camera that looks through the centre, fx = fy = 0.9 W [px]."""
    focal = FOCAL_LENGTH_PER_WIDTH * size.width
    # ROS counts pixel centres as whole numbers.
    return np.array([[focal, 0, (size.width - 1) / 2], [0, focal, (size.height - 1) / 2],
                     [0, 0, 1]])


def pinhole(size: ImageSize, matrix: np.ndarray) -> CameraInfo:
    """
    Return the message of a camera without distortion.

    :param matrix: (3, 3) K [px].
    """
    return CameraInfo(height=size.height, width=size.width, distortion_model='plumb_bob',
                      d=[0.0] * 5, k=matrix.astype(float).ravel(), r=np.eye(3).ravel(),
                      p=np.column_stack([matrix, np.zeros(3)]).astype(float).ravel())
