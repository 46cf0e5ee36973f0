"""What an evaluation compares with: the annotated objects of a set of pictures."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from yolact_ros.data.coco_file import LeftOut, read_json, to_rle
from yolact_ros.data.sample import Sample
from yolact_ros.masks import Rle, encode_mask, rle_area, rle_box
from yolact_ros.structures import ImageSize

ImageId = int | str


@dataclass(frozen=True)
class TrueObject:
    """
    One annotated object.

    :param class_id: 0-based index into the class names.
    :param bbox: x, y, width, height [px].
    :param rle: compressed COCO RLE of the mask.
    :param area: [px], decides between small, medium and large.
    :param crowd: region of uncounted objects: finds in it are neither right nor wrong.
    """

    image_id: ImageId
    class_id: int
    bbox: tuple[float, float, float, float]
    rle: Rle
    area: float
    crowd: bool = False


@dataclass(frozen=True)
class GroundTruth:
    """
    The annotated objects of a set of pictures.

    :param class_names: in the order of class ids.
    :param sizes: image id -> size, in the order in which pictures are evaluated.
    :param category_ids: COCO category id of each class.
    :param file_names: image id -> file name, where there are files.
    :param notes: what was left out, and why.
    """

    class_names: tuple[str, ...]
    sizes: Mapping[ImageId, ImageSize]
    objects: tuple[TrueObject, ...]
    category_ids: tuple[int, ...]
    file_names: Mapping[ImageId, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def subset(self, image_ids: Sequence[ImageId]) -> GroundTruth:
        """Return the truth about some of the pictures, in their given order."""
        kept = {image_id: self.sizes[image_id] for image_id in image_ids}
        return replace(self, sizes=kept, objects=tuple(
            item for item in self.objects if item.image_id in kept))

    def limited(self, most: int | None) -> GroundTruth:
        """Return the truth about at most so many pictures, a fixed pseudo-random choice."""
        if most is None or most >= len(self.sizes):
            return self
        return self.subset(sorted(self.sizes, key=image_hash)[:most])


def read_truth(path: str | Path) -> GroundTruth:
    """
    Return the truth of a COCO annotation file.

    Annotations without a usable mask are left out and named in the notes.

    :raises FileNotFoundError: when there is no such file.
    :raises ValueError: when it is broken, or holds no picture or no class.
    """
    path = Path(path)
    content = read_json(path)
    if not content['categories']:
        raise ValueError(f'{path} has no categories; nothing can be scored')
    categories = sorted(content['categories'], key=lambda entry: entry['id'])
    class_of = {entry['id']: index for index, entry in enumerate(categories)}
    if len(class_of) != len(categories):
        raise ValueError(f'{path}: two categories have the same id; give each its own')
    sizes = {entry['id']: ImageSize(int(entry['height']), int(entry['width']))
             for entry in content['images']}
    objects, left_out = _read_objects(content['annotations'], sizes, class_of, path)
    notes = tuple(f'{path.name}: {len(ids)} annotations left out: {reason} '
                  f'(first id {ids[0]})' for reason, ids in left_out.items())
    return GroundTruth(tuple(str(entry['name']) for entry in categories), sizes, tuple(objects),
                       tuple(class_of), {entry['id']: str(entry.get('file_name', ''))
                                         for entry in content['images']}, notes)


def _read_objects(annotations: Sequence[Mapping[str, Any]], sizes: Mapping[ImageId, ImageSize],
                  class_of: Mapping[int, int], path: Path,
                  ) -> tuple[list[TrueObject], dict[str, list]]:
    """Return the usable objects, and reason -> ids of the others."""
    objects: list[TrueObject] = []
    left_out: dict[str, list] = {}
    for number, entry in enumerate(annotations):
        name = entry.get('id', f'number {number}')
        if entry.get('category_id') not in class_of:
            raise ValueError(f'{path}: annotation {name} has category_id '
                             f'{entry.get("category_id")!r}, the file\'s categories are '
                             f'{", ".join(map(str, class_of))}')
        try:
            if entry.get('image_id') not in sizes:
                raise LeftOut('image_id is not among the images')
            size = sizes[entry['image_id']]
            rle = to_rle(entry.get('segmentation'), size.height, size.width)
        except LeftOut as reason:
            left_out.setdefault(str(reason), []).append(name)
            continue
        box = entry.get('bbox') or rle_box(rle)
        objects.append(TrueObject(
            entry['image_id'], class_of[entry['category_id']], tuple(map(float, box)), rle,
            float(entry.get('area', rle_area(rle))), bool(entry.get('iscrowd', 0))))
    return objects, left_out


def sample_objects(sample: Sample, image_id: ImageId) -> list[TrueObject]:
    """Return the objects of one labelled picture."""
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
