"""Building the content of a COCO file in memory, out of labels in another form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolact_ros.data.coco_file import LEFT_OUT
from yolact_ros.media.headers import read_header
from yolact_ros.media.images import IMAGE_SUFFIXES
from yolact_ros.structures import ImageSize

NOTES = '_notes'  # key under which a content says what was remarkable, sentences for people


@dataclass
class Content:
    """
    What a COCO file holds, growing image by image.

    :param class_names: category ids are their places, from 1.
    """

    class_names: Sequence[str]
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_image(self, path: Path, size: ImageSize) -> int:
        """Add an image; return its id."""
        self.images.append({'id': len(self.images) + 1, 'file_name': str(path.resolve()),
                            'height': size.height, 'width': size.width})
        return len(self.images)

    def add_object(self, name: str, image_id: int, class_id: int, **fields: Any) -> None:
        """
        Add an object.

        :param name: where it is written: the annotation's id in messages.
        :param fields: segmentation, bbox, iscrowd as in COCO.
        """
        self.annotations.append({'id': name, 'image_id': image_id, 'category_id': class_id + 1,
                                 'iscrowd': 0, **fields})

    def leave_out(self, name: str, image_id: int, reason: str) -> None:
        """Add an object that cannot be used."""
        self.add_object(name, image_id, 0, **{LEFT_OUT: reason})

    def as_coco(self) -> Mapping[str, Any]:
        """Return the content of the COCO file."""
        return {'images': self.images, 'annotations': self.annotations, NOTES: self.notes,
                'categories': [{'id': number, 'name': name}
                               for number, name in enumerate(self.class_names, start=1)]}


def images_below(folder: Path) -> list[Path]:
    """Return the images of a folder and its subfolders, in order; hidden ones are left out."""
    return sorted(path for path in folder.rglob('*')
                  if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
                  and not any(part.startswith('.') for part in path.relative_to(folder).parts))


def measure(path: Path) -> ImageSize | None:
    """Return the size of an upright image, None where it cannot be read."""
    try:
        return read_header(path).upright_size
    except (OSError, ValueError):
        return None
