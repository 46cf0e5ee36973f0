"""Large photos brought once to a size that a training can read quickly."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from yolact_ros.data.coco import CocoDataset, CocoImage, CocoObject
from yolact_ros.data.image_files import read_sized_image
from yolact_ros.files import can_write_image, replace_file, write_image
from yolact_ros.masks import decode_mask, encode_mask, rle_area
from yolact_ros.structures import ImageSize

Progress = Callable[[Iterable], Iterable]
WORTH = 1.25  # times as large as wanted: less is not worth a copy


def shrink_large(data: CocoDataset, side: int, folder: Path, progress: Progress = iter) -> int:
    """
    Replace large images of a data set (modified) by smaller copies; return how many.

    Augmentation works on whole images, so that a photo of 24 million pixels costs seconds at
    every step. Copies that are there already are taken as they are.

    :param side: longest side [px] that images a quarter larger or more are brought to.
    :param folder: where copies of images and masks are kept.
    """
    large = [index for index, record in enumerate(data.records)
             if max(record.size.height, record.size.width) > WORTH * side]
    if not large:
        return 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = pool.map(partial(_shrink, side=side, folder=folder),
                        [data.records[index] for index in large])
        for index, record in zip(large, progress(made)):
            data.records[index] = record
    return len(large)


def _shrink(record: CocoImage, side: int, folder: Path) -> CocoImage:
    """Return an image and its objects at most side large; files are made where missing."""
    scale = side / max(record.size.height, record.size.width)
    size = ImageSize(max(round(record.size.height * scale), 1),
                     max(round(record.size.width * scale), 1))
    place = folder / _key(record, side)
    name = record.path.name if can_write_image(record.path) else f'{record.path.name}.png'
    if not (place / name).is_file() or not (place / 'masks.json').is_file():
        place.mkdir(parents=True, exist_ok=True)
        image = read_sized_image(record.path, record.size, record.upright)
        masks = [encode_mask(_smaller(decode_mask(item.truth.rle), size))
                 for item in record.objects]
        replace_file(place / 'masks.json', json.dumps(masks).encode())
        write_image(place / name, cv2.resize(image, (size.width, size.height),
                                             interpolation=cv2.INTER_AREA))
    masks = json.loads((place / 'masks.json').read_bytes())
    scales = size.width / record.size.width, size.height / record.size.height
    objects = [_moved(item, rle, scales) for item, rle in zip(record.objects, masks)
               if rle_area(rle)]
    return CocoImage(place / name, size, objects)


def _smaller(mask: np.ndarray, size: ImageSize) -> np.ndarray:
    """Return the pixels of which at least half belong to the object."""
    return cv2.resize(mask * np.uint8(255), (size.width, size.height),
                      interpolation=cv2.INTER_AREA) >= 128


def _moved(item: CocoObject, rle: dict, scales: tuple[float, float]) -> CocoObject:
    """Return an object with its box in the smaller image."""
    x0, y0, x1, y1 = (value * scale for value, scale in zip(item.box, scales * 2))
    return replace(item, box=(x0, y0, x1, y1), truth=replace(
        item.truth, bbox=(x0, y0, x1 - x0, y1 - y0), rle=rle, area=float(rle_area(rle))))


def _key(record: CocoImage, side: int) -> str:
    """Return a name that changes with the file and its labels."""
    status = record.path.stat()
    labels = [(item.box, item.truth.class_id, item.truth.rle['counts'])
              for item in record.objects]
    told = (status.st_size, status.st_mtime_ns, record.upright, side, labels)
    return hashlib.sha1(repr((str(record.path), told)).encode()).hexdigest()[:16]
