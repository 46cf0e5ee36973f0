"""Photos to measure on, taken out of the one data set there is: `--val 0.2`."""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yolact_ros.data.classes import UNLABELLED
from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.formats.labels import has_split
from yolact_ros.data.sample import SampleSource
from yolact_ros.files import replace_file


def split_share(val: str) -> float | None:
    """Return the share that a configuration's val asks for, None where it names data."""
    try:
        share = float(val)
    except ValueError:
        return None
    if not 0 < share < 1:
        raise ValueError(f'--val as a share must be between 0 and 1, got {val}')
    return share


def choose_val(train: str | Path, val: str) -> tuple[float | None, str]:
    """
    Return the share of the data to measure on, None for none, and else the data to measure on.

    A part val of the data's own comes before a share of it.

    :param val: data, a share, or empty.
    """
    share = split_share(val)
    if share is None and val:
        return None, val
    own = str(train) if has_split(train, 'val') else ''
    return (None, own) if own else (share, '')


def split(source: SampleSource, share: float, seed: int, series: Sequence[int] = (),
          ) -> tuple[CocoDataset, CocoDataset]:
    """
    Return the data set in two: what to learn from, and a share of the photos to measure on.

    The same seed and photos give the same split. A class in two series or more is on both
    sides; one in a single series is learnt.

    :param series: see choose.
    :raises ValueError: when there are no photos to split.
    """
    if not isinstance(source, CocoDataset):
        raise ValueError('--val as a share takes photos out of a COCO data set; for scenes made '
                         'on demand give --val synthetic:easy')
    if len(source) < 2:
        raise ValueError('a data set of one photo cannot be split; add photos')
    classes = [{item.truth.class_id for item in record.objects if not item.truth.crowd}
               for record in source.records]
    measured = choose(classes, max(round(share * len(source)), 1), seed,
                      series)
    if not measured:
        raise ValueError('the photos cannot be split: each has a class that no other one has; '
                         'add photos')
    train, val = copy.copy(source), copy.copy(source)
    train.records = [record for index, record in enumerate(source.records)
                     if index not in measured]
    val.records = [source.records[index] for index in sorted(measured)]
    val.report = None  # type: ignore[assignment]  # that of the whole is shown with the other
    return train, val


def write_part(path: Path, part: CocoDataset) -> None:
    """
    Write one side of a split as a COCO file of its own, so that it can be measured on again.

    Names of images are as seen from the file's folder; ignored regions become crowds.
    """
    images, annotations = [], []
    for number, record in enumerate(part.records, start=1):
        name = os.path.relpath(record.path.resolve(), path.parent.resolve())
        images.append({'id': number, 'file_name': Path(name).as_posix(),
                       'height': record.size.height, 'width': record.size.width,
                       UNLABELLED: [class_id + 1 for class_id in record.unlabelled]})
        annotations += [{'image_id': number, 'category_id': item.truth.class_id + 1,
                         'iscrowd': int(item.truth.crowd), 'bbox': list(item.truth.bbox),
                         'area': item.truth.area, 'segmentation': dict(item.truth.rle)}
                        for item in record.objects]
    categories = [{'id': number, 'name': name}
                  for number, name in enumerate(part.class_names, start=1)]
    replace_file(path, json.dumps({
        'images': images, 'categories': categories,
        'annotations': [{'id': number, **annotation}
                        for number, annotation in enumerate(annotations, start=1)]}).encode())


def choose(classes: Sequence[set[int]], count: int, seed: int,
           series: Sequence[int] = ()) -> set[int]:
    """
    Return the indices of about count photos, with every class on both sides where possible.

    Photos of a series are hardly new after one another, so they stay together; a series of more
    than count photos is cut into runs of neighbours.

    :param classes: of each photo.
    :param series: a number for each photo, the same for those of a series; () for none.
    """
    numbers = np.array(series or range(len(classes)))
    runs = [run.tolist() for number in dict.fromkeys(numbers.tolist())
            for rows in [np.flatnonzero(numbers == number)]
            for run in np.array_split(rows, -(-len(rows) // count))]
    for groups in (runs, [[index] for index in range(len(classes))]):
        chosen = _choose_groups([set().union(*(classes[index] for index in group))
                                 for group in groups], list(map(len, groups)), count, seed)
        if chosen:
            return {index for group in chosen for index in groups[group]}
    return set()


def _choose_groups(classes: Sequence[set[int]], sizes: Sequence[int], count: int,
                   seed: int) -> set[int]:
    """Return the indices of groups of photos with about count photos: those of rare classes."""
    left = Counter(class_id for group in classes for class_id in group)
    order = np.random.default_rng((seed, 3)).permutation(len(classes)).tolist()
    chosen: set[int] = set()

    def take(index: int) -> None:
        """Move a group over unless too little would be left to learn from."""
        taken = sizes[index] + sum(sizes[group] for group in chosen)
        if index not in chosen and all(left[class_id] > 1 for class_id in classes[index]) \
                and taken < sum(sizes) and taken <= max(count, sum(sizes) / 2):
            chosen.add(index)
            left.subtract(classes[index])

    for class_id in sorted(left, key=lambda number: (left[number], number)):  # rare ones first
        for index in order:
            if any(class_id in classes[group] for group in chosen):
                break
            if class_id in classes[index]:
                take(index)
    for index in order:
        if sizes[index] + sum(sizes[group] for group in chosen) <= count:
            take(index)
    return chosen
