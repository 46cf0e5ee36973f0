"""Outlines and frames against what they promise about single points."""

import numpy as np
import pytest

from yolact_ros.scenes.outlines import (
    BELOW,
    View,
    arc,
    box_frame,
    corner_frame,
    lying,
    lying_frame,
    turned,
    wall,
)


def mapped(frame, points):
    return np.asarray(points) @ frame[:, :2].T + frame[:, 2]


def test_an_arc_lies_on_its_ellipse_and_below_means_larger_y():
    points = arc((2, 3), (4, 1), BELOW)
    np.testing.assert_allclose(((points - (2, 3)) / (4, 1)) ** 2 @ (1, 1), 1)
    np.testing.assert_allclose(points[[0, -1]], [(6, 3), (-2, 3)], atol=1e-12)
    assert (points[:, 1] >= 3 - 1e-12).all()


@pytest.mark.parametrize('turn', [0.0, 0.7, -2.0])
def test_a_box_frame_sends_the_boxes_corners_to_the_units(turn):
    corners = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    box = turned(corners * (3, 0.5), turn) + (10, 20)
    np.testing.assert_allclose(mapped(box_frame((10, 20), (3, 0.5), turn), box), corners,
                               atol=1e-9)


def test_a_corner_frame_sends_a_parallelogram_to_the_units():
    corner, along, across = np.array([1.0, 2]), np.array([4.0, 1]), np.array([-1.0, 3])
    spots = [corner, corner + along, corner + across, corner + along + across]
    np.testing.assert_allclose(mapped(corner_frame(corner, along, across), spots),
                               [(-1, -1), (1, -1), (-1, 1), (1, 1)], atol=1e-12)


def test_a_face_seen_from_its_edge_has_a_frame_without_infinities():
    frame = corner_frame(np.zeros(2), np.array([1.0, 0]), np.array([2.0, 0]))
    assert np.isfinite(frame).all()


def test_a_quarter_turn_goes_from_x_to_y_which_is_down():
    np.testing.assert_allclose(turned(np.array([(1.0, 0), (0, 2)]), np.pi / 2), [(0, 1), (-2, 0)],
                               atol=1e-12)


@pytest.mark.parametrize('elevation, yaw', [(1.2, 0.0), (0.3, 0.9), (np.pi / 2, -2.0)])
def test_the_frame_of_a_lying_thing_follows_its_points(elevation, yaw):
    view, frame = View(elevation, yaw), box_frame((0.2, 0.1), (1, 2), 0.4)
    points = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(mapped(lying_frame(frame, view), lying(points, view)),
                               mapped(frame, points), atol=1e-9)


def test_an_upright_wall_reaches_from_the_lower_edge_of_the_foot_to_the_upper_of_the_rim():
    outline = wall(bottom=1.0, top=2.0, bottom_y=5.0, top_y=-5.0, depth=0.5)
    assert outline[:, 1].max() == pytest.approx(5.5, abs=0.01)
    assert outline[:, 1].min() == pytest.approx(-6.0, abs=0.01)
    assert np.abs(outline[:, 0]).max() == pytest.approx(2.0)


def test_a_view_from_above_sees_no_height_and_all_of_the_table():
    view = View(np.pi / 2, 0.0)
    assert (view.rise, view.depth) == (pytest.approx(0), pytest.approx(1))
