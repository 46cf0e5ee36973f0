"""The depth image of a scene: analytic heights above the table where things are drawn."""

from __future__ import annotations

import cv2
import numpy as np

from yolact_ros.scenes.camera import TableCamera
from yolact_ros.scenes.compose import HIDDEN_PIXELS, UPRIGHT
from yolact_ros.scenes.motion import Moment
from yolact_ros.scenes.world import STEEP, Item, World

WALL_DISTANCE = 1.2     # from the table's far edge [m]
# Height of each class in object units, the middle of what its shape draws at random. Seen from
# above bottles lie, and a ball is as high as its upper half is on average.
HEIGHTS = (0.74, 1.0, 0.4, 0.52, 1.0, 0.28, 0.08, 0.25)
HEIGHTS_FROM_ABOVE = (0.74, 0.35, 0.4, 0.52, 0.83, 0.28, 0.08, 0.25)
DISTRACTOR_HEIGHT = 0.05


def depth_image(world: World, now: Moment, owners: np.ndarray) -> np.ndarray:
    """
    Return (H, W) uint16 [mm] along the optical axis: table, wall, and the things on it.

    :param owners: (H, W) int16, the row of now.items that each pixel shows, see draw_items().
    """
    camera, steep = now.camera, world.camera.elevation > STEEP
    far = camera.place(0, min(world.edge, 3.0))[2] + WALL_DISTANCE
    depth = camera.table_depth()
    for row, item in enumerate(now.items):
        mask = (owners == row).view(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        window = np.s_[y:y + height, x:x + width]
        np.copyto(depth[window], _surface(camera, item, steep, window),
                  where=mask[window].view(bool))
    if now.gripper is not None:
        depth[owners == HIDDEN_PIXELS] = camera.place(*now.gripper[:3])[2]
    elif world.occluder is not None:
        depth[owners == HIDDEN_PIXELS] = 0.6 * camera.distance
    return np.round(1000 * np.minimum(depth, far)).astype(np.uint16)


def item_height(item: Item, steep: bool) -> float:
    """Return how far a thing reaches above its lowest point [m]."""
    heights = HEIGHTS_FROM_ABOVE if steep else HEIGHTS
    return item.size * (heights[item.class_id] if item.class_id >= 0 else DISTRACTOR_HEIGHT)


def _surface(camera: TableCamera, item: Item, steep: bool,
             window: tuple[slice, slice]) -> np.ndarray:
    """
    Return the depth [m] of a thing's pixels, float32 in the shape of the window.

    What lies, and all that is seen from above, is level at its height. What stands has an
    upright front over the spot it stands on and a level top behind that.
    """
    table_y, up = camera.axes[:, 1], camera.axes[:, 2]
    foot = camera.place(item.x, item.y, item.lift)
    top = camera.plane_depth(up, up @ foot + item_height(item, steep), window)
    if steep or not 0 <= item.class_id < UPRIGHT:
        return top
    front = camera.plane_depth(table_y, table_y @ foot, window)
    bottom = camera.plane_depth(up, up @ foot, window)
    return np.minimum(np.maximum(front, top), bottom)
