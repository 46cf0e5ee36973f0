"""Whole depth images become metres and K; broken ones a line with the cure."""

import numpy as np
import pytest
from depth_images import FOCAL, HEIGHT, WIDTH, calibration, depth_image, header
from sensor_msgs.msg import CameraInfo, Image

from yolact_ros.ros.node.depth.pairing import DepthError
from yolact_ros.ros.node.depth.reading import distorts, read_view
from yolact_ros.structures import ImageSize

SIZE = ImageSize(HEIGHT, WIDTH)


def read(depth, camera_info=None, size=SIZE, rectified=False):
    return read_view(depth, camera_info or calibration(), header(), size, rectified)


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
@pytest.mark.parametrize('big', [False, True], ids=['little endian', 'big endian'])
def test_both_units_and_byte_orders_are_read(encoding, big):
    view = read(depth_image(1.234, encoding=encoding, big=big))
    np.testing.assert_allclose(view.depth_m, 1.234, rtol=1e-6)
    assert view.matrix.tolist() == [[FOCAL, 0, 31.5], [0, FOCAL, 23.5], [0, 0, 1]]


def test_smaller_depth_of_the_same_view_is_scaled():
    halves = np.repeat([[1.0, 2.0]], WIDTH // 4, axis=1)
    view = read(depth_image(halves, size=(HEIGHT // 2, WIDTH // 2)))
    assert view.depth_m.shape == (HEIGHT, WIDTH)
    assert (view.depth_m[:, :WIDTH // 2] == 1).all() and (view.depth_m[:, WIDTH // 2:] == 2).all()


def test_calibration_at_twice_the_size_is_scaled():
    # The middle of the sensor, pixel 63.5 of 0 to 127, is 31.5 of 0 to 63.
    matrix = read(depth_image(), calibration((2 * HEIGHT, 2 * WIDTH), focal=2 * FOCAL)).matrix
    np.testing.assert_allclose(matrix, [[FOCAL, 0, 31.5], [0, FOCAL, 23.5], [0, 0, 1]])


def test_rectified_images_use_p_and_raw_ones_k():
    info = calibration(d=[0.1, 0, 0, 0, 0])
    info.p[0] = 50.0
    assert read(depth_image(), info, rectified=True).matrix[0, 0] == 50
    assert read(depth_image(), info, rectified=False).matrix[0, 0] == FOCAL
    assert (distorts(info), distorts(calibration(d=[0.0] * 5))) == (True, False)


def test_binning_and_window_of_the_calibration_hold():
    # A sensor of 256x192 px, of which 128x96 from (40, 20) on are read and binned 2x2 to 64x48.
    info = calibration((4 * HEIGHT, 4 * WIDTH), focal=2 * FOCAL)
    info.binning_x = info.binning_y = 2
    info.roi.x_offset, info.roi.y_offset = 40, 20
    info.roi.width, info.roi.height = 2 * WIDTH, 2 * HEIGHT
    matrix = read(depth_image(), info).matrix
    # The middle of the sensor is pixel (127.5, 95.5), in the window (87.5, 75.5); binned, a pixel
    # covers two: (87.5 + 0.5) / 2 - 0.5 = 43.5 and (75.5 + 0.5) / 2 - 0.5 = 37.5.
    np.testing.assert_allclose(matrix, [[FOCAL, 0, 43.5], [0, FOCAL, 37.5], [0, 0, 1]])


def test_a_window_that_is_binned_to_another_shape_is_refused():
    info = calibration((4 * HEIGHT, 4 * WIDTH))
    info.roi.width, info.roi.height = 2 * WIDTH, HEIGHT
    with pytest.raises(DepthError, match='camera_info') as caught:
        read(depth_image(), info)
    assert caught.value.cause == 'no calibration'


def mislabelled():
    message = depth_image(1.5)
    message.encoding = '32FC1'
    return message


BROKEN = {
    'other size': (depth_image(size=(HEIGHT, HEIGHT)), 'other size',
                   '48x48 px, the image 64x48 px.*depth_image_proc/register'),
    'turned': (depth_image(size=(WIDTH, HEIGHT)), 'other size',
               '48x64 px, the image 64x48 px.*turned by 90 degrees: turn both'),
    'other frame': (depth_image(frame='depth_optical'), 'other frame',
                    "'depth_optical', the picture in 'optical'.*align_depth"),
    'all zero': (depth_image(0.0), 'no known depth', 'not a single pixel.*projector'),
    'all NaN': (depth_image(np.nan, encoding='32FC1'), 'no known depth', 'not a single pixel'),
    'uint16 labelled 32FC1': (mislabelled(), 'bad depth', 'rows look like 16UC1'),
    'millimetres as float': (depth_image(1500.0, encoding='32FC1'), 'wrong unit',
                             '1500 m: .*millimetres; let the driver publish 16UC1'),
    'colour': (Image(height=HEIGHT, width=WIDTH, encoding='rgb8', step=3 * WIDTH,
                     data=bytes(3 * HEIGHT * WIDTH)), 'bad depth', "'rgb8'; choose the topic"),
    'cut off': (Image(height=HEIGHT, width=WIDTH, encoding='16UC1', step=2 * WIDTH,
                      data=bytes(7)), 'bad depth', '7 bytes; check the publisher'),
    'no pixels': (Image(encoding='16UC1'), 'bad depth', '0x0 pixels'),
}


@pytest.mark.parametrize('depth, cause, words', BROKEN.values(), ids=BROKEN)
def test_broken_depth_is_refused_with_the_cure(depth, cause, words):
    with pytest.raises(DepthError, match=words) as caught:
        read(depth)
    assert caught.value.cause == cause


@pytest.mark.parametrize('camera_info, cause, words', [
    (CameraInfo(), 'no calibration', 'all zero.*camera_calibration'),
    (CameraInfo(height=HEIGHT, width=WIDTH), 'no calibration', 'all zero'),
    (calibration((HEIGHT, HEIGHT)), 'no calibration', '48x48 px, the image 64x48 px'),
    (calibration(frame='left'), 'other frame', "camera_info is in frame 'left'"),
], ids=['all zero', 'only a size', 'other view', 'other frame'])
def test_broken_calibration_is_refused_with_the_cure(camera_info, cause, words):
    with pytest.raises(DepthError, match=words) as caught:
        read(depth_image(), camera_info)
    assert caught.value.cause == cause


def test_a_few_known_pixels_are_enough():
    metres = np.zeros((HEIGHT, WIDTH))
    metres[7, 9] = 0.7
    assert np.nansum(read(depth_image(metres)).depth_m) == pytest.approx(0.7)


def test_what_names_no_frame_is_taken_for_the_images():
    view = read(depth_image(frame=''), calibration(frame=''))
    assert view.depth_m[0, 0] == pytest.approx(1.5)
