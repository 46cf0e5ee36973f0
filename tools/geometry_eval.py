"""Print and plot how far lifted places are from the truth, and how long lifting takes."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'test' / 'geometry')]

from analytic_scenes import SHAPES, K, disturbed, instances_of, visible_centre  # noqa: E402

from yolact_ros.figures import open_figure  # noqa: E402
from yolact_ros.geometry import lift  # noqa: E402
from yolact_ros.structures import ImageSize, Instances  # noqa: E402

DISTANCES, MISSING, SEEDS = (0.5, 1.0, 2.0, 4.0), (0.0, 0.1, 0.3), range(5)


def largest_errors() -> dict[str, np.ndarray]:
    """Return for every shape (distances, shares missing), the largest of five errors [cm]."""
    found = {}
    for name, shape in SHAPES.items():
        found[name] = np.zeros((len(DISTANCES), len(MISSING)))
        for row, distance in enumerate(DISTANCES):
            z = shape(distance)
            truth, instances = visible_centre(z), instances_of(np.isfinite(z))
            for column, missing in enumerate(MISSING):
                errors = [np.linalg.norm(lift(instances, disturbed(z, missing, 0.1, seed),
                                              K).positions[0] - truth) for seed in SEEDS]
                found[name][row, column] = 100 * max(errors)
    return found


def crowded(count: int, size: ImageSize) -> tuple[Instances, np.ndarray]:
    """Return ellipses of 6 to 25 % of the image's sides, and their depth [m] with noise."""
    generator = np.random.default_rng(0)
    masks, depth = [], np.full((size.height, size.width), 3.0, np.float32)
    for _ in range(count):
        axes = (generator.uniform(0.03, 0.125, 2) * (size.width, size.height)).astype(int)
        centre = generator.integers(axes, np.array((size.width, size.height)) - axes)
        mask = np.zeros(depth.shape, np.uint8)
        cv2.ellipse(mask, centre.tolist(), axes.tolist(), 0, 0, 360, 1, -1)
        masks.append(mask.astype(bool))
        depth[masks[-1]] = generator.uniform(0.5, 2)
    depth += generator.normal(0, 0.002, depth.shape).astype(np.float32)
    return instances_of(*masks), depth


def fastest_ms(count: int, size: ImageSize, rounds: int = 200) -> float:
    """Return the time of the call that nothing else on the machine held up [ms]."""
    instances, depth = crowded(count, size)
    matrix = np.array([[size.width, 0, size.width / 2], [0, size.width, size.height / 2],
                       [0, 0, 1]])
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        lift(instances, depth, matrix)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def plot(errors: dict[str, np.ndarray], path: Path) -> None:
    """Draw the errors over the distance beside what is allowed; dotted where depth is missing."""
    with open_figure(path, 6, 3.5) as figure:
        axes = figure.subplots()
        for number, (name, values) in enumerate(errors.items()):
            for share, column, style in zip(MISSING, values.T, ('-', '--', ':')):
                axes.plot(DISTANCES, column, style, marker='o', markersize=3,
                          color=f'C{number}', label=f'{name}, {share:.0%} missing')
        axes.plot(DISTANCES, [max(1, one) for one in DISTANCES], 'k', label='1 cm or 1 %')
        axes.set(xlabel='distance [m]', ylabel='largest error of the centre [cm]', ylim=0)
        axes.legend(fontsize='x-small')


def main() -> None:
    """Print the tables, save the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--plot', type=Path, default=ROOT / 'docs' / 'geometry.png')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    errors = largest_errors()
    print('| shape | distance [m] | ' + ' | '.join(f'{share:.0%} missing' for share in MISSING))
    for name, values in errors.items():
        for distance, row in zip(DISTANCES, values):
            print(f'| {name} | {distance} | ' + ' | '.join(f'{one:.2f}' for one in row) + ' |')
    for size in (ImageSize(480, 640), ImageSize(720, 1280)):
        row = ' | '.join(f'{fastest_ms(count, size):.1f}' for count in (1, 20, 100))
        print(f'| {size.width}x{size.height} | {row} |')
    plot(errors, args.plot)


if __name__ == '__main__':
    main()
