"""Depth and masks become places in space: formulas tell the truth, loops compute it."""

import cv2
import numpy as np
import pytest
from analytic_scenes import SHAPES, WALL, K, disturbed, instances_of, plane, visible_centre

from yolact_ros.geometry import Places, lift
from yolact_ros.geometry.depth import depth_to_metres
from yolact_ros.structures import ImageSize, Instances


@pytest.mark.parametrize('missing', [0.0, 0.1, 0.3])
@pytest.mark.parametrize('distance', [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize('shape', SHAPES)
def test_the_centre_is_that_of_the_visible_surface(shape, distance, missing):
    z = SHAPES[shape](distance)
    places = lift(instances_of(np.isfinite(z)), disturbed(z, missing, flying=0.1), K)
    error = np.linalg.norm(places.positions[0] - visible_centre(z))
    assert error < max(0.01, 0.01 * distance)


def naive_place(mask, depth):
    """Return position, number of points and spread by the words of the documentation, slowly."""
    def inside(pixels):
        reach = range(-pixels, pixels + 1)
        return [(y, x) for y, x in zip(*np.nonzero(mask))
                if all(0 <= y + dy < mask.shape[0] and 0 <= x + dx < mask.shape[1]
                       and mask[y + dy, x + dx] for dy in reach for dx in reach)]
    whole = inside(0)
    pixels = next((inside(pixels) for pixels, least in ((2, 0.8), (1, 0.5))
                   if len(inside(pixels)) >= least * len(whole)), whole)
    known = [(y, x, float(depth[y, x])) for y, x in pixels if depth[y, x] > 0]
    median = np.median([z for *_, z in known])
    spread = np.median([abs(z - median) for *_, z in known])
    kept = [((x - K[0, 2]) / K[0, 0] * z, (y - K[1, 2]) / K[1, 1] * z, z) for y, x, z in known
            if abs(z - median) <= 3 * max(spread, 0.01 * median)]
    return np.mean(kept, axis=0), len(kept), spread


@pytest.mark.parametrize('radii', [(4, 3), (13, 12), (40, 55), (70, 40)])
def test_places_are_those_of_a_naive_computation_on_all_pixels(radii):
    generator = np.random.default_rng(radii)
    y, x = np.mgrid[:120, :160]
    mask = ((x - 80) / radii[0]) ** 2 + ((y - 60) / radii[1]) ** 2 <= 1
    mask[60:64] &= generator.random((4, 160)) < 0.7  # ragged
    depth = np.where(mask, 1 + 0.001 * (x - 80) + generator.normal(0, 0.01, mask.shape), WALL)
    depth[generator.random(mask.shape) < 0.2] = np.nan
    depth[generator.random(mask.shape) < 0.1] = 2.0
    places = lift(instances_of(mask), depth, K)
    position, points, spread = naive_place(mask, depth)
    # The bounds for outliers come from at most 601 pixels: a few more or less pass them.
    np.testing.assert_allclose(places.positions[0], position, atol=1e-3)
    assert places.points[0] == pytest.approx(points, rel=0.01)
    assert places.spreads[0] == pytest.approx(spread, rel=0.12)


def test_a_large_object_of_which_hardly_any_depth_is_known_is_not_overlooked():
    mask = np.ones((120, 160), bool)
    depth = np.full(mask.shape, np.nan)
    depth[1::2, 1:40:2] = 1.5  # between the rows and columns of any even grid
    places = lift(instances_of(mask), depth, K)
    assert places.points[0] == 58 * 19  # the rim of two pixels is taken away
    assert places.positions[0, 2] == pytest.approx(1.5)


def test_depths_far_from_the_objects_median_are_left_out():
    mask = np.zeros((120, 160), bool)
    mask[30:70, 40:100] = True
    depth = np.where(mask, 1.0, WALL)
    depth[40:50, 50:80] = 3.0
    places = lift(instances_of(mask), depth, K)
    assert places.positions[0, 2] == pytest.approx(1.0, abs=1e-6)
    assert places.points[0] == 36 * 56 - 10 * 30  # two pixels of the rim are taken away


def test_a_flat_square_gets_its_own_edges_and_not_its_diagonals():
    mask = np.zeros((120, 160), bool)
    mask[40:80, 60:100] = True
    places = lift(instances_of(mask), np.full(mask.shape, 1.5), K)
    side = 40 / 150 * 1.5
    np.testing.assert_allclose(places.box_sizes[0], [side, side, 0], atol=1e-3)
    np.testing.assert_allclose(places.box_rotations[0], np.eye(3), atol=1e-3)


@pytest.mark.parametrize('distance', [0.5, 2.0])
def test_a_tilted_rectangle_gets_its_sides_and_its_tilt(distance):
    z = plane(distance)
    places = lift(instances_of(np.isfinite(z)), disturbed(z, 0.1, 0.0), K)
    width, height, thickness = places.box_sizes[0] / distance
    # a pixel is 0.007 of the distance, and the tilted side is seen foreshortened
    assert (width, height, thickness) == pytest.approx((0.3, 0.2, 0.0), abs=0.02)
    assert abs(places.box_rotations[0][:, 2] @ [np.sin(np.radians(35)), 0,
                                                np.cos(np.radians(35))]) > 0.995


@pytest.mark.parametrize('shape', SHAPES)
def test_the_rotation_is_a_right_handed_one_close_to_the_cameras_axes(shape):
    z = SHAPES[shape](1.0)
    rotation = lift(instances_of(np.isfinite(z)), disturbed(z, 0, 0), K).box_rotations[0]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    # every rotation has a name of its axes that is within 62.8 degrees of the identity
    assert np.trace(rotation) > 1 + 2 * np.cos(np.radians(62.9)) - 1e-9


@pytest.mark.parametrize('size, points', [(40, 36 * 36), (12, 100), (5, 25), (4, 16), (3, 0),
                                          (0, 0)])
def test_a_small_mask_does_not_vanish_unless_it_has_too_few_points(size, points):
    # By hand: 36x36 is 0.81 of 40x40; 8x8 of 12x12 is below 0.8, 10x10 above 0.5; 3x3 of 5x5 is
    # below 0.5, as 2x2 of 4x4; 3x3 pixels are less than ten.
    mask = np.zeros((120, 160), bool)
    mask[50:50 + size, 60:60 + size] = True
    places = lift(instances_of(mask), np.ones(mask.shape), K)
    assert places.points.tolist() == [points]
    assert np.isnan(places.positions).all() == (points == 0)


@pytest.mark.parametrize('value', [np.nan, np.inf, 0.0, -1.0])
def test_without_known_depth_nothing_is_claimed(value):
    mask = np.zeros((120, 160), bool)
    mask[30:70, 40:100] = True
    places = lift(instances_of(mask), np.full(mask.shape, value), K)
    assert places.points.tolist() == [0]
    assert np.isnan(places.box_rotations).all() and np.isnan(places.spreads).all()


def test_an_image_without_objects_has_no_places():
    places = lift(Instances.empty(ImageSize(120, 160)), np.ones((120, 160)), K)
    assert (len(places), places.box_rotations.shape) == (0, (0, 3, 3))


def test_objects_keep_their_rows_where_one_between_them_is_unknown():
    masks = np.zeros((3, 120, 160), bool)
    masks[0, 10:40, 10:40], masks[1, 10:40, 50:80], masks[2, 60:90, 10:40] = True, True, True
    depth = np.where(masks[0], 1.0, np.where(masks[2], 2.0, np.nan))
    places = lift(instances_of(*masks), depth, K)
    np.testing.assert_allclose(places.positions[:, 2], [1.0, np.nan, 2.0], atol=1e-6)


def test_depth_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r'\(120, 160\).*got \(60, 80\)'):
        lift(Instances.empty(ImageSize(120, 160)), np.ones((60, 80)), K)


def test_an_uncalibrated_camera_is_refused():
    with pytest.raises(ValueError, match='calibrate'):
        lift(Instances.empty(ImageSize(120, 160)), np.ones((120, 160)), np.zeros((3, 3)))


def test_places_of_unequal_lengths_are_refused():
    unknown = Places.unknown(2)
    with pytest.raises(ValueError, match='spreads'):
        Places(unknown.positions, unknown.box_centers, unknown.box_rotations, unknown.box_sizes,
               unknown.points, np.zeros(3))


def test_a_real_banana_and_a_real_bottle_are_as_long_as_they_are(shared_data):
    folder = shared_data / 'media' / 'robot_camera'
    raw = cv2.imread(str(folder / 'ycbv_000629_depth16.png'), cv2.IMREAD_UNCHANGED)
    hue, saturation, value = cv2.split(cv2.cvtColor(
        cv2.imread(str(folder / 'ycbv_000629_rgb.png')), cv2.COLOR_BGR2HSV))
    yellow = (hue > 15) & (hue < 35) & (saturation > 120) & (value > 80)
    opened = cv2.morphologyEx(yellow.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    masks = [labels == row for row in range(1, count) if stats[row, cv2.CC_STAT_AREA] > 5000]
    matrix = np.array([[1066.778, 0, 312.9869], [0, 1067.487, 241.3109], [0, 0, 1]])
    places = lift(instances_of(*masks), raw / 10000.0, matrix)
    assert len(masks) == 2
    bottle, banana = places.box_sizes.max(axis=1)
    # YCB: the bottle is 0.175 to 0.19 m high with its cap; the banana is 0.19 m from end to end,
    # but its tip is too orange for the threshold and its stem lies behind three deviations.
    assert 0.165 < bottle < 0.2
    assert 0.11 < banana < 0.19
    assert ((places.positions[:, 2] > 0.7) & (places.positions[:, 2] < 0.9)).all()


def test_millimetres_and_metres_give_the_same_place_to_the_millimetre():
    z = plane(1.3)
    millimetres = np.where(np.isfinite(z), np.rint(z * 1000), 0).astype(np.uint16)
    size = ImageSize(*z.shape)
    by_unit = [depth_to_metres(data.tobytes(), encoding, size, data.strides[0])
               for encoding, data in (('16UC1', millimetres), ('32FC1', z.astype(np.float32)))]
    found = [lift(instances_of(np.isfinite(z)), depth, K) for depth in by_unit]
    np.testing.assert_allclose(found[0].positions, found[1].positions, atol=1e-3)
