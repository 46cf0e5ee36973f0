"""Every object as an image of its own, transparent where it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yolact_ros.files import plain_name, write_image
from yolact_ros.structures import Instances


class CropFolder:
    """
    A folder of RGBA PNGs, named image_rank_class_score.png.

    :param folder: must exist.
    :param class_names: the model's classes.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self._folder = folder
        self._class_names = class_names

    def add(self, stem: str, rgb: np.ndarray, instances: Instances) -> None:
        """Write the objects of one image; those without mask pixels are left out."""
        for row, (crop, class_id) in enumerate(zip(instances.crops, instances.class_ids.tolist())):
            if not crop.any():
                continue
            name = plain_name(self._class_names[class_id])
            score = float(instances.scores[row])
            write_image(self._folder / f'{stem}_{row + 1:03d}_{name}_{score:.2f}.png',
                          rgba_crop(rgb, instances, row))


def rgba_crop(rgb: np.ndarray, instances: Instances, row: int) -> np.ndarray:
    """Return (h, w, 4) uint8 RGBA, the part of the image under one mask's roi."""
    x0, y0, x1, y1 = instances.rois[row].tolist()
    alpha = instances.crops[row].astype(np.uint8)[..., None] * np.uint8(255)
    return np.concatenate([rgb[y0:y1, x0:x1], alpha], axis=2)


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """Return a name for every image: its stem, or the whole name where stems repeat."""
    counts = Counter(path.stem for path in paths)
    return [path.stem if counts[path.stem] == 1 else path.name for path in paths]
