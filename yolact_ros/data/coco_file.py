"""The entries of a COCO JSON file: checked thoroughly, masks kept as run lengths."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolact_ros.masks import Rle, compress_runs, rasterise_polygons, rle_area, rle_box
from yolact_ros.structures import ImageSize


class LeftOut(Exception):
    """An annotation cannot be learnt; the message is the reason, the same for all alike."""


@dataclass(frozen=True)
class CocoObject:
    """One usable annotation: box x_min, y_min, x_max, y_max [px], mask as compressed RLE."""

    box: tuple[float, float, float, float]
    rle: Rle
    class_id: int
    crowd: bool


@dataclass
class CocoImage:
    """One picture and its usable annotations."""

    path: Path
    height: int
    width: int
    objects: list[CocoObject] = field(default_factory=list)


def read_json(path: Path) -> Mapping[str, Any]:
    """
    Return the content of a COCO annotation file, with its three lists present.

    :raises FileNotFoundError: when there is no such file.
    :raises ValueError: when it is no JSON or no COCO file.
    """
    if not path.is_file():
        raise FileNotFoundError(f'annotation file {path} not found; give the path of a COCO JSON')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not valid JSON ({error}); export it again') from error
    for key in ('images', 'annotations', 'categories'):
        found = content.get(key) if isinstance(content, dict) else None
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ValueError(f'{path} is no COCO annotation file: it needs a list of objects '
                             f'named {key!r}; got {type(found).__name__}')
    if not content['images']:
        raise ValueError(f'{path} lists no images; there is nothing to learn from')
    return content


def read_image(path: Path, height: int, width: int) -> np.ndarray:
    """
    Return the (H, W, 3) uint8 RGB picture in the size that its annotations are made for.

    :raises ValueError: when it does not decode or has another size.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is not None and image.shape[:2] != (height, width):
        # Labelling tools differ on whether they honour the EXIF orientation.
        image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError(f'{path} does not decode as a picture; replace it or take it out of the '
                         'annotation file')
    if image.shape[:2] != (height, width):
        raise ValueError(f'{path} is {image.shape[1]}x{image.shape[0]}, its annotations are for '
                         f'{width}x{height}; label it again or restore the labelled picture')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_categories(content: Mapping[str, Any], path: Path, wanted: Sequence[str] | None,
                     ) -> tuple[dict[Any, int], tuple[str, ...]]:
    """Return category id -> class id for the usable categories, and the class names."""
    categories = content['categories']
    for key in ('id', 'name'):
        values = [category.get(key) for category in categories]
        twice = [value for value, count in Counter(values).items() if count > 1]
        if None in values or twice:
            raise ValueError(f'{path}: every category needs a {key} of its own, '
                             f'got {", ".join(map(repr, values[:20]))}')
    ordered = sorted(categories, key=lambda category: category['id'])
    names = tuple(str(category['name']) for category in ordered)
    if not names:
        raise ValueError(f'{path} has no categories; add at least one')
    if wanted is None:
        return {category['id']: index for index, category in enumerate(ordered)}, names
    used = {annotation.get('category_id') for annotation in content['annotations']}
    unknown = [category['name'] for category in ordered
               if category['id'] in used and category['name'] not in wanted]
    if unknown:
        raise ValueError(f'{path} has objects of class {", ".join(unknown)}, which is not among '
                         f'the wanted classes {", ".join(wanted)}; make the lists agree')
    return {category['id']: list(wanted).index(category['name']) for category in ordered
            if category['name'] in wanted}, tuple(wanted)


def read_images(content: Mapping[str, Any], path: Path,
                 folder: str | Path | None) -> dict[Any, CocoImage]:
    """Return image id -> picture; all files exist and look like pictures."""
    entries = content['images']
    folder = Path(folder) if folder else find_image_folder(path, str(entries[0].get('file_name')))
    by_id, missing, foreign = {}, [], []
    for entry in entries:
        for key in ('id', 'file_name', 'width', 'height'):
            if key not in entry:
                raise ValueError(f'{path}: image {entry} lacks {key!r}')
        if entry['id'] in by_id:
            raise ValueError(f'{path}: image id {entry["id"]} exists twice')
        file = _image_path(folder, str(entry['file_name']))
        if not file.is_file():
            missing.append(file)
        elif not cv2.haveImageReader(str(file)):
            foreign.append(file)
        by_id[entry['id']] = CocoImage(file, int(entry['height']), int(entry['width']))
    if missing:
        raise FileNotFoundError(f'{len(missing)} of {len(entries)} pictures of {path} not found, '
                                f'first {missing[0]}; give their folder, or take them out of the '
                                'file')
    if foreign:
        raise ValueError(f'{len(foreign)} of {len(entries)} pictures of {path} do not decode, '
                         f'first {foreign[0]}; replace them or take them out of the file')
    return by_id


def find_image_folder(annotations: Path, file_name: str) -> Path:
    """Return the folder near an annotation file that holds the picture, else the likeliest."""
    base = annotations.parent
    candidates = [base / 'images', base.parent / 'images', base, base.parent,
                  base.parent / annotations.stem.removeprefix('instances_')]
    for folder in candidates:
        if _image_path(folder, file_name).is_file():
            return folder
    return candidates[1] if base.name == 'annotations' else candidates[0]


def _image_path(folder: Path, file_name: str) -> Path:
    """Return the picture's path; COCO_train2014_0001.jpg may lie there as 0001.jpg."""
    path = folder / file_name
    if file_name.startswith('COCO') and not path.is_file():
        return folder / file_name.split('_')[-1]
    return path


def read_object(annotation: Mapping[str, Any], record: CocoImage,
                 class_of: Mapping[Any, int]) -> tuple[CocoObject, bool]:
    """
    Return the object of an annotation and whether its box had to be clipped.

    :raises LeftOut: when there is nothing to learn from it.
    """
    rle = to_rle(annotation.get('segmentation'), record.height, record.width)
    if rle_area(rle) == 0:
        raise LeftOut('the mask has no pixel inside the picture')
    box = annotation.get('bbox') or rle_box(rle)
    if len(box) != 4 or not np.all(np.isfinite(np.float64(box))):
        raise LeftOut('bbox is not four finite numbers')
    x, y, width, height = map(float, box)
    if width <= 0 or height <= 0:
        raise LeftOut('the box has no area')
    clipped = (max(x, 0.0), max(y, 0.0), min(x + width, float(record.width)),
               min(y + height, float(record.height)))
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise LeftOut('the box lies outside the picture')
    # Half a pixel over the border is how labelling tools round; no news.
    far = max(abs(a - b) for a, b in zip(clipped, (x, y, x + width, y + height))) > 1
    return CocoObject(clipped, rle, class_of[annotation['category_id']],
                      bool(annotation.get('iscrowd', 0))), far


def to_rle(segmentation: Any, height: int, width: int) -> Rle:
    """
    Return polygons, compressed or uncompressed RLE as compressed RLE.

    :raises LeftOut: when it is none of them.
    """
    if not segmentation:
        raise LeftOut('no mask (segmentation is missing or empty)')
    if isinstance(segmentation, dict):
        return _check_rle(segmentation, height, width)
    if not isinstance(segmentation, list):
        raise LeftOut('segmentation is neither polygons nor RLE')
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    usable = [polygon for polygon in polygons if len(polygon) >= 6]
    if not usable:
        raise LeftOut('polygons of fewer than three points')
    for polygon in usable:
        numbers = all(isinstance(value, (int, float)) for value in polygon)
        if len(polygon) % 2 or not numbers or not np.all(np.isfinite(polygon)):
            raise LeftOut('a polygon is not pairs of finite numbers')
    return rasterise_polygons(usable, ImageSize(height, width))


def _check_rle(rle: Mapping[str, Any], height: int, width: int) -> Mapping[str, Any]:
    """Return an RLE in compressed form."""
    if list(rle.get('size', ())) != [height, width]:
        raise LeftOut('the size of the RLE is not that of the picture')
    counts = rle.get('counts')
    if isinstance(counts, list):
        if sum(counts) != height * width or min(counts, default=0) < 0:
            raise LeftOut('the counts of the RLE do not add up to the picture')
        return compress_runs(counts, ImageSize(height, width))
    if not isinstance(counts, (str, bytes)):
        raise LeftOut('the RLE has no counts')
    return {'size': [height, width], 'counts': counts}
