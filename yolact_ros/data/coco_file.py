"""The entries of a COCO JSON file, for training and evaluation alike: checked, or named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from yolact_ros.data.bookkeeping import Bookkeeping
from yolact_ros.data.image_files import ImageFinder
from yolact_ros.data.segmentation import LeftOut, NoMask, is_number, read_segmentation
from yolact_ros.masks import Rle, encode_crop, rle_area, rle_box
from yolact_ros.media.images import read_image
from yolact_ros.structures import ImageSize

ImageId = int | str
LEFT_OUT = '_left_out'  # key by which readers of other formats say why an object cannot be used
# Boxes of tools are loose by some pixels; a box of x, y, x, y is right to the pixel.
LEAST_LIKE, ALIKE = 0.5, 0.85
LARGEST_IMAGE = 1 << 30  # [pixels]; masks of more would be painted for ever
YES, NO = (1, True, '1', 'true'), (0, False, None, '0', 'false', '')


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
class ImageEntry:
    """
    An image of the file.

    :param file_name: its name there.
    :param path: where it lies; there need not be a file.
    """

    file_name: str
    size: ImageSize
    path: Path


def load_json(path: Path) -> Any:
    """
    Return what a JSON file holds; UTF-8 with or without a mark in front, UTF-16 or UTF-32.

    :raises ValueError: when it is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not valid JSON ({error}); write it again') from error


def read_json(path: Path) -> Mapping[str, Any]:
    """
    Return the content of a COCO annotation file, with its three lists present.

    :raises FileNotFoundError: when there is no such file.
    :raises ValueError: when it is no JSON or no COCO file.
    """
    if not path.is_file():
        raise FileNotFoundError(f'labels {path} not found; give a COCO JSON, data.yaml of YOLO, '
                                'or a folder that a labelling tool wrote')
    content = load_json(path)
    for key in ('images', 'annotations', 'categories'):
        found = content.get(key) if isinstance(content, dict) else None
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            labelme = isinstance(content, dict) and 'shapes' in content
            raise ValueError(f'{path} is no COCO annotation file: it needs a list of objects '
                             f'named {key!r}; got {type(found).__name__}'
                             + ('; it looks like labelme: give its folder' if labelme else ''))
    for key in ('images', 'categories'):
        if not content[key]:
            raise ValueError(f'{path} lists no {key}; there is nothing to learn or to score')
    return content


def read_categories(content: Mapping[str, Any], path: Path) -> dict[Any, str]:
    """
    Return category id -> name, by ascending id; numbers as names become text.

    Groups of classes (see read_groups) are left out.

    :raises ValueError: when ids or names are missing or repeated.
    """
    groups = read_groups(content)
    categories = [category for category in content['categories'] if category not in groups]
    for key in ('id', 'name'):
        values = [str(category.get(key)) for category in categories]
        twice = [value for value, count in Counter(values).items() if count > 1]
        if any(category.get(key) in (None, '') for category in categories) or twice:
            raise ValueError(f'{path}: every category needs a {key} of its own, '
                             f'got {", ".join(map(repr, values[:20]))}')
    names = {_hashable(category['id'], path): str(category['name']) for category in categories}
    return dict(sorted(names.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])))


def read_groups(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """
    Return the categories that are no classes but the supercategory of others.

    Roboflow writes one of id 0, which would be a class that nothing belongs to.
    """
    used = {str(annotation.get('category_id')) for annotation in content['annotations']}
    return [category for category in content['categories']
            if str(category.get('id')) not in used and category.get('name') is not None
            and any(other is not category and other.get('supercategory') == category['name']
                    for other in content['categories'])]


def read_image_entries(content: Mapping[str, Any], path: Path,
                       folder: str | Path | None = None) -> dict[ImageId, ImageEntry]:
    """
    Return image id -> entry; a size that the file does not tell is that of the image.

    :param folder: of the images; None looks for one near the file.
    :raises ValueError: when an entry lacks what it needs, or an id repeats.
    """
    finder = ImageFinder(path, str(content['images'][0].get('file_name')), folder)
    entries: dict[ImageId, ImageEntry] = {}
    for entry in content['images']:
        for key in ('id', 'file_name'):
            if entry.get(key) in (None, ''):
                raise ValueError(f'{path}: image {entry} lacks {key!r}')
        key, name = _hashable(entry['id'], path), str(entry['file_name'])
        if key in entries:
            raise ValueError(f'{path}: image id {key} exists twice')
        file = finder.path(name)
        entries[key] = ImageEntry(name, _size_of(entry, path, file), file)
    return entries


def read_objects(content: Mapping[str, Any], path: Path, sizes: Mapping[ImageId, ImageSize],
                 class_of: Mapping[Any, int | None], book: Bookkeeping,
                 ) -> Iterator[tuple[Any, TrueObject]]:
    """
    Yield annotation id and object; what cannot be used goes into the book (modified).

    :param class_of: category id -> class id, None for those to ignore.
    :raises ValueError: for an unknown category, and for coordinates that are not pixels.
    """
    _check_pixels(content['annotations'], sizes, path)
    seen = set()
    for number, annotation in enumerate(content['annotations']):
        name = _hashable(annotation.get('id', f'number {number}'), path)
        if _hashable(annotation.get('category_id'), path) not in class_of:
            raise ValueError(f'{path}: annotation {name} has category_id '
                             f'{annotation.get("category_id")!r}, the usable categories are '
                             f'{", ".join(map(str, class_of)) or "none"}')
        class_id = class_of[annotation.get('category_id')]
        if class_id is None:
            continue
        try:
            if annotation.get(LEFT_OUT):
                raise LeftOut(annotation[LEFT_OUT])
            if _hashable(annotation.get('image_id'), path) not in sizes:
                raise LeftOut('image_id is not among the images')
            item = _with_fitting_box(_read_object(annotation, sizes, class_id), name, book)
            content_of = (item.image_id, item.class_id, item.crowd, item.bbox, item.rle['counts'])
            if content_of in seen:
                raise LeftOut('the same object a second time')
        except LeftOut as reason:
            book.leave_out(reason, name, annotation.get('image_id'))
            continue
        seen.add(content_of)
        if not annotation.get('segmentation'):
            book.regions.append(name)
            book.images[name] = item.image_id
        yield name, item


def _read_object(annotation: Mapping[str, Any], sizes: Mapping[ImageId, ImageSize],
                 class_id: int) -> TrueObject:
    """Return the object of an annotation whose image and category exist."""
    size = sizes[annotation['image_id']]
    crowd = annotation.get('iscrowd')
    crowd = crowd.lower() if isinstance(crowd, str) else crowd
    if crowd not in (*YES, *NO):
        raise LeftOut('iscrowd is neither 0 nor 1')
    box = annotation.get('bbox')
    if box and not is_box(box):
        raise LeftOut('bbox is not four finite numbers')
    try:
        rle, region = read_segmentation(annotation.get('segmentation'), size), False
    except NoMask:
        rle, region = _box_mask(box, size), True
    area = annotation.get('area')
    left, top, width, height = map(float, box or rle_box(rle))
    return TrueObject(annotation['image_id'], class_id, (left, top, width, height), rle,
                      float(area if is_number(area) else rle_area(rle)), region or crowd in YES)


def _with_fitting_box(item: TrueObject, name: Any, book: Bookkeeping) -> TrueObject:
    """Return the object; book a box that is no box of its mask, and mend x, y, x, y."""
    x, y, *extent = item.bbox
    mask_box = rle_box(item.rle)
    if item.crowd or rle_area(item.rle) == 0 or _box_iou(item.bbox, mask_box) >= LEAST_LIKE:
        return item
    if _box_iou((x, y, extent[0] - x, extent[1] - y), mask_box) >= ALIKE:
        book.corners.append(name)
        book.images[name] = item.image_id
        return replace(item, bbox=mask_box)
    book.unlike.append(name)
    book.images[name] = item.image_id
    return item


def _box_iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the overlap of two boxes x, y, width, height; 0 for those without area."""
    sides = [min(one[axis] + one[axis + 2], other[axis] + other[axis + 2])
             - max(one[axis], other[axis]) for axis in (0, 1)]
    if min(*sides, *one[2:], *other[2:]) <= 0:
        return 0.0
    common = sides[0] * sides[1]
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def _box_mask(box: Sequence[float] | None, size: ImageSize) -> Rle:
    """
    Return all pixels of a box: somewhere in it is an object that nobody has outlined.

    :raises NoMask: when there is no box either.
    """
    if not box:
        raise NoMask('no mask (segmentation is missing or empty) and no box')
    edges = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]], float)
    x0, y0, x1, y1 = np.clip(np.rint(edges), 0, [size.width, size.height] * 2).astype(int).tolist()
    if x1 <= x0 or y1 <= y0:
        raise NoMask('no mask (segmentation is missing or empty) and no box in the picture')
    return encode_crop(np.ones((y1 - y0, x1 - x0), bool), (x0, y0, x1, y1), size)


def is_box(box: Any) -> bool:
    """Return whether this is x, y, width, height."""
    return isinstance(box, list) and len(box) == 4 and all(map(is_number, box))


def _check_pixels(annotations: Sequence[Mapping[str, Any]], sizes: Mapping[ImageId, ImageSize],
                  path: Path) -> None:
    """Refuse boxes or polygons that all lie in one pixel: shares of the image, not pixels."""
    if min((min(size.height, size.width) for size in sizes.values()), default=0) <= 4:
        return
    boxes = (entry['bbox'] for entry in annotations if is_box(entry.get('bbox')))
    polygons = (polygon for entry in annotations if isinstance(entry.get('segmentation'), list)
                for polygon in entry['segmentation']
                if isinstance(polygon, list) and polygon and all(map(is_number, polygon)))
    for what, shapes in (('boxes', boxes), ('polygons', polygons)):
        first = next(shapes, None)  # of a sound file one is looked at
        if first and all(max(map(abs, shape)) <= 1 for shape in chain([first], shapes)):
            raise ValueError(f'{path}: all {what} lie between 0 and 1, so that they seem to be '
                             'shares of the picture; COCO wants pixels, export it again')


def _size_of(entry: Mapping[str, Any], path: Path, file: Path) -> ImageSize:
    """Return the size that an image entry tells, else that of its file."""
    height, width = entry.get('height'), entry.get('width')
    if is_number(height) and is_number(width) and height >= 1 and width >= 1:
        if height * width > LARGEST_IMAGE:
            raise ValueError(f'{path}: image {entry["id"]} ({entry["file_name"]}) has height '
                             f'{height:g} and width {width:g}; write the size of its file')
        return ImageSize(int(height), int(width))
    if not file.is_file():
        raise ValueError(f'{path}: image {entry["id"]} ({entry["file_name"]}) has no size, got '
                         f'height {height!r} and width {width!r}, and its file was not found '
                         'to be measured; write both, or give the folder of the pictures')
    return ImageSize(*read_image(file).shape[:2])


def _hashable(value: Any, path: Path) -> Any:
    """Return an id; refuse lists and objects."""
    if isinstance(value, (list, dict)):
        raise ValueError(f'{path}: an id must be a number or text, got {str(value)[:50]}')
    return value
