"""One labelled image of a table top, made from nothing but a seed and a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from yolact_ros.masks import box_of_mask
from yolact_ros.scenes.compose import background, draw_items
from yolact_ros.scenes.depth import depth_image
from yolact_ros.scenes.effects import CameraEffects, apply_effects
from yolact_ros.scenes.motion import Moment, moment
from yolact_ros.scenes.world import DIFFICULTIES, MODES, World, build_world

CLASS_NAMES = ('mug', 'bottle', 'bowl', 'box', 'ball', 'banana', 'wrench', 'ring')
MIN_VISIBLE = 0.2       # less of an object in view: not labelled
CROWD_VISIBLE = 0.35    # less: labelled as crowd, neither asked for nor counted as wrong
MIN_PIXELS = 60         # smallest label in a 256 x 256 image
BELT_EXPOSURE = 0.06    # how long a hard camera keeps its shutter open over a belt [s]


@dataclass(frozen=True, eq=False)
class SceneObject:
    """
    One labelled object of a scene.

    :param class_id: index into CLASS_NAMES.
    :param mask: (H, W) bool, its visible part.
    :param box: (4,) float32 x_min, y_min, x_max, y_max of the mask [px], half-open.
    :param track_id: the same in every image of the object, from 1.
    :param visible: share of the whole silhouette that is in view, 0 to 1.
    :param depth: distance of its contact point along the optical axis [m].
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
    An image with its truth.

    :param image: (H, W, 3) uint8 RGB.
    :param objects: the labelled objects, far ones first.
    :param camera_matrix: (3, 3) float64, K of CameraInfo: the centre of the first pixel is
        (0, 0). There is no distortion.
    :param depth_mm: (H, W) uint16 distance along the optical axis [mm], or None when not asked
        for; an object has an upright front and a level top.
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
    :param depth: whether to make the depth image.
    :param effects: whether the camera has faults (light, blur, noise, compression).
    :param backdrop: (h, w, 3) uint8 RGB image instead of the table, stretched to the scene.
    :raises ValueError: naming the argument that is out of range.
    """
    _check(seed, t, size, mode, difficulty)
    world = build_world(seed, tuple(size), mode, difficulty)
    now = moment(world, t)
    image = background(world, now, backdrop)
    owners, areas = draw_items(image, world, now)
    if effects:
        rng = np.random.default_rng((seed, 41, int(round(t * 1000))))
        image = apply_effects(image, _effects(world, now), rng)
    else:
        image = cv2.merge(np.clip(image, 0, 255).astype(np.uint8))
    later = moment(world, t + 1e-3)
    objects = _labels(now, later, owners, areas)
    depth_mm = depth_image(world, now, owners) if depth else None
    matrix = now.camera.matrix
    matrix[:2, 2] -= 0.5
    return Scene(image, objects, matrix, depth_mm)


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


def _effects(world: World, now: Moment) -> CameraEffects:
    """Return the camera's faults, with the blur of a running belt in hard worlds."""
    if not (world.hard and now.table_speed):
        return world.effects
    per_second = 0.9 * 256 * now.table_speed / world.camera.distance
    return replace(world.effects, motion=(world.camera.roll, BELT_EXPOSURE * per_second))


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
        bounds = np.array(box_of_mask(mask), np.float32)
        position = now.camera.place(item.x, item.y, item.lift)
        next_ = after.get(item.track_id, item)
        velocity = (later.camera.place(next_.x, next_.y, next_.lift) - position) / 1e-3
        objects.append(SceneObject(
            item.class_id, mask, bounds, item.track_id, seen / whole, float(position[2]),
            seen < CROWD_VISIBLE * whole, position, velocity))
    return tuple(objects)
