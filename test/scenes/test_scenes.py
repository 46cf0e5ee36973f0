"""Synthetic scenes: pure, exactly labelled, with holes, motion and depth that agree."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from yolact_ros import scenes
from yolact_ros.scenes import CLASS_NAMES, VAL_EASY, VAL_HARD, scene
from yolact_ros.scenes.camera import TableCamera
from yolact_ros.scenes.compose import SHAPES, background, draw_items
from yolact_ros.scenes.depth import depth_image, item_height
from yolact_ros.scenes.motion import Moment, moment
from yolact_ros.scenes.outlines import View
from yolact_ros.scenes.painter import Placement, paint
from yolact_ros.scenes.world import MODES, STEEP, Item, build_world, random_look

LIGHT = np.array([-0.4, -0.5, 0.77])
LITTLE = (96, 128)      # a small image, to be quick


def sprite_of(name, seed, elevation=0.7, yaw=0.3, scale=80):
    rng = np.random.default_rng(seed)
    look = random_look(rng)
    parts = SHAPES[CLASS_NAMES.index(name)](rng, View(elevation, yaw), look)
    return paint(parts, Placement(np.array([100.0, 100.0]), scale), LIGHT)


def holes_in(silhouette, smallest=12):
    """Count the enclosed background regions that are more than stray pixels."""
    # By SciPy: OpenCV 4.5.5 crashes where regions may not meet at corners.
    regions, _ = ndimage.label(np.pad(~silhouette, 1, constant_values=True))
    return np.count_nonzero(np.bincount(regions.ravel())[1:] >= smallest) - 1


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('difficulty', ['easy', 'hard'])
def test_a_scene_is_a_pure_function_of_its_arguments(mode, difficulty):
    first = scene(11, 1.5, LITTLE, mode, difficulty, depth=True)
    build_world.cache_clear()
    scene(12, 0.0, LITTLE, mode, difficulty)
    again = scene(11, 1.5, LITTLE, mode, difficulty, depth=True)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.depth_mm, again.depth_mm)
    assert [item.track_id for item in first.objects] == [item.track_id for item in again.objects]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(first.objects, again.objects))


def test_neighbouring_seeds_show_different_scenes():
    assert not np.array_equal(scene(1, size=LITTLE).image, scene(2, size=LITTLE).image)


def test_the_image_is_rgb_bytes_of_the_wanted_size():
    image = scene(3, size=(100, 140)).image
    assert (image.shape, image.dtype) == ((100, 140, 3), np.uint8)


@pytest.mark.parametrize('seed', range(12))
def test_masks_are_disjoint_and_their_boxes_fit_tightly(seed):
    objects = scene(seed, difficulty='hard').objects
    total = np.zeros((256, 256), int)
    for item in objects:
        total += item.mask
        rows, columns = np.nonzero(item.mask)
        assert item.box.tolist() == [columns.min(), rows.min(), columns.max() + 1,
                                     rows.max() + 1]
        assert 0.2 <= item.visible <= 1
        assert item.crowd == (item.visible < 0.35)
    assert total.max(initial=0) <= 1


def test_without_camera_effects_pixels_change_only_where_something_moved():
    before = scene(5, 0.0, mode='shuffle', effects=False)
    after = scene(5, 0.35, mode='shuffle', effects=False)
    old, new = ({item.track_id: item for item in shown.objects} for shown in (before, after))
    moving = [key for key in old if not np.allclose(old[key].position, new[key].position)]
    near = np.zeros((256, 256), np.uint8)
    for key in moving:
        near |= old[key].mask.astype(np.uint8) | new[key].mask.astype(np.uint8)
    # A shadow reaches at most about as far as its object is large.
    reach = max(np.ptp(old[key].box[[0, 2]]) for key in moving)
    near = cv2.dilate(near, np.ones((int(2 * reach) | 1,) * 2, np.uint8)).astype(bool)
    changed = (before.image != after.image).any(2)
    assert len(moving) == 2
    assert changed.any()
    assert not changed[~near].any()


def test_a_mask_covers_exactly_the_pixels_its_object_paints():
    shown = scene(21, effects=False)
    world = build_world(21, (256, 256), 'still', 'easy')
    nearest = max(shown.objects, key=lambda item: item.mask.sum() * (item.visible > 0.99))
    item = next(item for item in world.items if item.track_id == nearest.track_id)
    # Repaint the whole table without the object: inside its mask nearly everything differs.
    rest = tuple(other for other in world.items if other is not item)
    without = replace(world, items=rest)
    image = background(without, moment(without, 0), None)
    draw_items(image, without, moment(without, 0))
    differs = np.abs(shown.image.transpose(2, 0, 1) - np.clip(image, 0, 255)).max(0) > 1
    assert differs[nearest.mask].mean() > 0.97


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('name, elevation, holes', [
    ('ring', 0.8, 1), ('ring', 1.4, 1), ('mug', 0.7, 1), ('ball', 0.8, 0), ('bowl', 0.8, 0),
    ('box', 0.8, 0), ('bottle', 0.8, 0), ('banana', 0.8, 0)])
def test_holes_are_open_where_the_shape_has_them(name, elevation, holes, seed):
    assert holes_in(sprite_of(name, seed, elevation, scale=120).silhouette) == holes


@pytest.mark.parametrize('name', CLASS_NAMES)
def test_a_silhouette_is_one_piece_of_about_its_nominal_size(name):
    for seed in range(5):
        silhouette = sprite_of(name, seed).silhouette
        count, _ = cv2.connectedComponents(silhouette.astype(np.uint8))
        assert count == 2
        assert 0.5 * 80 < max(silhouette.shape) < 1.6 * 80


@pytest.mark.parametrize('name', CLASS_NAMES)
def test_the_silhouette_scales_with_the_object(name):
    small, large = (np.count_nonzero(sprite_of(name, 5, scale=scale).silhouette)
                    for scale in (60, 120))
    # Outlines are rounded to whole pixels: a few percent.
    assert large == pytest.approx(4 * small, rel=0.06)


@pytest.fixture(scope='module')
def hard_scenes():
    """Return the objects of many hard scenes."""
    return [scene(seed, size=LITTLE, difficulty='hard').objects for seed in range(120)]


def test_easy_scenes_are_sparser_than_hard_ones_and_a_few_are_empty(hard_scenes):
    easy = [len(scene(seed, size=LITTLE).objects) for seed in range(80)]
    hard = [len(objects) for objects in hard_scenes]
    assert max(easy) <= 8 and max(hard) <= 14
    assert np.mean(hard) > np.mean(easy) + 2
    assert 0 < easy.count(0) < 12


def test_every_class_appears_about_as_often(hard_scenes):
    counts = np.bincount([item.class_id for objects in hard_scenes for item in objects],
                         minlength=len(CLASS_NAMES))
    assert counts.min() > 0.6 * counts.mean()


def test_validation_seeds_are_never_training_seeds():
    assert len(VAL_EASY) == len(VAL_HARD) == 200
    assert min(VAL_EASY[0], VAL_HARD[0]) >= 1_000_000_000 > scenes.TRAINING_SEEDS.stop
    assert not set(VAL_EASY) & set(VAL_HARD)


@pytest.mark.parametrize('mode', [mode for mode in MODES if mode != 'still'])
def test_the_velocity_is_the_difference_of_positions(mode):
    step = 0.01
    for t in (0.4, 2.05):
        now, soon = ({item.track_id: item for item in scene(8, time, LITTLE, mode).objects}
                     for time in (t, t + step))
        assert now
        for key in now.keys() & soon.keys():
            moved = (soon[key].position - now[key].position) / step
            # The velocity changes a little within the step.
            assert moved == pytest.approx(now[key].velocity, abs=0.05)


def test_things_on_a_conveyor_keep_their_track_id_and_run_to_the_right():
    seen = [{item.track_id: item.position[0] for item in scene(5, t, mode='conveyor').objects}
            for t in (0.0, 0.5, 1.0)]
    common = seen[0].keys() & seen[1].keys() & seen[2].keys()
    assert common
    assert all(seen[0][key] < seen[1][key] < seen[2][key] for key in common)


def test_a_shuffle_swaps_places_and_keeps_ids():
    start, later = (scene(6, t, mode='shuffle') for t in (0.0, 1.59))
    places = {item.track_id: item.position for item in start.objects}
    moved = [item for item in later.objects
             if not np.allclose(item.position, places.get(item.track_id, item.position))]
    assert len(moved) == 2
    assert moved[0].position == pytest.approx(places[moved[1].track_id])


def test_a_gripper_takes_the_first_thing_away_and_brings_a_new_one():
    def ids(t):
        return {item.track_id for item in scene(9, t, mode='pick').objects}

    world = build_world(9, (256, 256), 'pick', 'easy')
    first = next(item for item in world.items if item.class_id >= 0).track_id
    assert first in ids(0.0)
    assert first not in ids(3.4)
    assert ids(6.99) - ids(0.0) == {first + len(world.items)}


def test_a_resting_scene_looks_the_same_at_any_time_but_for_noise():
    early, late = scene(7, 0.0, LITTLE), scene(7, 9.0, LITTLE)
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(early.objects, late.objects))


def heights_above_table(shown, camera):
    """Return (H, W) how far the points of the depth image lie above the table [m]."""
    rows, columns = np.mgrid[:camera.height, :camera.width]
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
    points = pixels @ np.linalg.inv(shown.camera_matrix).T * shown.depth_mm[..., None] / 1000
    return (points - (0, 0, camera.distance)) @ camera.axes[:, 2]


@pytest.mark.parametrize('seed', [3, 5, 8])
@pytest.mark.parametrize('mode', ['still', 'camera', 'conveyor', 'pick'])
def test_the_depth_image_is_as_high_above_the_table_as_what_is_drawn(mode, seed):
    size = (120, 160)
    shown = scene(seed, 1.0, size, mode, depth=True)
    world = build_world(seed, size, mode, 'easy')
    now = moment(world, 1.0)
    items = {item.track_id: item for item in now.items}
    heights = heights_above_table(shown, now.camera)
    assert shown.depth_mm.dtype == np.uint16
    assert shown.objects
    for item in shown.objects:
        thing = items[item.track_id]
        top = thing.lift + item_height(thing, world.camera.elevation > STEEP)
        # depth is rounded to a millimetre
        assert heights[item.mask].min() > thing.lift - 0.002
        assert heights[item.mask].max() < top + 0.002
        assert heights[item.mask].max() > thing.lift + 0.5 * (top - thing.lift)
        # and the thing is where it stands: within its own size
        assert np.abs(shown.depth_mm[item.mask] / 1000 - item.depth).max() < 1.2 * thing.size


def test_an_upright_thing_stands_on_its_spot():
    camera = TableCamera(100, 100, np.radians(45), 0.8)
    ball = Item(4, 1, 0, 0.3, 0.0, 0.0, 0.0)
    depth = depth_image(replace(build_world(3, (100, 100), 'still', 'easy'), camera=camera,
                                occluder=None),
                        Moment(camera, (ball,)), np.zeros((100, 100), np.int16))
    # By hand: at the foot, on the optical axis, 0.8 m. 20 pixels above it (f = 90) the front,
    # 45 degrees to the axis, is met where y = -20/90 z = -(0.8 - z): at 0.8 / (1 + 20/90). Below
    # the foot lies the table: y = 20/90 z = 0.8 - z.
    middle = depth[50, 50] / 1000
    assert middle == pytest.approx(0.8, abs=0.005)
    assert depth[30, 50] / 1000 == pytest.approx(0.8 / (1 + 19.5 / 90), abs=0.002)
    assert depth[70, 50] / 1000 == pytest.approx(0.8 / (1 + 20.5 / 90), abs=0.002)


def test_an_object_projects_to_where_it_stands():
    shown = scene(3, size=(120, 160))
    assert shown.camera_matrix[0, 0] == 0.9 * 160
    for item in shown.objects:
        if item.visible > 0.99:
            column, row, _ = shown.camera_matrix @ item.position / item.position[2]
            x0, y0, x1, y1 = item.box
            # The contact point lies within the object or at its foot.
            assert x0 - 3 <= column <= x1 + 3
            assert y0 - 3 <= row <= y1 + 3


def test_the_table_is_farther_away_at_the_top_of_an_oblique_image():
    depth = TableCamera(100, 100, np.radians(50), 0.8).table_depth()
    assert depth[50, 50] == pytest.approx(0.8, abs=0.01)
    assert np.all(np.diff(depth[:, 50]) < 0)


def test_the_backdrop_replaces_the_table():
    blue = np.full((30, 40, 3), (0, 0, 200), np.uint8)
    image = scene(3, effects=False, backdrop=blue).image
    assert (image == (0, 0, 200)).all(2).mean() > 0.3


@pytest.mark.parametrize('change, message', [
    ({'seed': -1}, 'seed'), ({'t': -0.1}, 't must'), ({'t': float('nan')}, 't must'),
    ({'size': (16, 64)}, 'size'), ({'mode': 'fly'}, 'conveyor'), ({'difficulty': 'mad'}, 'easy')])
def test_arguments_that_name_no_scene_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        scene(**{'seed': 1, **change})
