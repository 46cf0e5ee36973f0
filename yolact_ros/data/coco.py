"""COCO JSON data sets: pictures with their objects, and a report of what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from yolact_ros.data.coco_file import (
    CocoImage,
    LeftOut,
    read_categories,
    read_image,
    read_images,
    read_json,
    read_object,
)
from yolact_ros.data.sample import Sample
from yolact_ros.masks import decode_mask

SHOWN_EXAMPLES = 3


@dataclass
class DataReport:
    """
    What a data set holds and what was left out.

    :param source: the annotation file.
    :param class_counts: instances of each class, crowds not counted.
    :param left_out: reason -> annotation ids.
    :param notes: what was mended or is worth knowing.
    """

    source: str
    class_counts: dict[str, int]
    images: int = 0
    empty_images: int = 0
    crowds: int = 0
    left_out: dict[str, list[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def instances(self) -> int:
        """Return the number of objects, crowds not counted."""
        return sum(self.class_counts.values())

    def lines(self) -> list[str]:
        """Return the report for people."""
        counts = ', '.join(f'{name} {count}' for name, count in self.class_counts.items())
        lines = [f'{self.source}: {self.images} images ({self.empty_images} without objects), '
                 f'{self.instances} instances, {self.crowds} crowd regions',
                 f'  {len(self.class_counts)} classes: {counts}']
        for reason, ids in self.left_out.items():
            shown = ', '.join(map(str, ids[:SHOWN_EXAMPLES])) + (
                ', ...' if len(ids) > SHOWN_EXAMPLES else '')
            lines.append(f'  left out {len(ids)}: {reason} (annotation {shown})')
        unused = [name for name, count in self.class_counts.items() if count == 0]
        if unused:
            lines.append(f'  without a single instance: {", ".join(unused)}')
        return lines + [f'  note: {note}' for note in self.notes]


class CocoDataset:
    """
    The pictures of a COCO annotation file (a SampleSource).

    :param annotations: the JSON file; polygons, compressed and uncompressed RLE.
    :param images: folder of the pictures; None looks for one near the file.
    :param class_names: classes in the order of class ids; None takes the file's categories by
        ascending id.
    :raises FileNotFoundError: when the file or a picture is missing.
    :raises ValueError: when the file is broken or does not fit the class names.
    """

    def __init__(self, annotations: str | Path, images: str | Path | None = None,
                 class_names: Sequence[str] | None = None) -> None:
        self.path = Path(annotations)
        content = read_json(self.path)
        class_of, self.class_names = read_categories(content, self.path, class_names)
        self.report = DataReport(str(annotations), dict.fromkeys(self.class_names, 0))
        by_id = read_images(content, self.path, images)
        self.records = list(by_id.values())
        self._read_annotations(content, by_id, class_of)
        self.report.images = len(self.records)
        self.report.empty_images = sum(not record.objects for record in self.records)
        if self.report.instances == 0:
            raise ValueError('\n'.join([f'{self.path} has no object that could be learnt',
                                        *self.report.lines()]))

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.records)

    def sample(self, index: int, rng: np.random.Generator | None = None) -> Sample:
        """Return picture number index; rng is not used."""
        record = self.records[index]
        image = read_image(record.path, record.height, record.width)
        masks = np.zeros((len(record.objects), record.height, record.width), np.uint8)
        for mask, item in zip(masks, record.objects):
            mask[:] = decode_mask(item.rle)
        return Sample(image, _array([item.box for item in record.objects], np.float32, (-1, 4)),
                      masks, _array([item.class_id for item in record.objects], np.int64),
                      _array([item.crowd for item in record.objects], bool), str(record.path))

    def _read_annotations(self, content: Mapping[str, Any], by_id: Mapping[Any, CocoImage],
                          class_of: Mapping[Any, int]) -> None:
        """Give each picture its objects, and book what cannot be used."""
        clipped = 0
        counts: Counter[int] = Counter()
        for number, annotation in enumerate(content['annotations']):
            name = annotation.get('id', f'number {number}')
            if annotation.get('category_id') not in class_of:
                raise ValueError(f'{self.path}: annotation {name} has category_id '
                                 f'{annotation.get("category_id")!r}, the usable categories are '
                                 f'{", ".join(map(str, class_of)) or "none"}')
            try:
                record = by_id.get(annotation.get('image_id'))
                if record is None:
                    raise LeftOut('image_id is not among the images')
                item, was_clipped = read_object(annotation, record, class_of)
            except LeftOut as reason:
                self.report.left_out.setdefault(str(reason), []).append(name)
                continue
            clipped += was_clipped
            record.objects.append(item)
            self.report.crowds += item.crowd
            counts[item.class_id] += not item.crowd
        for class_id, count in counts.items():
            self.report.class_counts[self.class_names[class_id]] = count
        if clipped:
            self.report.notes.append(f'{clipped} boxes reach outside their picture and were '
                                     'clipped')


def _array(values: list, dtype: type, shape: tuple[int, ...] = (-1,)) -> np.ndarray:
    """Return the values as an array of that shape, also when there are none."""
    return np.array(values, dtype).reshape(shape)
