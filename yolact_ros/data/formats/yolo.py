"""
YOLO segmentation: a text file for each image, a row of shares of the picture for each object.

    class x0 y0 x1 y1 x2 y2 ...      a polygon
    class cx cy width height         a box: an object that nobody has outlined
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from yolact_ros.data.formats.content import Content, images_below, measure
from yolact_ros.files import check_unfolded, read_text

STEMS = ('data', 'dataset')  # of data files, as tools name them
SPLITS = ('train', 'val', 'test')
BOX_VALUES = 4
FARTHEST = 2.0  # shares beyond it are pixels


class TextLoader(yaml.SafeLoader):
    """Reads every value but null as the text that it is: 'no' and 1.50 are names of classes."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag == 'tag:yaml.org,2002:null']
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


@dataclass(frozen=True)
class YoloData:
    """
    A data set as its YAML file describes it.

    :param folder: that paths of the file are relative to.
    :param classes: the number of a class in its rows -> name.
    """

    path: Path
    folder: Path
    classes: Mapping[int, str]
    splits: Mapping[str, list[str]]


def find_yolo(folder: Path) -> Path | None:
    """
    Return the YAML file of a YOLO data set in a folder, None where there is none.

    :raises ValueError: when one that is named as such cannot be read.
    """
    for path in sorted(filter(Path.is_file, [*folder.glob('*.yaml'), *folder.glob('*.yml')]),
                       key=lambda path: (path.stem not in STEMS, path.name)):
        try:
            content = _load(path)
        except ValueError:
            if path.stem in STEMS:
                raise
            continue
        if isinstance(content, dict) and 'names' in content and {*SPLITS} & {*content}:
            return path
    return None


def open_yolo(path: Path) -> YoloData:
    """
    Return what a YOLO data file says.

    :raises ValueError: when it is none, naming what is missing.
    """
    content = _load(path)
    classes = _classes(content.get('names') if isinstance(content, dict) else None, path)
    splits = {name: _listed(content[name]) for name in SPLITS if content.get(name)}
    if 'val' not in splits and content.get('valid'):
        splits['val'] = _listed(content['valid'])
    if not splits:
        raise ValueError(f'{path} names no pictures: it needs train: FOLDER')
    return YoloData(path, path.parent / str(content.get('path') or ''),
                    classes, splits)


def _load(path: Path) -> Any:
    """
    Return what a data file holds.

    :raises ValueError: when it is no YAML.
    """
    try:
        content = yaml.load(read_text(path), TextLoader)
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not valid YAML: {error}') from error
    check_unfolded(content, path)
    return content


def _classes(names: Any, path: Path) -> Mapping[int, str]:
    """
    Return number -> name, in ascending order, of a list or of names by their numbers.

    :raises ValueError: when it is neither.
    """
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise ValueError(f'{path} is no YOLO data file: it needs names, a list of classes')
    wrong = [f'{key}: {name}' for key, name in names.items()
             if not str(key).isdecimal() or not isinstance(name, str) or not name]
    if wrong:
        raise ValueError(f'{path}: names wants the name of every class, by its number where it is '
                         f'no list; got {", ".join(wrong)}')
    return dict(sorted((int(key), name) for key, name in names.items()))


def read_yolo(data: YoloData, split: str) -> Mapping[str, Any]:
    """
    Return one split as the content of a COCO file.

    :raises FileNotFoundError: when its pictures are not there.
    """
    content = Content(tuple(data.classes.values()))
    class_of: dict[float, int] = {number: place for place, number in enumerate(data.classes)}
    unreadable = []
    for image in _images(data, data.splits[split]):
        size = measure(image)
        if size is None:
            unreadable.append(image)
            continue
        image_id = content.add_image(image, size)
        labels = _labels_of(image)
        if labels.is_file():
            _add_rows(content, labels, image_id, np.array([size.width, size.height]), class_of)
    if unreadable:
        content.notes.append(f'{len(unreadable)} pictures cannot be read and are left out, first '
                             f'{unreadable[0]}')
    return content.as_coco()


def _add_rows(content: Content, labels: Path, image_id: int, extent: np.ndarray,
              class_of: Mapping[float, int]) -> None:
    """Add the objects of one text file; what is no object is left out with its line."""
    for number, line in enumerate(read_text(labels).splitlines(), start=1):
        if not line.strip():
            continue
        name = f'{labels.name}:{number}'
        try:
            first, *values = map(float, line.split())
        except ValueError:
            content.leave_out(name, image_id, 'a row is not numbers')
            continue
        # A value too many is how sure a network was that wrote the row.
        class_id, points = class_of.get(first), np.array(values[:len(values) // 2 * 2])
        if class_id is None:
            content.leave_out(name, image_id, f'the first number of a row is no class from '
                                              f'{min(class_of)} to {max(class_of)}')
        elif not np.all(np.isfinite(points)) or np.abs(points).max(initial=0) > FARTHEST:
            content.leave_out(name, image_id, 'coordinates are not shares of the picture, 0 to 1')
        elif len(points) == BOX_VALUES:
            corner, sides = (points[:2] - points[2:] / 2) * extent, points[2:] * extent
            content.add_object(name, image_id, class_id, bbox=[*corner.tolist(),
                                                               *sides.tolist()])
        else:
            pixels = points.reshape(-1, 2) * extent
            content.add_object(name, image_id, class_id,
                               segmentation=[pixels.ravel().tolist()])


def _images(data: YoloData, places: list[str]) -> Iterator[Path]:
    """Yield the images of folders and of lists of images."""
    for place in places:
        found = _find(data, place)
        if found.is_dir():
            yield from images_below(found)
            continue
        for line in read_text(found).split('\n'):
            if line.strip():
                yield _find(data, line.strip(), found.parent)


def _find(data: YoloData, place: str, beside: Path | None = None) -> Path:
    """
    Return a file or folder that a data file names.

    Exporters write paths of their own machine, or one .. too many.

    :raises FileNotFoundError: when there is nothing.
    """
    place = place.replace('\\', '/')
    inside = '/'.join(part for part in place.split('/') if part not in ('..', '.', ''))
    bases = [base for base in (data.folder, data.path.parent, beside) if base]
    for candidate in [*(base / place for base in bases), *(base / inside for base in bases)]:
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f'{data.path} names {place}, which is neither in {data.folder} nor '
                            'beside it; mend path: there')


def _labels_of(image: Path) -> Path:
    """Return the text file of an image: in labels/ where it is in images/, else beside it."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == 'images':
            parts[index] = 'labels'
            there = Path(*parts).with_suffix('.txt')
            if there.is_file():
                return there
            break
    return image.with_suffix('.txt')


def _listed(value: Any) -> list[str]:
    """Return one place or several as a list."""
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
