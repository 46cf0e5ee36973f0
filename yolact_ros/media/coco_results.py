"""Instances as COCO results: the JSON that COCOeval and most tools read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from yolact_ros.config import COCO_CLASSES
from yolact_ros.files import temporary_name
from yolact_ros.masks import encode_crop
from yolact_ros.structures import Instances

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
    Return an image id for every image: the number in COCO's file names, else 1 to N.

    '000000397133.jpg' and 'COCO_val2014_000000397133.jpg' are 397133. As soon as one name has
    no such number, or two have the same, all are numbered in their order.
    """
    numbers = [path.stem.rsplit('_', 1)[-1] if path.stem.startswith('COCO') else path.stem
               for path in paths]
    if all(number.isdecimal() for number in numbers) and len(set(map(int, numbers))) == len(paths):
        return [int(number) for number in numbers]
    return list(range(1, len(paths) + 1))


def coco_results(instances: Instances, image_id: int, class_names: Sequence[str],
                 file_name: str = '',
                 track_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """
    Return one COCO result for every instance, best score first.

    COCOeval takes the object's area from the bbox where there is one; for mask AP by object
    size drop that field first.

    :param class_names: the model's classes; see category_ids for their numbers.
    :param file_name: of the image, where it has one.
    :param track_ids: number of every object, 0 for none; given, every result has its track_id.
    :returns: dicts of image_id, file_name, category_id, category_name, bbox [x, y, width,
        height] rounded to 0.1 px, score and segmentation (compressed RLE of the whole image).
    """
    categories = category_ids(class_names)
    name = {'file_name': file_name} if file_name else {}
    results = []
    for row, (x0, y0, x1, y1) in enumerate(instances.boxes.astype(float).tolist()):
        results.append({
            'image_id': image_id, **name,
            'category_id': categories[int(instances.class_ids[row])],
            'category_name': class_names[int(instances.class_ids[row])],
            'bbox': [round(value, 1) for value in (x0, y0, x1 - x0, y1 - y0)],
            'score': round(float(instances.scores[row]), 5),
            'segmentation': encode_crop(instances.crops[row], instances.rois[row].tolist(),
                                        instances.image_size)})
        if track_ids is not None:
            results[-1]['track_id'] = int(track_ids[row])
    return results


class CocoResultFile:
    """
    A COCO result file that grows result by result and appears when it is complete.

    :param path: JSON file; replaced if it exists.
    :param class_names: the model's classes.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        """Open the file under a temporary name."""
        self.path = path
        self._class_names = class_names
        self._part = temporary_name(path)
        self._file = self._part.open('w', encoding='utf-8')
        self._separator = '[\n'

    def __enter__(self) -> CocoResultFile:
        """Return the file; leaving the block finishes it, or removes it on an error."""
        return self

    def add(self, image_id: int, instances: Instances, file_name: str = '',
            track_ids: Sequence[int] | None = None) -> None:
        """Append the results of one image, see coco_results."""
        for result in coco_results(instances, image_id, self._class_names, file_name, track_ids):
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
