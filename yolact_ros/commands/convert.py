"""`yolact convert`: labels of any tool as one plain COCO JSON."""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yolact_ros.data.bookkeeping import Bookkeeping
from yolact_ros.data.classes import (
    UNLABELLED,
    ClassChoice,
    match_categories,
    parse_classes,
    unlabelled_classes,
)
from yolact_ros.data.coco_file import read_image_entries, read_objects
from yolact_ros.data.formats.labels import NOTES, find_label_sets, read_labels
from yolact_ros.files import replace_file

EXAMPLES = """
examples:
  yolact convert labelme_folder/ labels.json
  yolact convert yolo/data.yaml labels.json      # labels.train.json and labels.val.json
  yolact convert export.json clean.json --classes cup mug=cup
  yolact convert round_1/ round_2/ both.json     # a class that one of them does not have is
                                                 # neither asked for nor background in its pictures

IN is a COCO JSON, data.yaml of YOLO, or a folder: YOLO, labelme, Pascal VOC masks, or COCO as
CVAT, Label Studio or Roboflow export it. What cannot be used is left out and named.
"""
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument('sources', metavar='IN', type=Path, nargs='+',
                        help='labels of any tool; several are joined')
    parser.add_argument('output', metavar='OUT.json', type=Path,
                        help='COCO file to write')
    parser.add_argument('--images', metavar='DIR', help='folder of the pictures, of all IN')
    parser.add_argument('--classes', nargs='+', default=(), metavar='NAME|OLD=NEW',
                        help='classes to keep, or to keep under another name (default: all)')


def run(args: argparse.Namespace) -> int:
    """Write the files; return the exit code."""
    if args.output.suffix.lower() != '.json':
        raise ValueError(f'{args.output} must end in .json; a COCO file is written')
    for source in args.sources:
        if source.exists() and args.output.exists() and source.samefile(args.output):
            raise ValueError(f'{args.output} is the source itself; choose another name')
    choice = parse_classes(args.classes)
    for split, sources in _parts(args.sources).items():
        path = args.output.with_suffix(f'.{split}.json') if split else args.output
        content = _join([_convert(read_labels(source, split), source, args.images, choice,
                                  path.parent) for source in sources])
        replace_file(path, json.dumps(content).encode())
        print(f'{len(content["images"])} pictures, {len(content["annotations"])} objects, '
              f'{len(content["categories"])} classes -> {path}')
    return 0


def _convert(content: Mapping[str, Any], source: Path, folder: str | None, choice: ClassChoice,
             place: Path) -> dict[str, Any]:
    """Return the content of a plain COCO file that lies in place; log what is left out."""
    book = Bookkeeping()
    class_of, names = match_categories(content, source, choice)
    entries = read_image_entries(content, source, folder)
    sizes = {key: entry.size for key, entry in entries.items()}
    polygons = _polygons_by_id(content['annotations'])
    numbers = {key: number for number, key in enumerate(entries, start=1)}
    annotations = [
        {'id': number, 'image_id': numbers[item.image_id], 'category_id': item.class_id + 1,
         'iscrowd': int(item.crowd), 'bbox': list(item.bbox), 'area': item.area,
         'segmentation': dict(item.rle) if item.crowd else polygons.get(name, dict(item.rle))}
        for number, (name, item) in enumerate(
            read_objects(content, source, sizes, class_of, book), start=1)]
    for line in (*content.get(NOTES, ()), *book.lines()):
        logger.info('%s', line)
    images = {key: {'id': numbers[key], 'file_name': _relative(entry.path, place),
                    'height': entry.size.height, 'width': entry.size.width}
              for key, entry in entries.items()}
    for key, classes in unlabelled_classes(content, source, class_of).items():
        images[key][UNLABELLED] = [class_id + 1 for class_id in classes]
    return {'images': list(images.values()),
            'annotations': annotations,
            'categories': [{'id': number, 'name': name}
                           for number, name in enumerate(names, start=1)]}


def _parts(sources: Sequence[Path]) -> dict[str, list[Path]]:
    """
    Return part -> sources that have it, one file each; '' is the whole.

    A source without parts goes to 'train' where another one has some.
    """
    splits = {source: [''] if _is_json(source) or not source.exists() else
              sorted(find_label_sets(source)) for source in sources}
    whole = 'train' if any('' not in names for names in splits.values()) else ''
    parts: dict[str, list[Path]] = {}
    for source, names in splits.items():
        for name in names:
            parts.setdefault(name or whole, []).append(source)
    return parts


def _is_json(source: Path) -> bool:
    """Return whether this is one COCO file."""
    return source.is_file() and source.suffix.lower() == '.json'


def _join(contents: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """
    Return one plain COCO content of all, their classes joined by name.

    Images of a content that does not have a class are listed as not labelled for it.
    """
    if len(contents) == 1:
        return contents[0]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names = dict.fromkeys(category['name'] for content in contents
                          for category in content['categories'])
    ids = {name: number for number, name in enumerate(names, start=1)}
    for content in contents:
        new_id = {category['id']: ids[category['name']] for category in content['categories']}
        absent = set(ids.values()) - set(new_id.values())
        first_image, first_annotation = len(images), len(annotations)
        for image in content['images']:
            unlabelled = absent | {new_id[old] for old in image.get(UNLABELLED, ())}
            images.append({**image, 'id': image['id'] + first_image}
                          | ({UNLABELLED: sorted(unlabelled)} if unlabelled else {}))
        annotations += [{**item, 'id': item['id'] + first_annotation,
                         'image_id': item['image_id'] + first_image,
                         'category_id': new_id[item['category_id']]}
                        for item in content['annotations']]
    return {'images': images, 'annotations': annotations,
            'categories': [{'id': number, 'name': name} for name, number in ids.items()]}


def _polygons_by_id(annotations: Sequence[Mapping[str, Any]]) -> dict[Any, list]:
    """Return annotation id -> polygons, of those that have plain ones and an id of their own."""
    named = [annotation for annotation in annotations
             if isinstance(annotation.get('id'), (int, float, str))]
    ids = Counter(annotation['id'] for annotation in named)
    return {annotation['id']: annotation['segmentation'] for annotation in named
            if ids[annotation['id']] == 1 and _are_polygons(annotation.get('segmentation'))}


def _are_polygons(segmentation: Any) -> bool:
    """Return whether these are lists x0, y0, x1, y1, ... of at least three points."""
    return isinstance(segmentation, list) and bool(segmentation) and all(
        isinstance(part, list) and len(part) >= 6
        and all(isinstance(value, (int, float)) for value in part) for part in segmentation)


def _relative(image: Path, folder: Path) -> str:
    """Return the name of an image as seen from the file's folder."""
    return Path(os.path.relpath(image.resolve(), folder.resolve())).as_posix()
