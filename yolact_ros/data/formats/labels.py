"""The labels that a file or folder holds, found out by looking into it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from yolact_ros.data.coco_file import load_json, read_json
from yolact_ros.data.formats.content import NOTES
from yolact_ros.data.formats.labelme import is_labelme, read_labelme
from yolact_ros.data.formats.voc import find_voc, read_voc, voc_splits
from yolact_ros.data.formats.yolo import find_yolo, open_yolo, read_yolo
from yolact_ros.data.image_files import ImageFinder

__all__ = ['NOTES', 'LabelSet', 'find_label_sets', 'has_split', 'read_labels']

YAML = ('.yaml', '.yml')
# Which part of a folder is taken where the wanted one is absent.
FALLBACKS = {'train': ('train', ''), 'val': ('val', 'test', '')}
WORDS = {'train': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val', 'test': 'test'}
DEPTH = 3  # folders below the given one in which labels are looked for


@dataclass(frozen=True)
class LabelSet:
    """
    The labels of one split.

    :param kind: format, for people.
    :param read: returns the content of a COCO file; names of images are absolute.
    """

    kind: str
    read: Callable[[], Mapping[str, Any]]


def read_labels(path: Path, split: str = 'train') -> Mapping[str, Any]:
    """
    Return the content of a COCO file: of that file, or of what a folder holds in another form.

    :param path: COCO JSON, YAML file of a YOLO data set, or a folder: YOLO, labelme, Pascal VOC
        masks, or COCO as tools export it.
    :param split: part of a folder that has several: 'train' or 'val'; a folder without parts is
        both.
    :raises FileNotFoundError: when there is nothing, or pictures are missing.
    :raises ValueError: when it is damaged or of no known kind.
    """
    if path.is_file() and path.suffix.lower() not in YAML or not path.exists():
        return read_json(path)
    sets = find_label_sets(path)
    for name in (split, *FALLBACKS.get(split, ())):
        if name in sets:
            return sets[name].read()
    raise ValueError(f'{path} has no part {split!r}; it has {", ".join(map(repr, sets))}')


def find_label_sets(path: Path) -> dict[str, LabelSet]:
    """
    Return split -> labels, of a folder or a YOLO data file; '' is a folder without splits.

    :raises ValueError: when nothing of a known kind is found, saying what was looked for.
    """
    yolo = path if path.is_file() else find_yolo(path)
    if yolo is not None:
        data = open_yolo(yolo)
        return {split: LabelSet('YOLO', partial(read_yolo, data, split)) for split in data.splits}
    found = _json_sets(path)
    if found:
        return found
    root = find_voc(path)
    if root is not None:
        return {split: LabelSet('Pascal VOC', partial(read_voc, root, stems))
                for split, stems in voc_splits(root).items()}
    raise ValueError(f'no labels found in {path}; looked for a COCO JSON, labelme files beside '
                     'their pictures, data.yaml of YOLO, and SegmentationObject of Pascal VOC')


def has_split(path: str | Path, split: str) -> bool:
    """Return whether a folder or a YOLO data file has a part of that name."""
    path = Path(path)
    is_set = path.is_dir() or path.is_file() and path.suffix.lower() in YAML
    return is_set and split in find_label_sets(path)


def _json_sets(folder: Path) -> dict[str, LabelSet]:
    """Return the splits of COCO files, else of labelme files, in a folder."""
    paths = [path for depth in range(DEPTH)
             for path in sorted(folder.glob('*/' * depth + '*.json'))
             if path.is_file()
             and not any(part.startswith('.') for part in path.relative_to(folder).parts)]
    labelme: dict[str, list[Path]] = {}
    coco: dict[str, Path] = {}
    for path in paths:
        try:
            content = load_json(path)
        except ValueError:
            if not labelme and not coco:
                raise
            continue
        folders = path.relative_to(folder).parts[-2::-1]
        split = _split_of([path.stem, *folders])
        if is_labelme(content):  # named after its picture, which may show a train
            labelme.setdefault(_split_of(folders), []).append(path)
        elif isinstance(content, dict) and {'images', 'annotations', 'categories'} <= {*content}:
            if split in coco:
                raise ValueError(f'{folder} holds several COCO files, {coco[split].name} and '
                                 f'{path.name} among them; name the one to use')
            coco[split] = path
    if coco:
        return {split: LabelSet('COCO', partial(_read_coco, path))
                for split, path in coco.items()}
    return {split: LabelSet('labelme', partial(read_labelme, files))
            for split, files in labelme.items()}


def _read_coco(path: Path) -> Mapping[str, Any]:
    """Return the content of a COCO file with the places of its images."""
    content = read_json(path)
    finder = ImageFinder(path, str(content['images'][0].get('file_name')))
    images = [{**entry, 'file_name': str(finder.path(str(entry['file_name'])).resolve())}
              if entry.get('file_name') is not None else entry for entry in content['images']]
    return {**content, 'images': images}


def _split_of(names: Sequence[str]) -> str:
    """Return the split that one of the names tells, '' for none."""
    for name in names:
        for word in re.split(r'[-_.]', name.lower()):
            if word in WORDS:
                return WORDS[word]
    return ''
