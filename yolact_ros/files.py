"""Files that are whole or not there at all, written under another name; text of any machine."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

BLOCK = 1 << 20  # [bytes] of a large file that are looked at at once
MOST_VALUES = 1_000_000  # of a YAML file; a list of photos may be one
LONGEST_NAME = 80  # file systems take 255 bytes, a letter may need three


def cache_dir() -> Path:
    """Return the folder of what can be fetched or computed again; it may not exist yet."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'yolact_ros'


def temporary_name(path: Path) -> Path:
    """Return a hidden name beside the path; it keeps the ending, by which writers go."""
    return path.with_name(f'.{path.stem}.part-{os.getpid()}{path.suffix}')


def plain_name(text: str) -> str:
    """Return text from a data set as a part of a file name: it cannot lead to another folder."""
    return re.sub(r'[^\w-]+', '_', text)[:LONGEST_NAME]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """
    Yield a temporary name to write to; it takes the path's place when the block succeeds.

    An exception removes the temporary file and leaves an older file of that name as it was.
    """
    part = temporary_name(path)
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def replace_file(path: str | Path, content: bytes) -> None:
    """
    Write a file whole, or leave the one of that name untouched; folders are made.

    :raises OSError: when it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(content)


def read_text(path: Path) -> str:
    """
    Return the text of a file in UTF-8, or in UTF-16 with a mark in front as Windows writes it.

    :raises OSError: when it cannot be opened.
    :raises ValueError: when it is in another encoding, with its name.
    """
    data = path.read_bytes()
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode('utf-16' if utf_16 else 'utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is no text in UTF-8 ({error}); save it as UTF-8') from error


def check_unfolded(tree: object, path: Path) -> None:
    """
    Refuse what aliases of YAML unfold to more values than anybody writes down.

    :raises ValueError: naming the file.
    """
    waiting, count = [tree], 0
    while waiting:
        item = waiting.pop()
        count += 1
        waiting += item.values() if isinstance(item, dict) else item if isinstance(
            item, list) else ()
        if count > MOST_VALUES:
            raise ValueError(f'{path} unfolds to more than {MOST_VALUES} values by its aliases '
                             '(*name); write them out')


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def make_folder(folder: Path) -> None:
    """
    Make a folder for output and check that files can be written there.

    :raises OSError: naming the folder and the cure.
    """
    probe = folder / f'.yolact-{os.getpid()}'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        raise OSError(f'cannot write to folder {str(folder)!r} ({error.strerror}); choose '
                      'another, or change its permissions') from error
    finally:
        if os.access(probe, os.F_OK):
            probe.unlink()


def check_image_suffix(path: Path) -> None:
    """
    Check that a colour image can be written under this name.

    :raises ValueError: when OpenCV has no writer for the ending.
    """
    if not can_write_image(path):
        raise ValueError(f'a picture cannot be written as {path.name!r}; wanted a name that ends '
                         'in .jpg .png .bmp .webp or .tif')


def can_write_image(path: Path) -> bool:
    """Return whether OpenCV writes 8-bit colour images with this ending."""
    greyscale_or_float = ('.pgm', '.pbm', '.exr', '.hdr', '.pic')
    return (bool(path.suffix) and path.suffix.lower() not in greyscale_or_float
            and cv2.haveImageWriter(path.name))


def write_image(path: Path, image: np.ndarray) -> None:
    """
    Write an image in the format of the path's ending.

    :param image: (H, W, 3) uint8 RGB or (H, W, 4) uint8 RGBA.
    :raises OSError: when it cannot be written.
    :raises ValueError: when the format has no such images.
    """
    code = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    height, width = image.shape[:2]
    try:
        done, data = cv2.imencode(path.suffix, cv2.cvtColor(image, code))
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f'a {width}x{height} px picture cannot be written as {path.name!r}; '
                         'choose .png')
    with replacing(path) as part:
        part.write_bytes(data.tobytes())
