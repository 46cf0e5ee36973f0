"""How large objects are for the network, how many there are, and what input they need."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from yolact_ros.checking.findings import LOOK, Finding
from yolact_ros.data.coco import CocoDataset
from yolact_ros.structures import (
    INPUT_STEP,
    ImageSize,
    InputSize,
    change_sides,
    format_input_size,
    input_shape,
)

SMALL = 8          # [px of the input] two cells of the prototype grid: less has no shape
SEEN = 12          # [px of the input] three of them
LARGEST_INPUT = 1024
FEW_OBJECTS = 0.05  # share that may stay small
MOST_OBJECTS = 100  # found in an image unless max_instances is raised


def object_sides(data: CocoDataset, input_size: InputSize) -> np.ndarray:
    """Return (N,) the shorter side of each object's box [px of the input]."""
    return np.array([_side(record.size, item.box, input_size) for record in data.records
                     for item in record.objects if not item.truth.crowd], float)


def size_lines(data: CocoDataset, input_size: InputSize) -> list[str]:
    """Return what images and objects are like, for people."""
    pixels = sorted((record.size for record in data.records),
                    key=lambda size: size.pixels)
    counts = _counts(data)
    sides = np.percentile(object_sides(data, input_size), (5, 50, 95))
    small, middle, large = (f'{size.width}x{size.height}'
                            for size in (pixels[0], pixels[len(pixels) // 2], pixels[-1]))
    return [f'  pictures from {small} to {large} px, half of them up to {middle}',
            f'  objects in a picture: {np.median(counts):.0f} in the middle, at most '
            f'{counts.max()}',
            f'  shorter side of an object at input {format_input_size(input_size)}: '
            f'{sides[0]:.0f} / {sides[1]:.0f} / {sides[2]:.0f} px (5 / 50 / 95 %)']


def size_findings(data: CocoDataset, input_size: InputSize) -> Iterator[Finding]:
    """Yield objects too small for the network's input, and images with too many."""
    sides = object_sides(data, input_size)
    small = int((sides < SMALL).sum())
    if small > FEW_OBJECTS * len(sides):
        wanted = needed_input(sides, input_size)
        work = input_shape(wanted).pixels / input_shape(input_size).pixels
        first = next((record, item) for record in data.records for item in record.objects
                     if not item.truth.crowd
                     and _side(record.size, item.box, input_size) < SMALL)
        yield Finding(LOOK, f'{small} of {len(sides)} objects are narrower than {SMALL} px at '
                            f'input {format_input_size(input_size)}, too small for a mask',
                      f'--model input_size={format_input_size(wanted)} '
                      f'({work:.1f} times the work), or photos from nearer',
                      first[0].path, first[1].name)
    counts = _counts(data)
    crowded = [record for record, count in zip(data.records, counts) if count > MOST_OBJECTS]
    if crowded:
        yield Finding(LOOK, f'{len(crowded)} pictures hold more than {MOST_OBJECTS} objects, up '
                            f'to {counts.max()}', 'raise max_instances where the model runs, and '
                      'eval --max-instances', crowded[0].path)


def needed_input(sides: np.ndarray, input_size: InputSize) -> InputSize:
    """Return the input at which all but a few objects have a shape, at most LARGEST_INPUT."""
    factor = SEEN / max(float(np.quantile(sides, FEW_OBJECTS)), 1e-3)
    if isinstance(input_size, tuple):
        factor = min(factor, LARGEST_INPUT / max(input_size))
    return change_sides(input_size, lambda side: _enlarged(side, factor))


def _enlarged(side: int, factor: float) -> int:
    """Return a side times a factor, in whole steps; never smaller than it was."""
    wanted = int(np.ceil(side * factor / INPUT_STEP)) * INPUT_STEP
    return min(max(wanted, side), LARGEST_INPUT)


def _side(size: ImageSize, box: tuple[float, float, float, float],
          input_size: InputSize) -> float:
    """Return the shorter side of a box [px of the input]."""
    shape = input_shape(input_size)
    return min((box[2] - box[0]) / size.width * shape.width,
               (box[3] - box[1]) / size.height * shape.height)


def _counts(data: CocoDataset) -> np.ndarray:
    """Return (N,) objects in each image, crowds not counted."""
    return np.array([sum(not item.truth.crowd for item in record.objects)
                     for record in data.records], int)
