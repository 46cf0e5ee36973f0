"""Things that carry no label: what the network must learn to leave alone, and the gripper."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from yolact_ros.scenes.flat import banana, ring, wrench
from yolact_ros.scenes.outlines import (
    Look,
    View,
    arc,
    box_frame,
    lying,
    lying_frame,
    turned,
)
from yolact_ros.scenes.painter import Material, Part
from yolact_ros.scenes.standing import ball, bottle, bowl, box, mug

PRINTED = (mug, bottle, bowl, box, ball, banana, wrench, ring)


def star(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a star or a cross of four to eight rays."""
    rays = int(rng.integers(4, 9))
    radii = np.where(np.arange(2 * rays) % 2, rng.uniform(0.15, 0.3), 0.45)
    angles = np.arange(2 * rays) * np.pi / rays
    points = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return [Part((lying(points, view),), look.body,
                 frame=lying_frame(box_frame((0, 0), (0.5, 0.5)), view))]


def blob(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a smooth irregular patch: a stone, a crumpled cloth, a spill."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radii = np.full(48, 0.34)
    for wave in range(2, 6):
        radii += rng.uniform(-0.1, 0.1) / (wave - 1) * np.cos(wave * angles + rng.uniform(0, 6))
    points = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return [Part((lying(points, view),), look.body,
                 frame=lying_frame(box_frame((0, 0), (0.5, 0.5)), view))]


def cable(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a long bent line."""
    steps = np.cumsum(rng.uniform(-0.5, 0.5, 30)) * 0.35
    line = np.cumsum(np.stack([np.cos(steps), np.sin(steps)], 1) * 0.06, 0)
    return [Part((lying(line - line.mean(0), view),), look.body.scaled(0.7),
                 stroke=rng.uniform(0.03, 0.06))]


def pen(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a thin straight rod with a point and a cap."""
    half = rng.uniform(0.03, 0.05)
    rod = np.array([[-0.5, -half], [0.42, -half], [0.5, 0], [0.42, half], [-0.5, half]])
    end = np.array([[-0.5, -half], [-0.2, -half], [-0.2, half], [-0.5, half]])
    frame = lying_frame(box_frame((0, 0), (0.5, half)), view)
    return [Part((lying(rod, view),), look.body, 'relief', frame),
            Part((lying(end, view),), look.accent, 'relief', frame, detail=True)]


def spoon(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a bowl of a spoon on a thin handle."""
    half = rng.uniform(0.025, 0.04)
    handle = np.array([[-0.5, -1.5 * half], [0.3, -half], [0.3, half], [-0.5, 1.5 * half]])
    scoop = arc((0.34, 0), (0.18, rng.uniform(0.1, 0.13)))
    return [Part((lying(handle, view), lying(scoop, view)), look.body,
                 frame=lying_frame(box_frame((0, 0), (0.5, 0.5)), view))]


def paper(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a sheet with text, or with the flat printed image of a thing that has a class."""
    half = np.array([0.5, rng.uniform(0.35, 0.5)])
    corners = lying(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half, view)
    frame = lying_frame(box_frame((0, 0), tuple(half)), view)
    bright = rng.uniform(0.75, 1)
    white = Material(np.full(3, 245.0) * bright, np.full(3, 245.0))
    sheet = Part((corners,), white, 'flat', frame)
    if rng.random() < 0.4:
        text = Material(white.color, np.full(3, 60.0), look.label.texture)
        return [sheet, Part((0.9 * corners,), text, 'flat', frame, detail=True)]
    ink = Material(look.body.color, look.body.color)
    model = PRINTED[int(rng.integers(len(PRINTED)))]
    drawn = model(rng, View(1.0, rng.uniform(-0.4, 0.4)), look)
    points = np.concatenate([outline for part in drawn for outline in part.outlines])
    center = (points.max(0) + points.min(0)) / 2

    def on_paper(points: np.ndarray) -> np.ndarray:
        return lying(0.62 * (points - center), view)

    return [sheet] + [
        Part(tuple(on_paper(outline) for outline in part.outlines), ink, 'flat',
             holes=tuple(on_paper(hole) for hole in part.holes), stroke=0.62 * part.stroke,
             detail=True) for part in drawn if not part.detail]


def gripper(opening: float, turn: float) -> list[Part]:
    """
    Return a robot's two-finger gripper that reaches down into the image.

    :param opening: gap between the fingers, in units of its size.
    :param turn: direction its arm comes from [rad], 0 = from the top of the image.
    """
    steel = Material(np.array([70.0, 74, 80]), np.array([110.0, 112, 118]), gloss=0.3)
    rubber = Material(np.array([38.0, 38, 42]), np.array([38.0, 38, 42]), gloss=0.1)
    arm = np.array([[-0.2, -6], [0.2, -6], [0.2, -0.75], [-0.2, -0.75]])
    palm = np.array([[-0.5, -0.85], [0.5, -0.85], [0.5, -0.55], [-0.5, -0.55]])
    fingers = [np.array([[side * (opening / 2), -0.6], [side * (opening / 2 + 0.16), -0.6],
                         [side * (opening / 2 + 0.13), 0.12], [side * (opening / 2), 0.12]])
               for side in (-1, 1)]
    band = np.array([[-0.2, -1.25], [0.2, -1.25], [0.2, -1.1], [-0.2, -1.1]])
    signal = Material(np.array([235.0, 130, 30]), np.array([235.0, 130, 30]))
    return [Part((turned(arm, turn),), steel), Part((turned(band, turn),), signal, 'flat'),
            Part(tuple(turned(finger, turn) for finger in fingers), rubber),
            Part((turned(palm, turn),), steel)]


DISTRACTORS = (paper, star, blob, cable, pen, spoon)


def distractor(look_seed: int) -> Callable[[np.random.Generator, View, Look], list[Part]]:
    """Return the kind of distractor that goes with a look."""
    return DISTRACTORS[look_seed % len(DISTRACTORS)]
