"""Depth messages' bytes to metres, and camera parameters to the matrix of the image at hand."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from yolact_ros.structures import ImageSize

ASPECT_TOLERANCE = 0.01  # 1280x720 beside 848x480 is the same view, rounded to whole pixels
ALIGN = ('let the camera driver align depth to colour (realsense: align_depth.enable), or run '
         'depth_image_proc/register')


def depth_to_metres(data: bytes, encoding: str, size: ImageSize, step: int,
                    is_bigendian: bool = False) -> np.ndarray:
    """
    Return a depth image in metres (REP 118).

    16UC1 is in millimetres with 0 for unknown, 32FC1 in metres with NaN and infinite for unknown.

    :param data: the bytes of a sensor_msgs/Image; rows may be padded.
    :param step: bytes from one row to the next.
    :returns: (H, W) float32 [m], NaN where unknown.
    :raises ValueError: for another encoding, or when size, step and data do not fit together.
    """
    kinds = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}
    if encoding not in kinds:
        raise ValueError(f'a depth image is 16UC1 [mm] or 32FC1 [m], got {encoding!r}; choose '
                         'the topic of the depth image')
    dtype = np.dtype(('>' if is_bigendian else '<') + kinds[encoding])
    row_bytes, needed = size.width * dtype.itemsize, step * size.height
    if step < row_bytes or len(data) < needed:
        raise ValueError(f'{size.width}x{size.height} pixels in {encoding} take {row_bytes} bytes '
                         f'a row, got a step of {step} and {len(data)} bytes; check the publisher')
    raw = np.ndarray((size.height, size.width), dtype, buffer=data, strides=(step, dtype.itemsize))
    values = np.multiply(raw, np.float32(1e-3 if dtype.kind == 'u' else 1), dtype=np.float32)
    known = ((values > 0) & (values < np.inf)).view(np.uint8)
    with np.errstate(divide='ignore', invalid='ignore'):
        values *= known  # then 0 / 0 is NaN: a fifth of the time of setting single pixels
        values /= known
    return values


def scale_depth(depth_m: np.ndarray, size: ImageSize) -> np.ndarray:
    """
    Return a depth image of the same view at another size; no depths are mixed.

    :param depth_m: (h, w) float32 [m], itself returned where it has the size already.
    :returns: (size.height, size.width) float32 [m].
    :raises ValueError: when the aspect ratio differs, so that it cannot be the same view.
    """
    height, width = depth_m.shape
    if (height, width) == (size.height, size.width):
        return depth_m
    check_same_view('the depth image', ImageSize(height, width), size)
    return cv2.resize(depth_m, (size.width, size.height), interpolation=cv2.INTER_NEAREST_EXACT)


def camera_matrix(k: Sequence[float], p: Sequence[float], calibrated: ImageSize,
                  image: ImageSize, rectified: bool = True,
                  binning: tuple[int, int] = (0, 0),
                  roi: tuple[int, int, int, int] = (0, 0, 0, 0)) -> np.ndarray:
    """
    Return the intrinsic matrix of an image from the fields of its sensor_msgs/CameraInfo.

    :param k: 9 numbers, row by row; those of the raw camera.
    :param p: 12 numbers, row by row; those of the rectified image.
    :param calibrated: height and width of CameraInfo, the whole sensor.
    :param image: size of the image that the matrix is for.
    :param rectified: whether that image is rectified: then P counts, where it is given.
    :param binning: horizontal and vertical; 0 means 1.
    :param roi: x_offset, y_offset, height, width in pixels of the sensor; all 0 is everything.
    :returns: (3, 3) float64 [px], centres of pixels are whole numbers.
    :raises ValueError: for an uncalibrated camera, or an image of another aspect ratio.
    """
    projection = np.reshape(np.asarray(p, float), (3, 4))[:, :3]
    matrix = (projection if rectified and projection[0, 0] > 0
              else np.reshape(np.asarray(k, float), (3, 3))).copy()
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise ValueError('the camera_info holds no focal length: the camera is not calibrated; '
                         'run camera_calibration, or give the driver its calibration file')
    x_offset, y_offset, rows, columns = roi
    window = ImageSize(rows or calibrated.height, columns or calibrated.width)
    binned = ImageSize(max(1, window.height // max(binning[1], 1)),
                       max(1, window.width // max(binning[0], 1)))
    matrix[:2, 2] -= (x_offset, y_offset)
    check_same_view('the camera_info', binned, image)
    return _scaled(matrix, image.width / window.width, image.height / window.height)


def _scaled(matrix: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return the matrix of the image scaled by these factors; its corner stays at -0.5."""
    scaled = matrix.copy()
    scaled[0] *= x
    scaled[1] *= y
    scaled[0, 2] += (x - 1) / 2
    scaled[1, 2] += (y - 1) / 2
    return scaled


def check_same_view(what: str, got: ImageSize, wanted: ImageSize) -> None:
    """
    Refuse sizes that cannot show the same view.

    :raises ValueError: with both sizes and the cure.
    """
    ratio = (got.width / got.height) / (wanted.width / wanted.height)
    if abs(ratio - 1) > ASPECT_TOLERANCE:
        raise ValueError(f'{what} is {got.width}x{got.height} px, the image {wanted.width}x'
                         f'{wanted.height} px: not the same view; {ALIGN}')
