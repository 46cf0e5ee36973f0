"""The segmentation of a COCO entry, in every form that labelling tools write, as run lengths."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from yolact_ros.masks import (
    Rle,
    compress_runs,
    decompress_runs,
    join_masks,
    rasterise_polygons,
)
from yolact_ros.structures import ImageSize

# Rasterising walks along every edge: coordinates of 1e8 would take gigabytes.
FARTHEST = 10  # times the longer side of the image


class LeftOut(Exception):
    """An annotation cannot be used; the message is the reason, the same for all alike."""


class NoMask(LeftOut):
    """An annotation has no mask at all."""


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether this is a number that float64 holds; JSON knows larger ones."""
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max


def read_segmentation(segmentation: Any, size: ImageSize) -> Rle:
    """
    Return polygons, compressed or uncompressed RLE, or a list of RLEs as compressed RLE.

    :param segmentation: a polygon is x0, y0, x1, y1, ... or [x0, y0], [x1, y1], ...
    :param size: of the image.
    :raises NoMask: when it is missing or empty.
    :raises LeftOut: when it is none of them, or damaged.
    """
    if not segmentation:
        raise NoMask('no mask (segmentation is missing or empty)')
    if isinstance(segmentation, Mapping):
        return _read_rle(segmentation, size)
    if not isinstance(segmentation, list):
        raise LeftOut('segmentation is neither polygons nor RLE')
    if all(isinstance(part, Mapping) and {'size', 'counts'} & {*part} for part in segmentation):
        return join_masks([_read_rle(part, size) for part in segmentation])
    return rasterise_polygons(_read_polygons(segmentation, size), size)


def _read_polygons(segmentation: list, size: ImageSize) -> list[list[float]]:
    """Return the usable polygons, each as x0, y0, x1, y1, ..."""
    if isinstance(segmentation[0], Mapping):
        raise LeftOut('segmentation is neither polygons nor RLE')
    nested = isinstance(segmentation[0], list) and not _is_points(segmentation)
    polygons = [_flat(polygon) for polygon in (segmentation if nested else [segmentation])]
    usable = [polygon for polygon in polygons if len(polygon) >= 6]
    if not usable:
        raise LeftOut('polygons of fewer than three points')
    limit = FARTHEST * max(size.height, size.width)
    for polygon in usable:
        if len(polygon) % 2 or not all(map(is_number, polygon)):
            raise LeftOut('a polygon is not pairs of finite numbers')
        if np.abs(polygon).max() > limit:
            raise LeftOut(f'a polygon reaches more than {FARTHEST} picture sizes outside')
    return usable


def _is_points(values: Sequence[Any]) -> bool:
    """Return whether these are at least three points [x, y]."""
    return len(values) > 2 and all(isinstance(point, list) and len(point) == 2
                                   for point in values)


def _flat(polygon: Any) -> list:
    """Return a polygon as a flat list; what is none is left for the checks."""
    if not isinstance(polygon, list):
        raise LeftOut('a polygon is not pairs of finite numbers')
    return [value for point in polygon for value in point] if _is_points(polygon) else polygon


def _read_rle(rle: Mapping[str, Any], size: ImageSize) -> Rle:
    """Return an RLE in compressed form, its counts checked."""
    if rle.get('size') != [size.height, size.width]:
        raise LeftOut('the size of the RLE is not that of the picture')
    counts = rle.get('counts')
    if isinstance(counts, bytes):
        counts = counts.decode('ascii', 'replace')
    if isinstance(counts, list) and all(type(count) is int for count in counts):
        runs = np.array(counts, dtype=object)
    elif isinstance(counts, str):
        try:
            runs = decompress_runs(counts)
        except ValueError as error:
            raise LeftOut('the counts of the RLE are damaged') from error
    else:
        raise LeftOut('the RLE has no counts')
    if sum(runs.tolist()) != size.pixels or min(runs.tolist(), default=0) < 0:
        raise LeftOut('the counts of the RLE do not add up to the picture')
    return compress_runs(runs.tolist(), size)
