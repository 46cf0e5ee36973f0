"""The things that stand on the table: mug, bottle, bowl, box, ball."""

from __future__ import annotations

import numpy as np

from yolact_ros.scenes.outlines import (
    ABOVE,
    BELOW,
    Look,
    View,
    arc,
    box_frame,
    corner_frame,
    wall,
)
from yolact_ros.scenes.painter import Part


def mug(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a cylinder with a handle that one can look through, seen into from above."""
    foot, rim, height = rng.uniform(0.27, 0.33), rng.uniform(0.31, 0.36), rng.uniform(0.62, 0.85)
    reach, drop, width = rng.uniform(0.26, 0.34), rng.uniform(0.2, 0.26), rng.uniform(0.1, 0.13)
    decorated, filled = rng.random() < 0.5, rng.random() < 0.5
    top = -height * view.rise
    angles = np.linspace(-0.62 * np.pi, 0.62 * np.pi, 25)
    out = 0.96 * foot + reach * np.maximum(np.cos(angles), -0.2)
    up = 0.52 * height + drop * np.sin(angles)
    loop = np.stack([out * np.cos(view.yaw),
                     -out * np.sin(view.yaw) * view.depth - up * view.rise], 1)
    handle = Part((loop,), look.body, stroke=width)
    frame = box_frame((0, top / 2), (rim * 1.02, height / 2))
    body = [Part((wall(foot, rim, 0, top, view.depth),), look.body, 'cylinder', frame)]
    if decorated:
        low, high = sorted(rng.uniform(0.15, 0.85, 2) * top)
        band = np.concatenate([arc((0, high), (rim, rim * view.depth), BELOW),
                               arc((0, low), (rim, rim * view.depth), BELOW)[::-1]])
        body.append(Part((band,), look.accent, 'cylinder', frame, detail=True))
    opening = arc((0, top), (rim, rim * view.depth))
    inner = (0.87 * rim, 0.87 * rim * view.depth)
    body.append(Part((opening,), look.body.scaled(1.12), 'flat', detail=True))
    body.append(Part((arc((0, top), inner),), look.body.scaled(0.75), 'hollow',
                     box_frame((0, top), (rim * 1.1, rim * 1.1)), detail=True))
    if filled:
        sunk = top + 0.22 * height * view.rise
        drink = arc((0, sunk), (0.82 * rim, 0.82 * rim * view.depth))
        seen = drink[((drink - (0, top)) ** 2 / np.square(inner)).sum(1) <= 1]
        if len(seen) > 3:
            body.append(Part((seen,), look.accent.scaled(0.5), 'flat', detail=True))
    return [handle, *body] if np.sin(view.yaw) > 0 else [*body, handle]


def bottle(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return body, shoulder, neck and cap; it lies when seen from steep above, or by chance."""
    radius, neck = rng.uniform(0.15, 0.2), rng.uniform(0.055, 0.08)
    shoulder, start = rng.uniform(0.5, 0.62), rng.uniform(0.72, 0.78)
    cap, label_low = rng.uniform(0.88, 0.92), rng.uniform(0.1, 0.2)
    labelled = rng.random() < 0.7
    blend = np.linspace(0, 1, 8)
    heights = np.concatenate([[0, 0.02], shoulder + (start - shoulder) * blend, [1]])
    radii = np.concatenate([[0.93 * radius, radius],
                            neck + (radius - neck) * (0.5 + 0.5 * np.cos(np.pi * blend)), [neck]])
    upright = rng.random() < 0.75 and not view.steep
    axis, across, bulge = _bottle_pose(view, upright)

    def band(low: float, high: float, widen: float = 1.0) -> np.ndarray:
        z = np.concatenate([[low], heights[(heights > low) & (heights < high)], [high]])
        r = widen * np.interp(z, heights, radii)
        ends = [(high, r[-1], ABOVE), (low, r[0], BELOW)]
        caps = [arc((0, 0), (end_r, end_r * bulge), span, 14) @ np.stack([across, -_unit(axis)])
                + end * axis for end, end_r, span in ends]
        left = z[:, None] * axis - r[:, None] * across
        right = z[:, None] * axis + r[:, None] * across
        return np.concatenate([left, caps[0], right[::-1], caps[1]])

    turn = float(np.arctan2(across[1], across[0]))
    length = float(np.linalg.norm(axis))
    frame = box_frame(tuple(axis / 2), (radius, length / 2), turn)
    slim = box_frame(tuple(axis * 0.9), (neck * 1.3, length / 8), turn)
    parts = [Part((band(0, 1),), look.body, 'cylinder', frame),
             Part((band(start, 1),), look.body, 'cylinder', slim, detail=True),
             Part((band(cap, 1, 1.25),), look.accent, 'cylinder', slim)]
    if labelled:
        parts.append(Part((band(label_low, shoulder - 0.06),), look.label, 'cylinder', frame,
                          detail=True))
    return parts


def _bottle_pose(view: View, upright: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the axis as seen, the unit vector across it, and the bulge of its circles."""
    if upright:
        return np.array([0, -view.rise]), np.array([1.0, 0.0]), view.depth
    axis = np.array([np.cos(view.yaw), -np.sin(view.yaw) * max(view.depth, 0.7)])
    return axis, np.array([-_unit(axis)[1], _unit(axis)[0]]), 0.12


def _unit(vector: np.ndarray) -> np.ndarray:
    """Return the vector at length 1."""
    return vector / np.linalg.norm(vector)


def bowl(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return half an ellipsoid with a rim, open to the top."""
    height, foot = rng.uniform(0.34, 0.46), rng.uniform(0.18, 0.26)
    thick, striped = rng.uniform(0.88, 0.93), rng.random() < 0.4
    top = -height * view.rise
    depth = view.depth
    belly = np.hypot(0.5 * depth, 0.93 * height * view.rise)
    side = np.concatenate([arc((0, top), (0.5, belly), BELOW),
                           arc((0, top), (0.5, 0.5 * depth), ABOVE)])
    stand = wall(foot, foot, 0, top / 2, depth)
    frame = box_frame((0, top), (0.52, max(belly, 0.3) * 1.05))
    parts = [Part((stand,), look.body, 'cylinder', box_frame((0, 0), (foot, 0.5))),
             Part((side,), look.body, 'sphere', frame)]
    if striped:
        low = arc((0, top + 0.2 * height), (0.5, belly), BELOW)
        high = arc((0, top + 0.08 * height), (0.5, belly), BELOW)
        parts.append(Part((np.concatenate([low, high[::-1]]),), look.accent, 'sphere', frame,
                          detail=True))
    inside = look.accent if rng.random() < 0.3 else look.body
    parts += [Part((arc((0, top), (0.5, 0.5 * depth)),), look.body.scaled(1.15), 'flat',
                   detail=True),
              Part((arc((0, top), (0.5 * thick, 0.5 * thick * depth)),), inside.scaled(0.85),
                   'hollow', box_frame((0, top), (0.6, 0.6 * max(depth, 0.5))), detail=True)]
    bottom = top + 0.8 * height * view.rise
    if depth > 0.8:
        parts.append(Part((arc((0, bottom), (foot, foot * depth)),), inside.scaled(0.72), 'flat',
                          detail=True))
    return parts


def box(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a cuboid: its top and the two sides that face the camera, each shaded evenly."""
    half = rng.uniform(0.24, 0.46, 2)
    height = rng.uniform(0.3, 0.75)
    taped, labelled = rng.random() < 0.5, rng.random() < 0.5
    cos, sin = np.cos(view.yaw), np.sin(view.yaw)
    axes = np.array([[cos, -sin * view.depth], [-sin, -cos * view.depth]]) * half[:, None]
    normals = np.array([[cos, -sin * view.depth, -sin * view.rise],
                        [-sin, -cos * view.depth, -cos * view.rise]])
    up = np.array([0, -height * view.rise])
    top = np.array([-axes[0] - axes[1], axes[0] - axes[1], axes[0] + axes[1],
                    axes[1] - axes[0]]) + up
    parts = []
    for index in range(2):
        toward = -1 if normals[index, 2] < 0 else 1
        along = axes[1 - index] * (1 if axes[1 - index][0] > 0 else -1)   # labels read rightwards
        corner = toward * axes[index] - along
        face = np.array([corner, corner + 2 * along, corner + 2 * along + up, corner + up])
        normal = tuple(toward * normals[index])
        frame = corner_frame(corner + up, 2 * along, -up)
        parts.append(Part((face,), look.body, 'flat', frame, normal=normal))
        if labelled and index == int(abs(normals[0, 2]) < abs(normals[1, 2])):
            patch = (face - face.mean(0)) * 0.7 + face.mean(0)
            parts.append(Part((patch,), look.label, 'flat', frame, normal=normal, detail=True))
    lid = Part((top,), look.body, 'flat', corner_frame(top[0], 2 * axes[0], 2 * axes[1]),
               normal=(0, -view.rise, view.depth))
    parts.append(lid)
    if taped:
        tape = np.array([-axes[0] - 0.14 * axes[1], axes[0] - 0.14 * axes[1],
                         axes[0] + 0.14 * axes[1], -axes[0] + 0.14 * axes[1]]) + up
        parts.append(Part((tape,), look.accent, 'flat', lid.frame, normal=lid.normal, detail=True))
    hull = Part(tuple(part.outlines[0] for part in parts if not part.detail), look.body, 'flat',
                lid.frame, normal=lid.normal)
    return [hull, *parts]


def ball(rng: np.random.Generator, view: View, look: Look) -> list[Part]:
    """Return a sphere, plain or with the seams of a toy ball."""
    seamed = rng.random() < 0.5
    center = (0.0, -0.5 * view.rise)
    frame = box_frame(center, (0.5, 0.5), view.yaw)
    parts = [Part((arc(center, (0.5, 0.5)),), look.body, 'sphere', frame)]
    if seamed:
        seams = []
        for squash in rng.uniform(-0.6, 0.6, 2):
            ring = arc((0, 0), (0.5 * squash, 0.5), (-np.pi / 2, np.pi / 2))
            cos, sin = np.cos(view.yaw), np.sin(view.yaw)
            seams.append(ring @ np.array([[cos, sin], [-sin, cos]]) + center)
        parts.append(Part(tuple(seams), look.accent, 'sphere', frame, detail=True,
                          stroke=rng.uniform(0.03, 0.09)))
    return parts
