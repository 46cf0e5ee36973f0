"""The things that lie on the table: banana, wrench, ring."""

from __future__ import annotations

import numpy as np

from yolact_ros.scenes.outlines import (
    ABOVE,
    BELOW,
    Look,
    View,
    arc,
    box_frame,
    lying,
    lying_frame,
    turned,
)
from yolact_ros.scenes.painter import Part


def banana(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a bent arc that tapers to both ends, with a stem, a tip and a ridge."""
    span, thick = rng.uniform(1.5, 2.3), rng.uniform(0.25, 0.31)
    stem, flip = rng.uniform(0.25, 0.4), rng.choice([-1, 1])
    radius = 0.46 / np.sin(min(span / 2, np.pi / 2))
    u = np.linspace(0, 1, 26)
    angles = (u - 0.5) * span
    middle = radius * np.stack([np.sin(angles), flip * (np.cos(angles) - np.cos(span / 4))], 1)
    outward = np.stack([np.sin(angles), flip * np.cos(angles)], 1)
    width = thick / 2 * np.maximum(np.sin(np.pi * np.clip(u, 0.03, 0.97)) ** 0.55, stem)

    def strip(rows: slice, low: float, high: float) -> np.ndarray:
        near = (middle + low * width[:, None] * outward)[rows]
        far = (middle + high * width[:, None] * outward)[rows]
        return lying(np.concatenate([near, far[::-1]]), view)

    frame = lying_frame(box_frame((0, 0), (0.5, 0.5)), view)
    return [Part((strip(slice(None), -1, 1),), look.body, 'relief', frame),
            Part((strip(slice(None), 0.15, 0.3),), look.body.scaled(0.8), 'flat', detail=True),
            Part((strip(slice(0, 3), -1, 1), strip(slice(24, 26), -1, 1)),
                 look.accent.scaled(0.4), 'flat', detail=True)]


def wrench(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a shaft with an open jaw, and a ring or a second jaw at its other end."""
    head, shaft = rng.uniform(0.2, 0.23), rng.uniform(0.08, 0.1)
    slot, tilt = rng.uniform(0.08, 0.1), rng.uniform(-0.35, 0.35)
    ring_end, inlaid = rng.random() < 0.5, rng.random() < 0.4
    bar = np.array([[-0.4, -shaft], [0.4, -shaft], [0.4, shaft], [-0.4, shaft]])
    jaw, mouth = _jaw(head, slot, tilt)
    ends, holes = [jaw + (0.35, 0)], [mouth + (0.35, 0)]
    if ring_end:
        ends.append(arc((-0.38, 0), (0.85 * head, 0.85 * head)))
        holes.append(arc((-0.38, 0), (0.46 * head, 0.46 * head), points=7))
    else:
        jaw, mouth = _jaw(0.85 * head, 0.85 * slot, np.pi + tilt)
        ends.append(jaw - (0.38, 0))
        holes.append(mouth - (0.38, 0))
    frame = lying_frame(box_frame((0, 0), (0.5, 0.5)), view)
    parts = [Part(tuple(lying(outline, view) for outline in (bar, *ends)), look.body, 'relief',
                  frame, holes=tuple(lying(hole, view) for hole in holes))]
    if inlaid:
        groove = bar * (0.5, 0.5)
        parts.append(Part((lying(groove, view),), look.accent, 'flat', detail=True))
    return parts


def _jaw(head: float, slot: float, tilt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a round head and the slot that makes it a jaw, opening towards +x, then tilted."""
    mouth = np.array([[-0.25 * head, -0.6 * slot], [-0.1 * head, -slot],
                      [1.4 * head, -1.15 * slot], [1.4 * head, 1.15 * slot],
                      [-0.1 * head, slot], [-0.25 * head, 0.6 * slot]])
    return turned(arc((0, 0), (head, 0.95 * head)), tilt), turned(mouth, tilt)


def ring(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a roll of tape: a short cylinder with a hole; it lies, or stands on its rim."""
    inner, height = rng.uniform(0.24, 0.33), rng.uniform(0.12, 0.38)
    standing, angle = rng.random() < 0.3, rng.uniform(0.85, 1.3)
    elevation = angle if standing else view.elevation
    turn = rng.choice([-1, 1]) * (np.pi / 2 - rng.uniform(0, 0.3)) if standing else 0.0
    depth, rise = np.sin(elevation), np.cos(elevation)
    # The hole closes when the roll is as high as its opening looks deep.
    drop = min(height * rise, 0.8 * inner * depth)

    def pose(points: np.ndarray) -> np.ndarray:
        return turned(points, turn) - ((0, 0.42) if standing else (0, 0))

    side = np.concatenate([arc((0, 0), (0.5, 0.5 * depth), BELOW),
                           arc((0, -drop), (0.5, 0.5 * depth), ABOVE)])
    through = _lens(inner, inner * depth, drop)
    face = arc((0, -drop), (0.5, 0.5 * depth))
    well = arc((0, -drop), (inner, inner * depth))
    frame = _turned_frame(box_frame((0, -drop / 2), (0.52, 0.5)), turn, pose(np.zeros((1, 2)))[0])
    return [Part((pose(side),), look.body, 'cylinder', frame, holes=(pose(through),)),
            Part((pose(face),), look.body.scaled(1.1), 'flat', frame, detail=True),
            Part((pose(arc((0, -drop), (1.25 * inner, 1.25 * inner * depth))),), look.accent,
                 'flat', frame, detail=True),
            Part((pose(well),), look.accent.scaled(0.6), 'cylinder', frame, detail=True)]


def _lens(semi_x: float, semi_y: float, drop: float) -> np.ndarray:
    """Return what an ellipse and the same ellipse moved up by drop have in common."""
    half = drop / 2 / semi_y
    start = np.arcsin(half)
    near = arc((0, -drop), (semi_x, semi_y), (start, np.pi - start))
    far = arc((0, 0), (semi_x, semi_y), (np.pi + start, 2 * np.pi - start))
    return np.concatenate([near, far])


def _turned_frame(frame: np.ndarray, turn: float, origin: np.ndarray) -> np.ndarray:
    """Return the frame of a part that was turned about the origin and then moved."""
    cos, sin = np.cos(turn), np.sin(turn)
    linear = frame[:, :2] @ np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([linear, frame[:, 2] - linear @ origin])
