"""The images by which `yolact quantize` finds the range of every layer's numbers."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from yolact_ros.data.datasets import open_dataset
from yolact_ros.media.images import list_images, read_image
from yolact_ros.structures import InputSize

FEW_IMAGES = 20

logger = logging.getLogger(__name__)


def calibration_images(args: argparse.Namespace, size: InputSize) -> list[np.ndarray]:
    """
    Return the images of --images or --data, at most --count, evenly spread.

    :param size: of the network's input, which synthetic scenes get [px].
    :raises FileNotFoundError: when the folder or the data set is missing.
    :raises ValueError: when there is no image that can be read.
    """
    found = _from_folder(args.images, args.count) if args.images else \
        _from_data(args.data, args.count, size)
    plain = sum(int(image.min()) == int(image.max()) for image in found)
    if plain:
        logger.warning('%d of %d calibration pictures are of one colour and say nothing about '
                       'the numbers that the network will meet; give pictures like those that '
                       'the camera will send', plain, len(found))
    if len(found) < FEW_IMAGES:
        logger.warning('only %d calibration pictures; with 100 to 300 different ones the numbers '
                       'that the network will meet are known better', len(found))
    return found


def _from_folder(folder: Path, count: int) -> list[np.ndarray]:
    """Return images of a folder; those that cannot be read are named and left out."""
    if not folder.is_dir():
        raise FileNotFoundError(f'folder {str(folder)!r} not found; give --images a folder of '
                                'pictures like those that the camera will send')
    paths = list_images(folder)
    found = []
    for index in _spread(len(paths), count):
        try:
            found.append(read_image(paths[index]))
        except (OSError, ValueError) as error:
            logger.warning('left out: %s', error)
    if not found:
        raise ValueError(f'none of the pictures tried in {str(folder)!r} can be read; give '
                         '--images another folder')
    return found


def _from_data(data: str, count: int, size: InputSize) -> list[np.ndarray]:
    """Return images of a COCO file, or new synthetic scenes."""
    source = open_dataset(data, scenes=count, size=size)
    return [source.sample(index, np.random.default_rng((7, index))).image
            for index in _spread(len(source), count)]


def _spread(length: int, count: int) -> list[int]:
    """Return at most count indices, evenly spread over the length."""
    return np.linspace(0, length - 1, min(length, count)).round().astype(int).tolist()
