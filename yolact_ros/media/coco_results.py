"""Instances as COCO results: the JSON that COCOeval and most tools read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from yolact_ros.config import COCO_CLASSES
from yolact_ros.files import temporary_name
from yolact_ros.structures import ImageSize, Instances

# COCO numbers its 80 classes from 1 to 90; these numbers were planned, but never used.
UNUSED_COCO_IDS = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83))


def category_ids(class_names: Sequence[str]) -> tuple[int, ...]:
    """
    Return the category id of every class: COCO's own for its 80 classes, else 1 to N.

    :param class_names: in the order of class ids.
    """
    if tuple(class_names) == COCO_CLASSES:
        return tuple(number for number in range(1, 91) if number not in UNUSED_COCO_IDS)
    return tuple(range(1, len(class_names) + 1))


def image_ids(paths: Sequence[Path]) -> list[int]:
    """
    Return an image id for every picture: the number in COCO's file names, else 1 to N.

    '000000397133.jpg' and 'COCO_val2014_000000397133.jpg' are 397133. As soon as one name has
    no such number, or two have the same, all are numbered in their order.
    """
    numbers = [path.stem.rsplit('_', 1)[-1] if path.stem.startswith('COCO') else path.stem
               for path in paths]
    if all(number.isdecimal() for number in numbers) and len(set(map(int, numbers))) == len(paths):
        return [int(number) for number in numbers]
    return list(range(1, len(paths) + 1))


def coco_results(instances: Instances, image_id: int, categories: Sequence[int],
                 track_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """
    Return one COCO result for every instance, best score first.

    COCOeval takes the object's area from the bbox where there is one; for mask AP by object
    size drop that field first.

    :param categories: category id of every class id, see category_ids.
    :param track_ids: number of every object, 0 for none; given, every result has its track_id.
    :returns: dicts of image_id, category_id, bbox [x, y, width, height] rounded to 0.1 px,
        score and segmentation (compressed RLE of the whole picture, counts as str).
    """
    results = []
    for row, (x0, y0, x1, y1) in enumerate(instances.boxes.astype(float).tolist()):
        results.append({
            'image_id': image_id,
            'category_id': categories[int(instances.class_ids[row])],
            'bbox': [round(value, 1) for value in (x0, y0, x1 - x0, y1 - y0)],
            'score': round(float(instances.scores[row]), 5),
            'segmentation': coco_rle(instances.crops[row], instances.rois[row],
                                     instances.image_size)})
        if track_ids is not None:
            results[-1]['track_id'] = int(track_ids[row])
    return results


def coco_rle(crop: np.ndarray, roi: np.ndarray, size: ImageSize) -> dict[str, Any]:
    """
    Return the compressed RLE of a mask without ever making it at picture size.

    :param crop: (h, w) bool, the mask inside its roi.
    :param roi: (4,) x0, y0, x1, y1 [px], half-open.
    :returns: {'size': [H, W], 'counts': str}, runs go down the columns.
    :raises ImportError: when pycocotools is missing.
    """
    try:
        from pycocotools import mask as mask_api
    except ImportError as error:
        raise ImportError('COCO masks need pycocotools; install it with '
                          '"pip install pycocotools"') from error
    uncompressed = {'size': [size.height, size.width], 'counts': _run_lengths(crop, roi, size)}
    compressed = mask_api.frPyObjects(uncompressed, size.height, size.width)
    return {'size': [size.height, size.width], 'counts': compressed['counts'].decode('ascii')}


def _run_lengths(crop: np.ndarray, roi: np.ndarray, size: ImageSize) -> list[int]:
    """Return lengths of runs of background, object, background, ... in column order."""
    x0, y0 = int(roi[0]), int(roi[1])
    columns = np.pad(crop.T, ((0, 0), (1, 1))).astype(np.int8)  # (w, h + 2)
    steps = np.diff(columns, axis=1)  # +1 where a run starts, -1 behind its end
    starts, ends = (column * size.height + row for column, row in
                    (np.nonzero(steps == 1), np.nonzero(steps == -1)))
    edges = np.stack([starts, ends], axis=1) + x0 * size.height + y0
    joined = np.flatnonzero(edges[1:, 0] == edges[:-1, 1])  # full columns touch the next one
    flat = np.delete(edges.reshape(-1), np.concatenate([2 * joined + 1, 2 * joined + 2]))
    behind = size.height * size.width  # a last run of length zero is not written
    last = [behind] if len(flat) == 0 or flat[-1] < behind else []
    return np.diff(np.concatenate([[0], flat, last])).astype(int).tolist()


class CocoResultFile:
    """
    A COCO result file that grows result by result and appears when it is complete.

    :param path: JSON file; replaced if it exists.
    :param class_names: the model's classes.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        """Open the file under a temporary name."""
        self.path = path
        self._categories = category_ids(class_names)
        self._part = temporary_name(path)
        self._file = self._part.open('w', encoding='utf-8')
        self._separator = '[\n'

    def __enter__(self) -> CocoResultFile:
        """Return the file; leaving the block finishes it, or removes it on an error."""
        return self

    def add(self, image_id: int, instances: Instances,
            track_ids: Sequence[int] | None = None) -> None:
        """Append the results of one picture, see coco_results."""
        for result in coco_results(instances, image_id, self._categories, track_ids):
            self._file.write(self._separator + json.dumps(result))
            self._separator = ',\n'

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Finish the file, or remove what is there of it when an exception is under way."""
        try:
            self._file.write('[]\n' if self._separator == '[\n' else '\n]\n')
            self._file.close()
            if kind is None:
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)
