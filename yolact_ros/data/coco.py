"""COCO JSON data sets: images with their objects, and a report of what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from yolact_ros.data.bookkeeping import Bookkeeping
from yolact_ros.data.classes import ClassChoice, match_categories, unlabelled_classes
from yolact_ros.data.coco_file import (
    ImageEntry,
    ImageId,
    TrueObject,
    read_groups,
    read_image_entries,
    read_objects,
)
from yolact_ros.data.formats.labels import NOTES, read_labels
from yolact_ros.data.image_files import read_sized_image
from yolact_ros.data.sample import Sample
from yolact_ros.data.segmentation import LeftOut
from yolact_ros.masks import decode_mask, rle_area
from yolact_ros.structures import ImageSize


@dataclass(frozen=True)
class CocoObject:
    """
    What can be learnt.

    :param box: x_min, y_min, x_max, y_max inside the image [px].
    :param name: id of the annotation.
    """

    box: tuple[float, float, float, float]
    truth: TrueObject
    name: Any = None


@dataclass
class CocoImage:
    """
    One image and its usable annotations.

    :param upright: False where the annotations were made without the EXIF orientation.
    :param unlabelled: ids of the classes of which not every object is labelled.
    """

    path: Path
    size: ImageSize
    objects: list[CocoObject] = field(default_factory=list)
    upright: bool = True
    unlabelled: tuple[int, ...] = ()


@dataclass
class DataReport:
    """
    What a data set holds and what was left out.

    :param source: the annotation file.
    :param class_counts: instances of each class, crowds not counted.
    :param book: annotations that are no plain objects.
    :param notes: what was mended or is worth knowing.
    """

    source: str
    class_counts: dict[str, int]
    images: int = 0
    empty_images: int = 0
    crowds: int = 0
    book: Bookkeeping = field(default_factory=Bookkeeping)
    notes: list[str] = field(default_factory=list)

    @property
    def instances(self) -> int:
        """Return the number of objects, crowds not counted."""
        return sum(self.class_counts.values())

    def lines(self, use: str = '') -> list[str]:
        """
        Return the report for people.

        :param use: what the images are for.
        """
        counts = ', '.join(f'{name} {count}' for name, count in self.class_counts.items())
        lines = [f'{self.source}{use and f", {use}"}: {self.images} images '
                 f'({self.empty_images} without objects), {self.instances} instances, '
                 f'{self.crowds} crowds or boxes alone',
                 f'  {len(self.class_counts)} classes: {counts}']
        lines += [f'  {line}' for line in self.book.lines()]
        unused = [name for name, count in self.class_counts.items() if count == 0]
        if unused:
            lines.append(f'  without a single instance: {", ".join(unused)}')
        return lines + [f'  note: {note}' for note in self.notes]


class CocoDataset:
    """
    The images of a labelled data set (a SampleSource).

    :param annotations: COCO JSON file, or what else read_labels knows.
    :param images: folder of the images; None looks for one near the file.
    :param class_names: classes in the order of class ids, or a choice; None takes the file's
        categories by ascending id.
    :param split: part of a folder that has several, see read_labels.
    :ivar paths: image id -> file, also of images that a check has left out since.
    :raises FileNotFoundError: when the file or an image is missing.
    :raises ValueError: when the file is broken or does not fit the class names.
    """

    def __init__(self, annotations: str | Path, images: str | Path | None = None,
                 class_names: Sequence[str] | ClassChoice | None = None,
                 split: str = 'train') -> None:
        self.path = Path(annotations)
        choice = class_names if isinstance(class_names, ClassChoice) \
            else ClassChoice(tuple(class_names or ()))
        content = read_labels(self.path, split)
        class_of, self.class_names = match_categories(content, self.path, choice)
        self.report = DataReport(str(annotations), dict.fromkeys(self.class_names, 0))
        entries = read_image_entries(content, self.path, images)
        by_id = find_images(entries, self.path)
        for key, classes in unlabelled_classes(content, self.path, class_of).items():
            by_id[key].unlabelled = classes
        self.records = list(by_id.values())
        self.paths = {key: record.path for key, record in by_id.items()}
        sizes = {key: entry.size for key, entry in entries.items()}
        self._add_objects(read_objects(content, self.path, sizes, class_of, self.report.book),
                          by_id)
        self._add_notes(content, class_of)
        self.report.images = len(self.records)
        self.report.empty_images = sum(not record.objects for record in self.records)
        if self.report.instances == 0:
            raise ValueError('\n'.join([f'{self.path} has no object that could be learnt',
                                        *self.report.lines()]))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.records)

    def ignore_exif(self) -> None:
        """Take all images as they are stored, as their labels were made."""
        for record in self.records:
            record.upright = False

    def sample(self, index: int, rng: np.random.Generator | None = None) -> Sample:
        """Return image number index; rng is not used."""
        record = self.records[index]
        image = read_sized_image(record.path, record.size, record.upright)
        masks = np.zeros((len(record.objects), *image.shape[:2]), np.uint8)
        for mask, item in zip(masks, record.objects):
            decode_mask(item.truth.rle, mask)
        return Sample(image, _array([item.box for item in record.objects], np.float32, (-1, 4)),
                      masks, _array([item.truth.class_id for item in record.objects], np.int64),
                      _array([item.truth.crowd for item in record.objects], bool),
                      str(record.path), record.unlabelled)

    def _add_objects(self, objects: Iterable[tuple[Any, TrueObject]],
                     by_id: Mapping[Any, CocoImage]) -> None:
        """Give each image its objects, and book what cannot be learnt."""
        clipped = 0
        counts: Counter[int] = Counter()
        for name, item in objects:
            record = by_id[item.image_id]
            try:
                box, was_clipped = learnable_box(item, record.size)
            except LeftOut as reason:
                self.report.book.leave_out(reason, name, item.image_id)
                continue
            clipped += was_clipped
            record.objects.append(CocoObject(box, item, name))
            self.report.crowds += item.crowd
            counts[item.class_id] += not item.crowd
        for class_id, count in counts.items():
            self.report.class_counts[self.class_names[class_id]] = count
        if clipped:
            self.report.notes.append(f'{clipped} boxes reach outside their picture and were '
                                     'clipped')


    def _add_notes(self, content: Mapping[str, Any],
                   class_of: Mapping[Any, int | None]) -> None:
        """Note what of the file is no class, or not wanted."""
        groups = [str(group['name']) for group in read_groups(content)]
        if groups:
            self.report.notes.append(f'{", ".join(groups)} is a group of classes without objects '
                                     'of its own, not a class')
        ignored = sum(class_of.get(annotation.get('category_id'), 0) is None
                      for annotation in content['annotations'])
        if ignored:
            self.report.notes.append(f'{ignored} objects of classes that are not wanted are '
                                     'ignored')
        self.report.notes += content.get(NOTES, ())


def learnable_box(item: TrueObject, size: ImageSize,
                  ) -> tuple[tuple[float, float, float, float], bool]:
    """
    Return the box x_min, y_min, x_max, y_max in the image, and whether it had to be clipped.

    :raises LeftOut: when there is nothing to learn from the object.
    """
    if rle_area(item.rle) == 0:
        raise LeftOut('the mask has no pixel inside the picture')
    x, y, width, height = item.bbox
    if width <= 0 or height <= 0:
        raise LeftOut('the box has no area')
    clipped = (max(x, 0.0), max(y, 0.0), min(x + width, float(size.width)),
               min(y + height, float(size.height)))
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise LeftOut('the box lies outside the picture')
    # Half a pixel over the border is how labelling tools round; no news.
    far = max(abs(a - b) for a, b in zip(clipped, (x, y, x + width, y + height))) > 1
    return clipped, far


def find_images(entries: Mapping[ImageId, ImageEntry], path: Path) -> dict[ImageId, CocoImage]:
    """
    Return image id -> image; all files exist.

    :raises FileNotFoundError: when files are missing.
    """
    missing = [entry.path for entry in entries.values() if not entry.path.is_file()]
    if missing:
        raise FileNotFoundError(f'{len(missing)} of {len(entries)} pictures of {path} not found, '
                                f'first {missing[0]}; give their folder (--train-images, '
                                '--val-images, --images), or take them out of the file')
    return {key: CocoImage(entry.path, entry.size) for key, entry in entries.items()}


def _array(values: list, dtype: type, shape: tuple[int, ...] = (-1,)) -> np.ndarray:
    """Return the values as an array of that shape, also when there are none."""
    return np.array(values, dtype).reshape(shape)
