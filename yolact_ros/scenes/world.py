"""What is on the table: a random, well-spaced or crowded arrangement."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from yolact_ros.scenes import textures
from yolact_ros.scenes.camera import TableCamera
from yolact_ros.scenes.effects import CameraEffects, random_effects
from yolact_ros.scenes.outlines import Look
from yolact_ros.scenes.painter import Material

MODES = ('still', 'conveyor', 'shuffle', 'camera', 'pick')
DIFFICULTIES = ('easy', 'hard')
NUM_CLASSES = 8
STEEP = np.radians(62)  # from this elevation on the camera looks down rather than aslant
# Thin things are made longer, so that a mask of 64 x 64 cells can still show them.
SIZE_FACTORS = (1.0, 1.2, 1.0, 1.0, 0.85, 1.15, 1.35, 1.0)
TRIES = 10              # places looked at for each thing
EMPTY_SHARE = 0.05      # scenes without any labelled object
DISTRACTOR_SHARE = 0.25


@dataclass(frozen=True)
class Item:
    """
    One thing on the table.

    :param class_id: index into CLASS_NAMES, or -1 for a distractor.
    :param track_id: unique and lasting within a world, from 1.
    :param look_seed: decides the exact shape and the materials.
    :param size: length of one object unit [m].
    :param x, y: where it touches the table [m].
    :param yaw: turn about the vertical [rad].
    :param lift: height above the table [m].
    """

    class_id: int
    track_id: int
    look_seed: int
    size: float
    x: float
    y: float
    yaw: float
    lift: float = 0.0


@dataclass(frozen=True)
class World:
    """
    Everything of a scene that does not depend on time.

    :param light: unit vector towards the light, image frame (x right, y down, z to the viewer).
    :param table: index of the table top; wall: RGB of the wall behind it.
    :param edge: y of the table's far edge [m].
    :param occluder: origin (column, row), size [px] and turn of a gripper in the way, or None.
    """

    seed: int
    mode: str
    hard: bool
    camera: TableCamera
    light: tuple[float, float, float]
    table: int
    wall: tuple[float, float, float]
    edge: float
    items: tuple[Item, ...]
    effects: CameraEffects
    occluder: tuple[float, float, float, float] | None


@lru_cache(maxsize=32)
def build_world(seed: int, size: tuple[int, int], mode: str, difficulty: str) -> World:
    """Return the world of a seed; the same for the same arguments."""
    hard, moving = difficulty == 'hard', mode != 'still'
    rng = np.random.default_rng((seed, MODES.index(mode), int(hard)))
    camera = _random_camera(rng, size, mode)
    # Light from above, in images: from the upper left or right, seldom from below.
    angle = rng.normal(-np.pi / 2, 0.8)
    light = np.array([np.cos(angle) * 0.65, np.sin(angle) * 0.65, 0.76])
    far_depth = rng.uniform(1.35, 1.9) * camera.distance
    edge = (far_depth - camera.distance) / np.cos(camera.elevation) \
        if camera.elevation < STEEP else 100.0
    wall = tuple(rng.uniform(60, 230) + rng.uniform(-25, 25, 3))
    count = int(rng.integers(8, 15) if hard else rng.integers(3, 9))
    if rng.random() < EMPTY_SHARE and not moving:
        count = 0
    extra = int(rng.binomial(max(count, 3), DISTRACTOR_SHARE / (1 - DISTRACTOR_SHARE)))
    # What moves or is taken stays clear of the border; what rests may reach beyond it.
    items = _arrange(rng, camera, edge, count, extra, hard, 0.9 if moving else 0.4)
    return World(seed, mode, hard, camera, tuple((light / np.linalg.norm(light)).tolist()),
                 int(rng.integers(textures.TABLES)), wall, float(edge), items,
                 random_effects(rng, hard, moving), _occluder(rng, size, hard and not moving))


def _random_camera(rng: np.random.Generator, size: tuple[int, int], mode: str) -> TableCamera:
    """Return a camera that looks from above or aslant; a conveyor is seen from above."""
    steep = rng.random() < 0.4 or mode == 'conveyor'
    elevation = np.radians(rng.uniform(66, 88) if steep else rng.uniform(36, 58))
    roll = rng.uniform(-0.06, 0.06) if mode != 'still' or not steep else rng.uniform(-0.15, 0.15)
    return TableCamera(size[0], size[1], float(elevation), float(rng.uniform(0.5, 0.9)),
                       float(roll))


def _occluder(rng: np.random.Generator, size: tuple[int, int],
              wanted: bool) -> tuple[float, float, float, float] | None:
    """Return a gripper that covers part of one in seven hard images."""
    if not wanted or rng.random() > 0.15:
        return None
    column, row = rng.uniform(0.2, 0.8) * size[1], rng.uniform(0.15, 0.6) * size[0]
    return column, row, rng.uniform(0.2, 0.32) * min(size), rng.uniform(-1, 1)


def _arrange(rng: np.random.Generator, camera: TableCamera, edge: float, count: int, extra: int,
             hard: bool, inset: float) -> tuple[Item, ...]:
    """Return labelled things and distractors with room, or in heaps, on the visible table."""
    low, high = (0.15, 0.36) if hard else (0.2, 0.4)
    side = min(camera.height, camera.width)
    placed: list[tuple[float, float, float]] = []
    items = []
    for number in range(count + extra):
        class_id = int(rng.integers(NUM_CLASSES)) if number < count else -1
        pixels = side * np.exp(rng.uniform(np.log(low), np.log(high)))
        pixels *= SIZE_FACTORS[class_id] if class_id >= 0 else 1
        heaped = bool(placed) and rng.random() < (0.4 if hard else 0.12)
        column, row = _free_spot(rng, camera, edge, pixels / 2, placed, heaped, inset)
        placed.append((column, row, pixels / 2))
        x, y = camera.spot(column, row)
        depth = camera.place(x, y)[2]
        items.append(Item(class_id, number + 1, int(rng.integers(2 ** 31)),
                          float(pixels * depth / camera.focal), x, y,
                          random_yaw(rng, class_id, camera.elevation)))
    return tuple(items)


def random_yaw(rng: np.random.Generator, class_id: int, elevation: float) -> float:
    """Return a turn; seen aslant, mugs show their handle and bottles their side."""
    if class_id in (0, 1) and elevation < STEEP:
        return float(rng.choice([0, np.pi]) + rng.uniform(-0.6, 0.6))
    return float(rng.uniform(0, 2 * np.pi))


def _free_spot(rng: np.random.Generator, camera: TableCamera, edge: float, radius: float,
               placed: list[tuple[float, float, float]], heaped: bool,
               inset: float) -> tuple[float, float]:
    """Return the pixel of the best of some tries: far from all, or close to one for a heap."""
    horizon = camera.project(0, edge)[1] if edge < 50 else 0.0
    top = max(horizon + 0.5 * radius, 0.75 * radius)
    if heaped:
        x, y, other = placed[int(rng.integers(len(placed)))]
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 0.95) * (radius + other)
        column, row = x + reach * np.cos(angle), y + reach * np.sin(angle)
        return float(np.clip(column, 0, camera.width)), float(np.clip(row, top, camera.height))
    tries = rng.random((TRIES, 2))
    columns = inset * radius + tries[:, 0] * (camera.width - 2 * inset * radius)
    first, last = min(top, camera.height - radius), camera.height - 0.5 * inset * radius
    rows = first + tries[:, 1] * (last - first)
    gaps = np.full(TRIES, np.inf)
    for x, y, other in placed:
        gaps = np.minimum(gaps, np.hypot(columns - x, rows - y) - other)
    best = int(gaps.argmax())
    return float(columns[best]), float(rows[best])


def random_look(rng: np.random.Generator) -> Look:
    """Return materials for one thing; no class has colours of its own."""
    body = _random_material(rng)
    accent = _random_material(rng)
    paper = Material(rng.uniform(150, 250) + rng.uniform(-30, 5, 3), rng.uniform(0, 150, 3),
                     textures.label(int(rng.integers(64))), 0.5, 0.05)
    return Look(body, accent, paper)


def _random_material(rng: np.random.Generator) -> Material:
    """Return a colour, mostly painted, often grey or white, with or without a pattern."""
    kind = rng.random()
    saturation = rng.uniform(0, 40) if kind < 0.35 else rng.uniform(60, 235)
    value = rng.uniform(50, 250)
    color = _rgb(rng.uniform(0, 180), saturation, value)
    if rng.random() < 0.5:
        second = np.clip(color * rng.uniform(0.6, 1.3), 0, 255)
    else:
        second = _rgb(rng.uniform(0, 180), rng.uniform(0, 220), rng.uniform(40, 250))
    texture = textures.pattern(int(rng.integers(textures.PATTERNS))) if rng.random() < 0.6 \
        else None
    return Material(color, second, texture, float(rng.uniform(0.25, 0.6)),
                    float(rng.uniform(0, 0.6)))


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """Return (3,) float32 RGB of a hue up to 180, saturation and value up to 255."""
    rgb = colorsys.hsv_to_rgb(hue / 180, saturation / 255, value / 255)
    return np.array(rgb, np.float32) * 255
