"""A depth message and a CameraInfo to metres and K of the image at hand, or a reason why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from yolact_ros.geometry.depth import (
    ALIGN,
    camera_matrix,
    check_same_view,
    depth_to_metres,
    scale_depth,
)
from yolact_ros.ros.node.depth.pairing import DepthError
from yolact_ros.structures import ImageSize

FARTHEST_M = 200.0  # no depth camera sees so far: half of its pixels beyond are millimetres
SAMPLES = 64  # so many rows and columns tell the unit


@dataclass(frozen=True, eq=False)
class DepthView:
    """
    Depth as the image sees it.

    :param depth_m: (H, W) float32 [m], NaN where unknown.
    :param matrix: (3, 3) float64, K of the image [px].
    """

    depth_m: np.ndarray
    matrix: np.ndarray


def read_view(depth: Image, camera_info: CameraInfo, header: Header, size: ImageSize,
              rectified: bool) -> DepthView:
    """
    Return the depth image in metres at the size of the image.

    :param camera_info: of the image's camera.
    :param header: of the image.
    :param size: of the image.
    :param rectified: whether the image is: then P of camera_info counts, else K.
    :raises DepthError: with the reason and the cure.
    """
    matrix = read_matrix(camera_info, header, size, rectified)
    _check_frame('depth picture', depth.header, header)
    _check_view(depth, size)
    try:
        depth_m = depth_to_metres(depth.data, depth.encoding, ImageSize(depth.height, depth.width),
                                  depth.step, bool(depth.is_bigendian))
    except ValueError as error:
        raise DepthError('bad depth', _with_hint(str(error), depth)) from error
    _check_values(depth_m)
    return DepthView(scale_depth(depth_m, size), matrix)


def read_matrix(camera_info: CameraInfo, header: Header, size: ImageSize,
                rectified: bool) -> np.ndarray:
    """
    Return K of the image, (3, 3) float64 [px].

    :raises DepthError: for an uncalibrated camera, or one of another view.
    """
    if not camera_info.height or not camera_info.width or not (camera_info.k[0]
                                                               or camera_info.p[0]):
        raise DepthError('no calibration', 'camera_info is all zero: the camera is not '
                         'calibrated; run camera_calibration, or give the driver its '
                         'calibration file')
    _check_frame('camera_info', camera_info.header, header)
    roi = camera_info.roi
    try:
        return camera_matrix(
            camera_info.k, camera_info.p, ImageSize(camera_info.height, camera_info.width), size,
            rectified or not camera_info.k[0], (camera_info.binning_x, camera_info.binning_y),
            (roi.x_offset, roi.y_offset, roi.height, roi.width))
    except ValueError as error:
        raise DepthError('no calibration', str(error)) from error


def distorts(camera_info: CameraInfo) -> bool:
    """Return whether the lens bends straight lines in the raw image."""
    return any(camera_info.d)


def _check_frame(what: str, got: Header, wanted: Header) -> None:
    """Refuse what another camera has seen; no frame at all is taken for the image's."""
    if got.frame_id and wanted.frame_id and got.frame_id != wanted.frame_id:
        raise DepthError('other frame', f'the {what} is in frame {got.frame_id!r}, the picture in '
                         f'{wanted.frame_id!r}: not the same view; {ALIGN}')


def _check_view(depth: Image, size: ImageSize) -> None:
    """Refuse a depth image of another shape than the image's."""
    if not depth.height or not depth.width:
        raise DepthError('bad depth', f'the depth picture has {depth.width}x{depth.height} '
                         'pixels; look after the camera driver')
    try:
        check_same_view('the depth picture', ImageSize(depth.height, depth.width), size)
    except ValueError as error:
        turned = (depth.height, depth.width) == (size.width, size.height)
        raise DepthError('other size', str(error) + (
            '. It looks turned by 90 degrees: turn both pictures or none' if turned else '')
        ) from error


def _with_hint(text: str, depth: Image) -> str:
    """Return an error's text, with the likely cause where the rows give it away."""
    if depth.encoding == '32FC1' and depth.step == 2 * depth.width:
        return text + '. The rows look like 16UC1 [mm]: the driver names the wrong encoding'
    return text


def _check_values(depth_m: np.ndarray) -> None:
    """Refuse depth of which nothing is known, and metres that are none."""
    rows, columns = (max(1, side // SAMPLES) for side in depth_m.shape)
    sample = depth_m[::rows, ::columns]
    known = sample[sample > 0]
    if not known.size and not (depth_m > 0).any():
        raise DepthError('no known depth', 'not a single pixel of the depth picture is known (all '
                         'are 0 or NaN): look after the projector, the range and the exposure '
                         'of the depth camera')
    if known.size and np.median(known) > FARTHEST_M:
        raise DepthError('wrong unit', 'half of the depth picture is farther away than '
                         f'{np.median(known):.0f} m: 32FC1 is in metres (REP 118), these look '
                         'like millimetres; let the driver publish 16UC1 or divide by 1000')
