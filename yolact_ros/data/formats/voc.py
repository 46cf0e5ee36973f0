"""
Pascal VOC masks: SegmentationObject tells objects apart by colour, SegmentationClass classes.

As palette images of the original devkit, and as CVAT writes them (labelmap.txt).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolact_ros.coded_images import pure_png
from yolact_ros.data.formats.content import Content, images_below
from yolact_ros.files import read_text
from yolact_ros.masks import encode_mask
from yolact_ros.structures import ImageSize

PASCAL_NAMES = (
    'aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,'
    'person,pottedplant,sheep,sofa,train,tvmonitor'.split(','))
OBJECTS, CLASSES = 'SegmentationObject', 'SegmentationClass'
VOID = 255  # index of the ring around objects, which belongs to nothing


def find_voc(folder: Path) -> Path | None:
    """Return the folder with the masks: this one or one not far below; None without."""
    for pattern in ('', '*/', '*/*/'):
        for found in sorted(folder.glob(pattern + OBJECTS)):
            if (found.parent / CLASSES).is_dir():
                return found.parent
    return None


def voc_splits(root: Path) -> dict[str, list[str]]:
    """Return split -> names of images; all are one split '' where no lists are."""
    lists = {name: root / 'ImageSets' / 'Segmentation' / f'{name}.txt'
             for name in ('train', 'val', 'test')}
    found = {name: read_text(path).split() for name, path in lists.items()
             if path.is_file()}
    masks = {path.stem for path in (root / OBJECTS).glob('*.png')}
    splits = {name: [stem for stem in stems if stem in masks] for name, stems in found.items()}
    return {name: stems for name, stems in splits.items() if stems} or {'': sorted(masks)}


def read_voc(root: Path, stems: list[str]) -> Mapping[str, Any]:
    """
    Return the content of a COCO file from masks.

    :raises FileNotFoundError: when an image is missing.
    :raises ValueError: when masks cannot be read or have other sizes than their images.
    """
    colours = _colours_of_classes(root)
    content = Content(tuple(colours))
    images = {path.stem: path for path in images_below(root)
              if path.parent.name not in (OBJECTS, CLASSES)}
    for stem in stems:
        if stem not in images:
            raise FileNotFoundError(f'{root / OBJECTS / stem}.png has no picture of that name in '
                                    f'{root}; put it into JPEGImages')
        objects, classes = (_indices(root / kind / f'{stem}.png') for kind in (OBJECTS, CLASSES))
        if objects.shape != classes.shape:
            raise ValueError(f'the masks of {stem} in {root} differ in size')
        image_id = content.add_image(images[stem], ImageSize(*objects.shape))
        for number, class_id, mask in _objects(objects, classes, list(colours.values())):
            name = f'{stem}.png#{number}'
            if class_id is None:
                content.leave_out(name, image_id, 'its colour in SegmentationClass is no class')
            else:
                content.add_object(name, image_id, class_id, segmentation=encode_mask(mask))
    return content.as_coco()


def _objects(objects: np.ndarray, classes: np.ndarray,
             colours: list[int]) -> Iterator[tuple[int, int | None, np.ndarray]]:
    """Yield number, class id and mask of each object; the most frequent colour is the class."""
    numbers = [value for value in np.unique(objects).tolist() if value not in (0, VOID_COLOUR)]
    for number, value in enumerate(numbers, start=1):
        mask = objects == value
        under = classes[mask]
        under = under[(under != 0) & (under != VOID_COLOUR)]
        found, counts = np.unique(under, return_counts=True)
        colour = int(found[counts.argmax()]) if len(found) else 0
        yield number, colours.index(colour) if colour in colours else None, mask


def _indices(path: Path) -> np.ndarray:
    """
    Return (H, W) int32 colours of a mask as one number; grey ones are indices of the palette.

    :raises ValueError: when it cannot be read.
    """
    try:
        data = np.frombuffer(pure_png(path.read_bytes()), np.uint8)
    except (OSError, ValueError) as error:
        raise ValueError(f'mask {path} cannot be read; export it again') from error
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8:
        raise ValueError(f'mask {path} cannot be read as 8 bits; export it again')
    if pixels.ndim == 2:  # stored as indices without palette
        return np.array([_palette_colour(index) for index in range(256)])[pixels]
    blue, green, red = (pixels[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


def _palette_colour(index: int) -> int:
    """Return the colour of an index in Pascal VOC's palette: its bits dealt out to R, G, B."""
    colour = 0
    for place in range(8):
        for channel in range(3):
            bit = index >> (3 * place + channel) & 1
            colour |= bit << (8 * (2 - channel) + 7 - place)
    return colour


VOID_COLOUR = _palette_colour(VOID)


def _colours_of_classes(root: Path) -> dict[str, int]:
    """Return class name -> colour, from labelmap.txt where there is one."""
    labelmap = next((path for path in (root / 'labelmap.txt', root.parent / 'labelmap.txt')
                     if path.is_file()), None)
    if labelmap is None:
        return {name: _palette_colour(number)
                for number, name in enumerate(PASCAL_NAMES, start=1)}
    colours = {}
    for line in read_text(labelmap).splitlines():
        name, _, rest = line.partition(':')
        parts = rest.split(':')[0].split(',')
        if line.startswith('#') or len(parts) != 3 or name == 'background':
            continue
        try:
            red, green, blue = map(int, parts)
        except ValueError as error:
            raise ValueError(f'{labelmap}: a colour is three numbers, got {line!r}') from error
        colours[name] = red << 16 | green << 8 | blue
    return colours
