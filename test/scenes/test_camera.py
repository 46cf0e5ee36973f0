"""The camera above the table against rays that are cut with the plane by hand."""

import numpy as np
import pytest

from yolact_ros.scenes.camera import TableCamera

CAMERA = TableCamera(60, 80, elevation=0.8, distance=1.5, roll=0.3, pan=(0.1, -0.2))


def test_straight_from_above_the_table_is_a_ruler():
    camera = TableCamera(100, 100, elevation=np.pi / 2, distance=2.0)
    # 0.9 * 100 px focal length: a metre two metres away is 45 px; y away is up in the image.
    np.testing.assert_allclose(camera.project(1.0, 0.0), (95, 50), atol=1e-9)
    np.testing.assert_allclose(camera.project(0.0, 1.0), (50, 5), atol=1e-9)
    np.testing.assert_allclose(camera.project(1.0, 0.0, z=1.0), (140, 50), atol=1e-9)


def test_the_spot_looked_at_is_in_the_middle_at_its_distance():
    np.testing.assert_allclose(CAMERA.place(*CAMERA.pan), (0, 0, 1.5), atol=1e-12)
    np.testing.assert_allclose(CAMERA.project(*CAMERA.pan), (40, 30), atol=1e-12)


def test_the_tables_axes_are_a_rotation():
    np.testing.assert_allclose(CAMERA.axes.T @ CAMERA.axes, np.eye(3), atol=1e-12)
    assert np.linalg.det(CAMERA.axes) == pytest.approx(1)


@pytest.mark.parametrize('x, y', [(0, 0), (0.4, 0.1), (-0.3, -0.4)])
def test_a_pixel_shows_the_spot_that_projects_to_it(x, y):
    assert CAMERA.spot(*CAMERA.project(x, y)) == pytest.approx((x, y))


def test_the_homography_projects_the_table():
    column, row, w = CAMERA.table_to_pixels() @ (0.3, -0.1, 1)
    np.testing.assert_allclose((column / w, row / w), CAMERA.project(0.3, -0.1))


def test_the_depth_of_a_pixel_is_that_of_its_spot():
    depth = CAMERA.table_depth()
    for row, column in ((0, 0), (59, 79), (30, 40), (12, 70)):
        spot = CAMERA.spot(column + 0.5, row + 0.5)
        assert depth[row, column] == pytest.approx(CAMERA.place(*spot)[2], rel=1e-4)


def test_above_the_horizon_there_is_no_table():
    depth = TableCamera(60, 60, elevation=0.05, distance=1.0).table_depth()
    # The horizon is tan(0.05) * focal = 2.7 px above the middle row.
    assert np.isinf(depth[:27]).all() and np.isfinite(depth[28:]).all()
