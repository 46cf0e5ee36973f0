"""Where the images of an annotation file lie, however a labelling tool wrote their names."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from yolact_ros.media.images import read_image
from yolact_ros.structures import ImageSize

MOST_FILES = 500_000  # looked through below the annotation file


class ImageFinder:
    """
    Finds the file of an image by its name in the annotations.

    First as it is written, then with the separators of this machine and without leading
    folders that only existed on the labeller's machine, at last the one file of that name below
    the folder of the annotations.

    :param annotations: the annotation file.
    :param first: a name in it, by which the folder is found.
    :param folder: of the images; None looks for one near the file.
    """

    def __init__(self, annotations: Path, first: str, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder else find_image_folder(annotations, first)
        self._given = folder is not None and str(folder) != ''
        self._annotations = annotations

    def path(self, file_name: str) -> Path:
        """Return where the image lies; where it should lie if there is none."""
        path = image_path(self.folder, file_name)
        if path.is_file():
            return path
        parts = [part for part in unquote(file_name).split('?d=')[-1].replace('\\', '/').split('/')
                 if part not in ('', '.', '..')]
        for start in range(len(parts)):
            tail = self.folder.joinpath(*parts[start:])
            if tail.is_file():
                return tail
        same_name = self._by_name.get(parts[-1], []) if parts else []
        return same_name[0] if len(same_name) == 1 else path

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """Return name -> files of that name in the folder, or below that of the annotations."""
        top = self.folder if self._given else self._annotations.parent
        if not self._given and top.name.lower() in ('annotations', 'labels'):
            top = top.parent
        found: dict[str, list[Path]] = {}
        count = 0
        for place, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith('.')]
            for name in names:
                found.setdefault(name, []).append(Path(place, name))
            count += len(names)
            if count > MOST_FILES:
                break
        return found


def find_image_folder(annotations: Path, file_name: str) -> Path:
    """Return the folder near an annotation file that holds the image, else the likeliest."""
    base = annotations.parent
    candidates = [base / 'images', base.parent / 'images', base, base.parent,
                  base.parent / annotations.stem.removeprefix('instances_')]
    for folder in candidates:
        if image_path(folder, file_name).is_file():
            return folder
    return candidates[1] if base.name == 'annotations' else candidates[0]


def image_path(folder: Path, file_name: str) -> Path:
    """
    Return where an image of the file lies.

    Windows writes its separators into names; COCO_train2014_0001.jpg may lie there as 0001.jpg.
    """
    names = [file_name, file_name.replace('\\', '/')]
    if file_name.startswith('COCO'):
        names.append(file_name.split('_')[-1])
    return next((folder / name for name in names if (folder / name).is_file()),
                folder / file_name)


def read_sized_image(path: Path, size: ImageSize, upright: bool = True) -> np.ndarray:
    """
    Return the (H, W, 3) uint8 RGB image in the size that its annotations are made for.

    :param upright: False for annotations that were made without the EXIF orientation.
    :raises OSError: when it cannot be opened.
    :raises ValueError: when it does not decode or has another size.
    """
    image = read_image(path, upright)
    wanted = size.height, size.width
    if image.shape[:2] == wanted[::-1] != wanted:
        # Labelling tools differ on whether they honour the EXIF orientation.
        image = read_image(path, not upright)
    if image.shape[:2] != wanted:
        raise ValueError(f'{path} is {image.shape[1]}x{image.shape[0]}, its annotations are for '
                         f'{size.width}x{size.height}; label it again or restore the labelled '
                         'picture')
    return image
