"""Precision over recall as SVG: sharp at any size, a few kilobytes, no library."""

from __future__ import annotations

import numpy as np

from yolact_ros.evaluation.ap import ApSummary

# Row of the precision array, its IoU, and a colour that is told apart without colours' names.
SHOWN = ((0, '0.50', '#0072b2'), (5, '0.75', '#e69f00'), (8, '0.90', '#cc79a7'))
WIDTH, HEIGHT = 420, 300
LEFT, TOP, SIDE_X, SIDE_Y = 42, 12, 366, 246


def curves_svg(summary: ApSummary) -> str:
    """Return the curves of three overlaps, each the mean over the classes with objects."""
    lines = [_grid(step / 5) for step in range(6)]
    for row, (index, iou, color) in enumerate(SHOWN):
        curve = mean_over_classes(summary.precision[index])
        points = ' '.join(f'{LEFT + SIDE_X * recall:.1f},{_y(precision):.1f}'
                          for recall, precision in zip(np.linspace(0, 1, len(curve)), curve))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{color}" '
                     'stroke-width="2.2"/>')
        y = TOP + SIDE_Y - 52 + 17 * row
        lines.append(f'<rect x="{LEFT + 12}" y="{y - 9}" width="14" height="4" fill="{color}"/>'
                     f'<text x="{LEFT + 32}" y="{y - 3}">IoU {iou}: {curve.mean():.3f}</text>')
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="precision over recall">'
            + ''.join(lines) + f'<text x="{LEFT + SIDE_X}" y="{HEIGHT - 4}" text-anchor="end">'
            'recall</text></svg>')


def mean_over_classes(precision: np.ndarray) -> np.ndarray:
    """
    Return the (101,) mean over the classes that have objects, 0 where there are none.

    :param precision: (101, C), -1 for a class without objects.
    """
    scored = precision[:, (precision > -1).all(0)]
    return scored.mean(1) if scored.size else np.zeros(len(precision))


def _grid(value: float) -> str:
    """Return a line across and one down, with their numbers."""
    x, y = LEFT + SIDE_X * value, _y(value)
    return (f'<path d="M{LEFT} {y:.1f}h{SIDE_X}M{x:.1f} {TOP}v{SIDE_Y}" stroke="currentColor" '
            f'opacity="0.13"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.1f}'
            f'</text><text x="{x:.1f}" y="{TOP + SIDE_Y + 16}" text-anchor="middle">{value:.1f}'
            '</text>')


def _y(precision: float) -> float:
    """Return where a precision lies on the picture."""
    return TOP + SIDE_Y * (1 - precision)
