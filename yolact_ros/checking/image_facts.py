"""What there is to know of every image file: each is read once and remembered."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from yolact_ros.coded_images import JPEG_START, PNG_SIGNATURE, ImageError, decode_jpeg, decode_png
from yolact_ros.files import cache_dir, replace_file
from yolact_ros.media.headers import read_header
from yolact_ros.media.images import read_image, rgb_of, used_bits
from yolact_ros.media.near_duplicates import difference_hash

VERSION = 2  # of what is remembered
Progress = Callable[[Iterable], Iterable]


@dataclass(frozen=True)
class ImageFacts:
    """
    An image file.

    :param problem: why it cannot be read, '' where it can.
    :param height: [px] of the pixels as they are stored, 0 where it cannot be read.
    :param width: [px] likewise.
    :param orientation: of EXIF, 1 to 8.
    :param bits: that its values use, 8 for ordinary images.
    :param content: hash of the file.
    :param look: hexadecimal difference hash: alike images differ in few of its bits.
    :param leftover: whether bytes of a JPEG are left that no pixel took: it was garbled in the
        middle, or its camera fills it up.
    """

    problem: str = ''
    height: int = 0
    width: int = 0
    orientation: int = 1
    bits: int = 8
    content: str = ''
    look: str = ''
    leftover: bool = False


def read_facts(path: Path) -> ImageFacts:
    """Return the facts of one image; all of its pixels are decoded, strictly."""
    try:
        data = path.read_bytes()
        pixels, leftover = _decode(path, data)
        header = read_header(path)
    except (OSError, ValueError, cv2.error) as error:
        return ImageFacts(problem=' '.join(str(error).split()))
    look = np.packbits(difference_hash(rgb_of(pixels, str(path)))).tobytes().hex()
    return ImageFacts('', header.size.height, header.size.width, header.orientation,
                      used_bits(pixels), hashlib.sha1(data).hexdigest(), look, leftover)


def _decode(path: Path, data: bytes) -> tuple[np.ndarray, bool]:
    """
    Return the pixels as OpenCV does, or RGB, and whether bytes are left that no pixel took.

    :raises ValueError: for damage of any kind.
    """
    try:
        if data.startswith(JPEG_START):
            return decode_jpeg(data, leftover=False), False
        if data.startswith(PNG_SIGNATURE):
            return decode_png(data), False
    except ImageError as error:
        if error.cause == 'leftover':
            return decode_jpeg(data), True
        if error.cause != 'format':  # CMYK, which OpenCV reads
            raise
    return read_image(path), False


def read_all_facts(paths: Sequence[Path], name: str, progress: Progress = iter,
                   ) -> dict[Path, ImageFacts]:
    """
    Return the facts of all images; those of an earlier call hold while size and time stay.

    :param name: of the data set, under which they are remembered.
    :param progress: wraps the loop over what has to be read.
    """
    memory = cache_dir() / 'checked' / f'{hashlib.sha1(name.encode()).hexdigest()[:16]}.json'
    known = _load(memory)
    stamps = {path: _stamp(path) for path in dict.fromkeys(paths)}
    found = {path: ImageFacts(**known[str(path)]['facts']) for path, stamp in stamps.items()
             if known.get(str(path), {}).get('stamp') == stamp}
    missing = [path for path in stamps if path not in found]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path, facts in zip(missing, progress(pool.map(read_facts, missing))):
            found[path] = facts
    if missing:
        _save(memory, {str(path): {'stamp': stamps[path], 'facts': asdict(found[path])}
                       for path in stamps})
    return found


def _stamp(path: Path) -> list[int]:
    """Return size and time of a file, by which a change is noticed; [] where there is none."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _load(memory: Path) -> Mapping[str, dict]:
    """Return what is remembered, nothing where that cannot be read."""
    try:
        content = json.loads(memory.read_bytes())
        return content['images'] if content['version'] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save(memory: Path, images: Mapping[str, dict]) -> None:
    """Remember; a full or read-only disk only costs the next check its time."""
    try:
        replace_file(memory, json.dumps({'version': VERSION, 'images': images}).encode())
    except OSError:
        pass
