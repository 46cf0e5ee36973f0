"""Where everything is at a time: belts run, things swap, the camera moves, a robot picks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from yolact_ros.scenes.camera import TableCamera
from yolact_ros.scenes.world import NUM_CLASSES, SIZE_FACTORS, Item, World, random_yaw

SWAP_SECONDS = 1.6
SWAPS = 64              # then the swaps run backwards, so that any time costs the same
PICK_SECONDS = 7.0


@dataclass(frozen=True)
class Moment:
    """
    A world at one time.

    :param items: what is on the table, in no order.
    :param gripper: x, y, lift [m], size [m] and opening of the gripper, or None.
    :param table_shift: how far the table top has run to the right [m].
    :param table_speed: how fast it runs [m/s].
    """

    camera: TableCamera
    items: tuple[Item, ...]
    gripper: tuple[float, float, float, float, float] | None = None
    table_shift: float = 0.0
    table_speed: float = 0.0


def moment(world: World, t: float) -> Moment:
    """Return the world at time t [s]."""
    return {'still': _still, 'conveyor': _conveyor, 'shuffle': _shuffle, 'camera': _camera,
            'pick': _pick}[world.mode](world, t)


def _still(world: World, t: float) -> Moment:
    """Return the world as it was built."""
    return Moment(world.camera, world.items)


def _conveyor(world: World, t: float) -> Moment:
    """Return the part of an endless row of things that is on the belt; it runs to the right."""
    camera, view = world.camera, 1.11 * world.camera.distance
    rng = np.random.default_rng((world.seed, 31))
    speed = view * rng.uniform(0.16, 0.28)
    spacing = view * (rng.uniform(0.17, 0.22) if world.hard else rng.uniform(0.26, 0.36))
    start = -0.85 * view
    behind = int(np.ceil(1.7 * view / spacing))
    newest = int(np.floor(speed * t / spacing)) + behind
    items = tuple(_on_belt(world, slot, start + speed * t - (slot - behind) * spacing, spacing)
                  for slot in range(max(0, newest - behind), newest + 1))
    return Moment(camera, items, table_shift=float(speed * t), table_speed=float(speed))


def belt_half_width(camera: TableCamera) -> float:
    """Return the distance from the belt's middle to its rails [m]."""
    return 0.5 * camera.distance * camera.height / camera.width


def _on_belt(world: World, slot: int, x: float, spacing: float) -> Item:
    """Return the thing of a slot of the row, x metres right of the image's centre."""
    rng = np.random.default_rng((world.seed, 32, slot))
    half = belt_half_width(world.camera)
    lane = half * rng.uniform(0.3, 0.55) * (-1) ** slot
    class_id = -1 if rng.random() < 0.12 else int(rng.integers(NUM_CLASSES))
    size = min(spacing * (1.25 if world.hard else 1), 0.85 * half) * rng.uniform(0.7, 1.05)
    size *= SIZE_FACTORS[class_id] if class_id >= 0 else 1
    return Item(class_id, slot + 1, int(rng.integers(2 ** 31)), float(size),
                float(x + spacing * rng.uniform(-0.2, 0.2)), float(lane),
                random_yaw(rng, class_id, world.camera.elevation))


def _shuffle(world: World, t: float) -> Moment:
    """Return things that change places in pairs, each pair on two arcs about its middle."""
    movers = [item for item in world.items if item.class_id >= 0]
    if len(movers) < 2:
        return _still(world, t)
    rng = np.random.default_rng((world.seed, 33))
    pairs = [rng.choice(len(movers), 2, replace=False) for _ in range(SWAPS)]
    pairs += pairs[::-1]
    step = t / SWAP_SECONDS
    done = int(step) % len(pairs)
    places = np.array([(item.x, item.y) for item in movers])
    for first, second in pairs[:done]:
        places[[first, second]] = places[[second, first]]
    share = np.clip((step - np.floor(step)) * 1.25, 0, 1)
    angle = np.pi * share * share * (3 - 2 * share)
    first, second = pairs[done]
    middle = (places[first] + places[second]) / 2
    arm = places[first] - middle
    aside = 0.45 * np.array([-arm[1], arm[0]])
    places[first] = middle + arm * np.cos(angle) + aside * np.sin(angle)
    places[second] = middle - arm * np.cos(angle) - aside * np.sin(angle)
    moved = [replace(item, x=float(x), y=float(y)) for item, (x, y) in zip(movers, places)]
    rest = [item for item in world.items if item.class_id < 0]
    return Moment(world.camera, (*moved, *rest))


def _camera(world: World, t: float) -> Moment:
    """Return the resting table before a camera that pans, rolls and moves closer."""
    rng = np.random.default_rng((world.seed, 34))
    rates, phases = rng.uniform(0.3, 0.7, 4), rng.uniform(0, 2 * np.pi, 4)
    wave = np.sin(rates * t + phases)
    distance = world.camera.distance
    camera = replace(world.camera, distance=float(distance * (1 + 0.15 * wave[2])),
                     roll=float(world.camera.roll + 0.12 * wave[3]),
                     pan=(float(0.15 * distance * wave[0]), float(0.1 * distance * wave[1])))
    return Moment(camera, world.items)


def _pick(world: World, t: float) -> Moment:
    """Return a table from which a gripper takes one thing after the other and puts new ones."""
    slots = [item for item in world.items if item.class_id >= 0]
    if not slots:
        return _still(world, t)
    turn, phase = divmod(t / PICK_SECONDS, 1.0)
    cycle, chosen = divmod(int(turn), len(slots))
    # Two visits: 0 to 0.5 takes the old thing away, 0.5 to 1 brings a new one.
    visit, progress = divmod(2 * phase, 1.0)
    reach = float(np.clip(2.4 * (1 - abs(2 * progress - 1)), 0, 1))
    reach = reach * reach * (3 - 2 * reach)
    holding = (progress > 0.5) != bool(visit)
    items = []
    for index, slot in enumerate(slots):
        generation = cycle + int(index < chosen) + int(index == chosen and visit)
        item = _replacement(slot, generation, len(world.items))
        if index == chosen:
            # An image is 1.1 depths wide: 1.7 take everything out of it.
            away = (1 - reach) * 1.7 * world.camera.place(slot.x, slot.y)[2]
            lift = 0.3 * slot.size * min(1.0, 4 * (1 - reach))
            grip = (slot.x - away, slot.y, 0.35 * slot.size + lift, 0.75 * slot.size,
                    0.7 if holding else 1.0)
            if holding:
                item = replace(item, x=slot.x - away, lift=lift)
            elif visit == 0 and progress > 0.5:
                continue
        items.append(item)
    rest = [item for item in world.items if item.class_id < 0]
    return Moment(world.camera, (*items, *rest), grip)


def _replacement(slot: Item, generation: int, step: int) -> Item:
    """Return the thing that is in a slot after so many changes."""
    if generation == 0:
        return slot
    rng = np.random.default_rng((slot.look_seed, generation))
    return replace(slot, class_id=int(rng.integers(NUM_CLASSES)),
                   look_seed=int(rng.integers(2 ** 31)),
                   track_id=slot.track_id + generation * step)
