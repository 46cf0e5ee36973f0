"""Paint a world at one moment: table, wall, then one thing after the other."""

from __future__ import annotations

import cv2
import numpy as np

from yolact_ros.scenes import textures
from yolact_ros.scenes.blending import blend, cast_shadow
from yolact_ros.scenes.camera import TableCamera
from yolact_ros.scenes.distractors import distractor, gripper, paper
from yolact_ros.scenes.flat import banana, ring, wrench
from yolact_ros.scenes.motion import Moment, belt_half_width
from yolact_ros.scenes.outlines import View
from yolact_ros.scenes.painter import Part, Placement, Sprite, paint
from yolact_ros.scenes.standing import ball, bottle, bowl, box, mug
from yolact_ros.scenes.world import STEEP, Item, World, random_look

SHAPES = (mug, bottle, bowl, box, ball, banana, wrench, ring)
UPRIGHT = 5             # the first five shapes stand, the others lie
TABLE_PIXELS, HIDDEN_PIXELS = -1, -2    # owners that are no item


def background(world: World, now: Moment, backdrop: np.ndarray | None) -> np.ndarray:
    """Return table and wall, or the backdrop, as (3, H, W) float32 RGB planes."""
    camera = now.camera
    shape = (camera.width, camera.height)
    if backdrop is not None:
        return _planes(cv2.resize(backdrop, shape, interpolation=cv2.INTER_AREA))
    texel = world.camera.distance / textures.TABLE_SIDE
    half = textures.TABLE_SIDE / 2
    to_table = np.array([[texel, 0, now.table_shift - half * texel], [0, -texel, half * texel],
                         [0, 0, 1]])
    image = cv2.warpPerspective(textures.table_top(world.table),
                                camera.table_to_pixels() @ to_table, shape,
                                flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    if world.mode == 'conveyor':
        _frame_belt(image, world)
    if world.edge < 50:
        _raise_wall(image, world, camera)
    return _planes(image)


def _planes(image: np.ndarray) -> np.ndarray:
    """Return an (H, W, 3) uint8 image as (3, H, W) float32 planes."""
    return np.stack(cv2.split(image)).astype(np.float32)


def _raise_wall(image: np.ndarray, world: World, camera: TableCamera) -> None:
    """Paint the wall behind the table's far edge (modified in place)."""
    left, right = camera.project(-4, world.edge), camera.project(4, world.edge)
    above = np.array([left, right, right - (0, 9999), left - (0, 9999)])
    slope = (right - left)[1] / (right - left)[0]
    borders = left[1] - left[0] * slope + np.array([0, camera.width * slope])
    reach = int(np.clip(borders.max() + 2, 0, camera.height))
    fade = np.linspace(0.75, 1.1, camera.height)[:reach, None, None] * np.array(world.wall)
    fade = np.broadcast_to(fade, (reach, camera.width, 3))
    behind = np.zeros((reach, camera.width), np.uint8)
    if reach:
        cv2.fillPoly(behind, [np.round(above * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
        cv2.copyTo(np.clip(fade, 0, 255).astype(np.uint8), behind, image[:reach])
    ends = np.round(np.array([left, right]) * 16).astype(np.int32)
    cv2.polylines(image, [ends], False, [value * 0.5 for value in world.wall],
                  max(1, image.shape[0] // 90), cv2.LINE_AA, 4)


def _frame_belt(image: np.ndarray, world: World) -> None:
    """Paint rails along both sides of the belt and the floor beyond (modified in place)."""
    camera = world.camera
    half = belt_half_width(camera)
    for side in (-1, 1):
        for inner, outer, color in ((1.0, 3.0, np.array(world.wall) * 0.55),
                                    (0.94, 1.03, np.array((150.0, 154, 160)))):
            strip = [camera.project(x, side * y * half) for x, y in
                     ((-2, inner), (2, inner), (2, outer), (-2, outer))]
            cv2.fillPoly(image, [np.round(np.array(strip) * 16).astype(np.int32)],
                         color.tolist(), cv2.LINE_AA, 4)


def draw_items(image: np.ndarray, world: World,
                now: Moment) -> tuple[np.ndarray, dict[int, int]]:
    """
    Paint all things, far ones first, then what is in the way (modified in place).

    :returns: (H, W) int16, the row of now.items that each pixel shows, -1 for the table and -2
        for a gripper; and the pixels of each whole silhouette, hidden ones included.
    """
    light = np.array(world.light)
    owners = np.full(image.shape[1:], TABLE_PIXELS, np.int16)
    areas = {}
    places = [now.camera.place(item.x, item.y, item.lift) for item in now.items]
    for row in sorted(range(len(places)),
                      key=lambda row: (not _is_paper(now.items[row]), -places[row][2])):
        item = now.items[row]
        if places[row][2] < 0.2 * now.camera.distance:
            continue
        placement = _placement(now.camera, item)
        sprite = paint(_parts(item, now.camera, world.camera.elevation > STEEP), placement, light)
        _shade_table(image, sprite, placement, item, world)
        areas[row] = int(np.count_nonzero(sprite.silhouette))
        _put(image, owners, sprite, row)
    for parts, placement in _grippers(world, now):
        _put(image, owners, paint(parts, placement, light), HIDDEN_PIXELS)
    return owners, areas


def _is_paper(item: Item) -> bool:
    """Return whether an item is so flat that everything else lies on it."""
    return item.class_id < 0 and distractor(item.look_seed) is paper


def _put(image: np.ndarray, owners: np.ndarray, sprite: Sprite, owner: int) -> None:
    """Blend a sprite into the image and note whose pixels they are now."""
    touched = blend(image, sprite)
    if touched is not None:
        window, silhouette = touched
        owners[window][silhouette] = owner


def _placement(camera: TableCamera, item: Item) -> Placement:
    """Return where an item's units are in the image."""
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
    return distractor(item.look_seed)(rng, view, look)


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
    """Return the gripper that hides part of the image or takes things, if there is one."""
    if world.occluder is not None:
        column, row, size, turn = world.occluder
        return [(gripper(0.6, turn), Placement(np.array([column, row]), size))]
    if now.gripper is None:
        return []
    x, y, lift, size, opening = now.gripper
    depth = now.camera.place(x, y, lift)[2]
    return [(gripper(opening, -np.pi / 2),
             Placement(now.camera.project(x, y, lift), now.camera.focal * size / depth))]
