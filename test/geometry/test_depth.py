"""Depth messages in metres, and the matrix of an image from its camera_info."""

import numpy as np
import pytest

from yolact_ros.geometry.depth import camera_matrix, depth_to_metres, scale_depth
from yolact_ros.structures import ImageSize

ROWS = [[0, 1, 1500], [65535, 20, 300]]
METRES = [[np.nan, 0.001, 1.5], [65.535, 0.02, 0.3]]


def packed(rows, dtype, padding):
    """Return the bytes of the rows, each followed by rubbish, and the step."""
    lines = [np.array(row, dtype).tobytes() + b'\xaa' * padding for row in rows]
    return b''.join(lines), len(lines[0])


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('big', [False, True], ids=['little endian', 'big endian'])
@pytest.mark.parametrize('encoding, dtype, rows', [
    ('16UC1', 'u2', ROWS), ('32FC1', 'f4', METRES),
    ('32FC1', 'f4', [[np.inf, 0.001, 1.5], METRES[1]])])
def test_both_units_become_metres(encoding, dtype, rows, big, padding):
    data, step = packed(rows, ('>' if big else '<') + dtype, padding)
    depth = depth_to_metres(data, encoding, ImageSize(2, 3), step, big)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, METRES, rtol=1e-6)


@pytest.mark.parametrize('encoding, data, step, words', [
    ('rgb8', b'\0' * 12, 6, "'rgb8'.*depth image"),
    ('16UC1', b'\0' * 11, 6, '3x2.*11 bytes'),
    ('16UC1', b'\0' * 12, 5, 'step of 5')])
def test_what_is_no_depth_image_is_refused(encoding, data, step, words):
    with pytest.raises(ValueError, match=words):
        depth_to_metres(data, encoding, ImageSize(2, 3), step)


def test_depth_is_scaled_without_mixing_object_and_background():
    depth = np.array([[1, 4], [np.nan, 2]], np.float32)
    np.testing.assert_array_equal(scale_depth(depth, ImageSize(4, 4)),
                                  depth.repeat(2, axis=0).repeat(2, axis=1))


def test_depth_of_another_view_is_refused_with_the_sizes_and_the_cure():
    with pytest.raises(ValueError, match='640x480.*1280x720.*depth_image_proc/register'):
        scale_depth(np.zeros((480, 640), np.float32), ImageSize(720, 1280))


KS = [600, 0, 320, 0, 610, 240, 0, 0, 1]
PS = [500, 0, 300, 0, 0, 510, 200, 0, 0, 0, 1, 0]
FULL = ImageSize(480, 640)


def test_rectified_images_use_p_and_raw_ones_k():
    assert camera_matrix(KS, PS, FULL, FULL)[0].tolist() == [500, 0, 300]
    assert camera_matrix(KS, PS, FULL, FULL, rectified=False)[0].tolist() == [600, 0, 320]
    assert camera_matrix(KS, [0] * 12, FULL, FULL)[0].tolist() == [600, 0, 320]


@pytest.mark.parametrize('fields, image, offset', [
    ({'binning': (2, 2)}, ImageSize(240, 320), (0, 0)),
    ({'roi': (100, 50, 240, 320)}, ImageSize(240, 320), (100, 50)),
    ({'roi': (100, 50, 240, 320), 'binning': (2, 2)}, ImageSize(120, 160), (100, 50)),
    ({}, ImageSize(960, 1280), (0, 0))], ids=['binned', 'window', 'both', 'scaled'])
def test_a_ray_hits_the_pixel_that_covers_its_pixel_on_the_sensor(fields, image, offset):
    matrix = camera_matrix(KS, PS, FULL, image, **fields)
    window = fields.get('roi', (0, 0, 480, 640))
    scale = image.width / window[3]
    point = np.array([0.05, 0.03, 1.0])
    sensor = np.array([[500, 0, 300], [0, 510, 200]]) @ point
    expected = (sensor - offset + 0.5) * scale - 0.5  # edges of pixels, not centres, scale
    np.testing.assert_allclose((matrix @ point)[:2], expected)


def test_an_uncalibrated_camera_is_refused_with_the_cure():
    with pytest.raises(ValueError, match='camera_calibration'):
        camera_matrix([0] * 9, [0] * 12, FULL, FULL)


def test_a_camera_info_of_another_view_is_refused():
    with pytest.raises(ValueError, match='640x480.*1280x720'):
        camera_matrix(KS, PS, FULL, ImageSize(720, 1280))
