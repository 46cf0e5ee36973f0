"""One labelled picture of a table top, made from nothing but a seed and a time."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from yolact_ros.training.synthetic import textures
from yolact_ros.training.synthetic.camera import TableCamera
from yolact_ros.training.synthetic.distractors import DISTRACTORS, gripper
from yolact_ros.training.synthetic.effects import apply_effects
from yolact_ros.training.synthetic.flat import banana, ring, wrench
from yolact_ros.training.synthetic.motion import Moment, moment
from yolact_ros.training.synthetic.outlines import View
from yolact_ros.training.synthetic.painter import (
    Part, Placement, Sprite, blend, cast_shadow, paint)
from yolact_ros.training.synthetic.standing import ball, bottle, bowl, box, mug
from yolact_ros.training.synthetic.world import (
    DIFFICULTIES, MODES, STEEP, Item, World, build_world, random_look)

CLASS_NAMES = ('mug', 'bottle', 'bowl', 'box', 'ball', 'banana', 'wrench', 'ring')
SHAPES = (mug, bottle, bowl, box, ball, banana, wrench, ring)
UPRIGHT = 5             # the first five shapes stand, the others lie
MIN_VISIBLE = 0.2       # less of an object in view: not labelled
CROWD_VISIBLE = 0.35    # less: labelled as crowd, neither asked for nor counted as wrong
MIN_PIXELS = 60         # smallest label in a 256 x 256 picture
WALL_DISTANCE = 1.2     # from the table's far edge, for the depth picture [m]


@dataclass(frozen=True, eq=False)
class SceneObject:
    """
    One labelled object of a scene.

    :param class_id: index into CLASS_NAMES.
    :param mask: (H, W) bool, its visible part.
    :param box: (4,) float32 x_min, y_min, x_max, y_max of the mask [px], half-open.
    :param track_id: the same in every picture of the object, from 1.
    :param visible: share of the whole silhouette that is in view, 0 to 1.
    :param depth: distance along the optical axis [m].
    :param crowd: too little in view to be asked for: iscrowd in COCO.
    :param position: (3,) its contact point in the camera frame [m].
    :param velocity: (3,) of the contact point, relative to the camera [m/s].
    """

    class_id: int
    mask: np.ndarray
    box: np.ndarray
    track_id: int
    visible: float
    depth: float
    crowd: bool
    position: np.ndarray
    velocity: np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """
    A picture with its truth.

    :param image: (H, W, 3) uint8 RGB.
    :param objects: the labelled objects, far ones first.
    :param camera_matrix: (3, 3) float64, K of CameraInfo; there is no distortion.
    :param depth_mm: (H, W) uint16 distance along the optical axis [mm], or None when not asked
        for; an object is as flat as cardboard at its own depth.
    """

    image: np.ndarray
    objects: tuple[SceneObject, ...]
    camera_matrix: np.ndarray
    depth_mm: np.ndarray | None = None


def scene(seed: int, t: float = 0.0, size: tuple[int, int] = (256, 256), mode: str = 'still',
          difficulty: str = 'easy', *, depth: bool = False, effects: bool = True,
          backdrop: np.ndarray | None = None) -> Scene:
    """
    Return the scene of a seed at a time; the same arguments always give the same scene.

    :param seed: which world, at least 0.
    :param t: time [s], at least 0; has no meaning for mode 'still'.
    :param size: height and width [px], at least 32 each.
    :param mode: 'still', 'conveyor', 'shuffle', 'camera' or 'pick'.
    :param difficulty: 'easy' (3 to 8 objects) or 'hard' (8 to 14, heaped, noisy, blurred).
    :param depth: whether to make the depth picture.
    :param effects: whether the camera has faults (light, blur, noise, compression).
    :param backdrop: (h, w, 3) uint8 RGB picture instead of the table, stretched to the scene.
    :raises ValueError: naming the argument that is out of range.
    """
    _check(seed, t, size, mode, difficulty)
    world = build_world(seed, tuple(size), mode, difficulty)
    now = moment(world, t)
    image = _background(world, now, backdrop)
    drawn = _draw_items(image, world, now)
    owners, areas = drawn
    if effects:
        rng = np.random.default_rng((seed, 41, int(round(t * 1000))))
        image = apply_effects(image, world.effects, rng)
    else:
        image = np.clip(image, 0, 255).astype(np.uint8)
    later = moment(world, t + 1e-3)
    objects = _labels(now, later, owners, areas)
    depth_mm = _depth_picture(world, now, owners) if depth else None
    return Scene(image, objects, now.camera.matrix, depth_mm)


def _check(seed: int, t: float, size: tuple[int, int], mode: str, difficulty: str) -> None:
    """Refuse arguments that name no scene."""
    if seed < 0:
        raise ValueError(f'seed must be at least 0, got {seed}')
    if not (t >= 0 and np.isfinite(t)):
        raise ValueError(f't must be a time of at least 0 s, got {t}')
    if len(size) != 2 or min(size) < 32:
        raise ValueError(f'size must be (height, width) of at least 32 px each, got {size}')
    if mode not in MODES:
        raise ValueError(f'mode must be one of {", ".join(MODES)}, got {mode!r}')
    if difficulty not in DIFFICULTIES:
        raise ValueError(f'difficulty must be one of {", ".join(DIFFICULTIES)}, '
                         f'got {difficulty!r}')


def _background(world: World, now: Moment, backdrop: np.ndarray | None) -> np.ndarray:
    """Return table and wall, or the backdrop, (H, W, 3) float32."""
    camera = now.camera
    shape = (camera.width, camera.height)
    if backdrop is not None:
        return cv2.resize(backdrop, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    texel = world.camera.distance / textures.TABLE_SIDE
    half = textures.TABLE_SIDE / 2
    to_table = np.array([[texel, 0, now.table_shift - half * texel], [0, -texel, half * texel],
                         [0, 0, 1]])
    image = cv2.warpPerspective(textures.table_top(world.table), camera.table_to_pixels() @ to_table,
                                shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    image = image.astype(np.float32)
    if world.mode == 'conveyor':
        _frame_belt(image, world)
    if world.edge < 50:
        _raise_wall(image, world, camera)
    return image


def _raise_wall(image: np.ndarray, world: World, camera: TableCamera) -> None:
    """Paint the wall behind the table's far edge (modified in place)."""
    left, right = camera.project(-4, world.edge), camera.project(4, world.edge)
    above = np.array([left, right, right - (0, 9999), left - (0, 9999)])
    slope = (right - left)[1] / (right - left)[0]
    borders = left[1] - left[0] * slope + np.array([0, camera.width * slope])
    reach = int(np.clip(borders.max() + 2, 0, camera.height))
    behind = np.zeros((reach, camera.width), np.uint8)
    if not reach:
        return
    cv2.fillPoly(behind, [np.round(above * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    fade = np.linspace(0.75, 1.1, camera.height, dtype=np.float32)[:reach, None, None]
    cover = behind.astype(np.float32)[..., None] / 255
    image[:reach] += cover * (fade * np.array(world.wall, np.float32) - image[:reach])
    ends = np.round(np.array([left, right]) * 16).astype(np.int32)
    cv2.polylines(image, [ends], False, [value * 0.5 for value in world.wall],
                  max(1, image.shape[0] // 90), cv2.LINE_AA, 4)


def _frame_belt(image: np.ndarray, world: World) -> None:
    """Paint rails along both sides of the belt and the floor beyond (modified in place)."""
    camera = world.camera
    half = 0.5 * camera.distance * camera.height / camera.width
    for side in (-1, 1):
        for inner, outer, color in ((1.0, 3.0, np.array(world.wall) * 0.55),
                                    (0.94, 1.03, np.array((150.0, 154, 160)))):
            strip = [camera.project(x, side * y * half) for x, y in
                     ((-2, inner), (2, inner), (2, outer), (-2, outer))]
            cv2.fillPoly(image, [np.round(np.array(strip) * 16).astype(np.int32)],
                         color.tolist(), cv2.LINE_AA, 4)


def _draw_items(image: np.ndarray, world: World,
                now: Moment) -> tuple[np.ndarray, dict[int, int]]:
    """
    Paint all things, far ones first, then what is in the way (modified in place).

    :returns: (H, W) int16, the row of now.items that each pixel shows, -1 for the table and -2
        for a gripper; and the pixels of each whole silhouette, hidden ones included.
    """
    light = np.array(world.light)
    owners = np.full(image.shape[:2], -1, np.int16)
    areas = {}
    places = [now.camera.place(item.x, item.y, item.lift) for item in now.items]
    for row in sorted(range(len(places)), key=lambda row: -places[row][2]):
        item = now.items[row]
        if places[row][2] < 0.2 * now.camera.distance:
            continue
        placement = _placement(now.camera, item)
        sprite = paint(_parts(item, now.camera, world.camera.elevation > STEEP), placement, light)
        _shade_table(image, sprite, placement, item, world)
        areas[row] = int(np.count_nonzero(sprite.silhouette))
        _put(image, owners, sprite, row)
    for parts, placement in _grippers(world, now):
        _put(image, owners, paint(parts, placement, light), -2)
    return owners, areas


def _put(image: np.ndarray, owners: np.ndarray, sprite: Sprite, owner: int) -> None:
    """Blend a sprite into the picture and note whose pixels they are now."""
    touched = blend(image, sprite)
    if touched is not None:
        window, silhouette = touched
        owners[window][silhouette] = owner


def _placement(camera: TableCamera, item: Item) -> Placement:
    """Return where an item's units are in the picture."""
    depth = camera.place(item.x, item.y, item.lift)[2]
    return Placement(camera.project(item.x, item.y, item.lift),
                     float(camera.focal * item.size / depth), camera.roll)


def _parts(item: Item, camera: TableCamera, steep: bool) -> list[Part]:
    """Return an item's parts as this camera sees them."""
    rng = np.random.default_rng(item.look_seed)
    ray = camera.place(item.x, item.y, item.lift)
    sine = -(camera.axes[:, 2] @ ray) / np.linalg.norm(ray)
    view = View(float(np.arcsin(np.clip(sine, 0.1, 1))), item.yaw, steep)
    look = random_look(rng)
    if item.class_id >= 0:
        return SHAPES[item.class_id](rng, view, look)
    return DISTRACTORS[int(rng.integers(len(DISTRACTORS)))](rng, view, look)


def _shade_table(image: np.ndarray, sprite: Sprite, placement: Placement, item: Item,
                 world: World) -> None:
    """Cast an item's shadow: upright things lean away from the light, flat ones shift."""
    x, y = placement.origin
    light = np.array(world.light)
    upright = 0 <= item.class_id < UPRIGHT and world.camera.elevation < STEEP
    if upright:
        linear = np.array([[1, light[0] * 0.9], [0, light[1] * 0.5]])
    else:
        linear = np.eye(2)
    height = 0.0 if upright else (0.05 if item.class_id >= UPRIGHT else 0.14)
    shift = -light[:2] * (height * placement.scale + item.lift / item.size * placement.scale)
    lean = np.column_stack([linear, (x, y) - linear @ (x, y) + shift])
    leans = [(lean, 0.45)]
    if not item.lift:
        leans.append((np.array([[1, 0, -0.02 * light[0] * placement.scale],
                                [0, 1, 0.03 * placement.scale]]), 0.3))
    cast_shadow(image, sprite, leans, 0.05 * placement.scale)


def _grippers(world: World, now: Moment) -> list[tuple[list[Part], Placement]]:
    """Return the gripper that hides part of the picture or takes things, if there is one."""
    if world.occluder is not None:
        column, row, size, turn = world.occluder
        return [(gripper(0.6, turn), Placement(np.array([column, row]), size))]
    if now.gripper is None:
        return []
    x, y, lift, size, opening = now.gripper
    depth = now.camera.place(x, y, lift)[2]
    return [(gripper(opening, -np.pi / 2),
             Placement(now.camera.project(x, y, lift), now.camera.focal * size / depth))]


def _labels(now: Moment, later: Moment, owners: np.ndarray,
            areas: dict[int, int]) -> tuple[SceneObject, ...]:
    """Return the objects of which enough is in view."""
    smallest = MIN_PIXELS * owners.size / 256 ** 2
    after = {item.track_id: item for item in later.items}
    objects = []
    for row, whole in areas.items():
        item = now.items[row]
        if item.class_id < 0:
            continue
        mask = owners == row
        seen = int(np.count_nonzero(mask))
        if seen < max(smallest, MIN_VISIBLE * whole):
            continue
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        bounds = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
        position = now.camera.place(item.x, item.y, item.lift)
        next_ = after.get(item.track_id, item)
        velocity = (later.camera.place(next_.x, next_.y, next_.lift) - position) / 1e-3
        objects.append(SceneObject(
            item.class_id, mask, bounds, item.track_id, seen / whole, float(position[2]),
            seen < CROWD_VISIBLE * whole, position, velocity))
    return tuple(objects)


def _depth_picture(world: World, now: Moment, owners: np.ndarray) -> np.ndarray:
    """Return (H, W) uint16 [mm]: the table's plane, the wall, each item at its own depth."""
    camera = now.camera
    far = camera.place(0, min(world.edge, 3.0))[2] + WALL_DISTANCE
    depth = np.minimum(camera.table_depth(), far)
    for row, item in enumerate(now.items):
        depth[owners == row] = camera.place(item.x, item.y, item.lift)[2]
    if now.gripper is not None:
        depth[owners == -2] = camera.place(*now.gripper[:3])[2]
    elif world.occluder is not None:
        depth[owners == -2] = 0.6 * camera.distance
    return np.round(1000 * depth).astype(np.uint16)
