"""What an evaluation compares with: the annotated objects of a set of images."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from yolact_ros.data.bookkeeping import Bookkeeping
from yolact_ros.data.classes import (
    EVERYTHING,
    ClassChoice,
    match_categories,
    unlabelled_classes,
)
from yolact_ros.data.coco_file import (
    ImageId,
    TrueObject,
    read_image_entries,
    read_objects,
)
from yolact_ros.data.formats.labels import read_labels
from yolact_ros.data.sample import Sample
from yolact_ros.masks import encode_mask
from yolact_ros.structures import ImageSize


@dataclass(frozen=True)
class GroundTruth:
    """
    The annotated objects of a set of images.

    :param class_names: in the order of class ids.
    :param sizes: image id -> size, in the order in which images are evaluated.
    :param category_ids: COCO category id of each class.
    :param file_names: image id -> file name, where there are files.
    :param notes: what was left out, and why.
    :param unlabelled: image id -> classes of which not every object in it is labelled. Found ones
        that match no object are neither right nor wrong there, as in LVIS (Gupta et al. 2019).
    """

    class_names: tuple[str, ...]
    sizes: Mapping[ImageId, ImageSize]
    objects: tuple[TrueObject, ...]
    category_ids: tuple[int, ...]
    file_names: Mapping[ImageId, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unlabelled: Mapping[ImageId, tuple[int, ...]] = field(default_factory=dict)

    def subset(self, image_ids: Sequence[ImageId]) -> GroundTruth:
        """Return the truth about some of the images, in their given order."""
        kept = {image_id: self.sizes[image_id] for image_id in image_ids}
        return replace(self, sizes=kept, objects=tuple(
            item for item in self.objects if item.image_id in kept))

    def limited(self, most: int | None) -> GroundTruth:
        """Return the truth about at most so many images, a fixed pseudo-random choice."""
        if most is None or most >= len(self.sizes):
            return self
        return self.subset(sorted(self.sizes, key=image_hash)[:most])


def read_truth(path: str | Path, images: str | Path | None = None,
               choice: ClassChoice = EVERYTHING) -> GroundTruth:
    """
    Return the truth of a COCO annotation file, or of what else read_labels knows.

    Annotations that cannot be used are left out and named in the notes.

    :param images: folder of the images; looked at only where the file does not tell sizes.
    :param choice: of classes; others are ignored.
    :raises FileNotFoundError: when there is no such file.
    :raises ValueError: when it is broken, or holds no image or no class.
    """
    path = Path(path)
    content = read_labels(path, 'val')
    class_of, names = match_categories(content, path, choice)
    first = {class_id: key for key, class_id in reversed(class_of.items())}
    entries = read_image_entries(content, path, images)
    sizes = {key: entry.size for key, entry in entries.items()}
    book = Bookkeeping()
    objects = tuple(item for _, item in read_objects(content, path, sizes, class_of, book))
    unlabelled = unlabelled_classes(content, path, class_of)
    lines = list(book.lines())
    if unlabelled:
        lines.append(f'{len(unlabelled)} pictures are not labelled for every class: what is found '
                     'of these there and matches no object is neither right nor wrong')
    return GroundTruth(names, sizes, objects,
                       tuple(first.get(class_id, -1 - class_id) for class_id in range(len(names))),
                       {key: entry.file_name for key, entry in entries.items()},
                       tuple(f'{path.name}: {line}' for line in lines), unlabelled)


def sample_objects(sample: Sample, image_id: ImageId) -> list[TrueObject]:
    """Return the objects of one labelled image."""
    objects = []
    for box, mask, class_id, crowd in zip(sample.boxes.tolist(), sample.masks, sample.class_ids,
                                          sample.crowd):
        x0, y0, x1, y1 = box
        objects.append(TrueObject(image_id, int(class_id), (x0, y0, x1 - x0, y1 - y0),
                                  encode_mask(mask), float(np.count_nonzero(mask)), bool(crowd)))
    return objects


def image_hash(image_id: ImageId) -> int:
    """Return the original's 32-bit hash of an image id; sorting by it shuffles for ever alike."""
    x = image_id if isinstance(image_id, int) else zlib.crc32(str(image_id).encode())
    for _ in range(2):
        x = (((x >> 16) ^ x) * 0x045d9f3b) & 0xFFFFFFFF
    return (x >> 16) ^ x
