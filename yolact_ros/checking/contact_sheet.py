"""A sheet of small pictures with their masks: what one looks at before a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.sample import Sample
from yolact_ros.data.truth import truth_instances
from yolact_ros.files import write_image
from yolact_ros.overlay import OverlayStyle, color_by_of, draw_instances

CELL = 320     # [px] longer side of a picture on the sheet
COLUMNS = 4
STYLE = OverlayStyle(alpha=0.4, boxes=False)


def write_contact_sheet(path: Path, data: CocoDataset, most: int = 24) -> int:
    """
    Write images of a data set, evenly spread, with their masks drawn; return how many.

    :param path: ends in .png or .jpg.
    """
    indices = np.linspace(0, len(data) - 1, min(most, len(data))).round().astype(int).tolist()
    cells = [_cell(data.sample(index), data.class_names) for index in indices]
    columns = min(COLUMNS, len(cells))
    rows = [_row(cells[start:start + columns], columns)
            for start in range(0, len(cells), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.vstack(rows))
    return len(cells)


def _row(cells: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Return cells side by side on white, as high as the highest."""
    row = np.full((max(len(cell) for cell in cells), columns * CELL, 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        row[:cell.shape[0], number * CELL:number * CELL + cell.shape[1]] = cell
    return row


def _cell(sample: Sample, class_names: Sequence[str]) -> np.ndarray:
    """Return (h, w, 3) the image with its masks, CELL on its longer side."""
    height, width = sample.image.shape[:2]
    scale = CELL / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    masks = np.array([cv2.resize(mask, size) for mask in sample.masks], np.uint8)
    small = replace(sample, image=image, masks=masks.reshape(-1, *image.shape[:2]),
                    boxes=sample.boxes * (np.array(size * 2) / (width, height, width, height)))
    return draw_instances(image, truth_instances(small), class_names,
                          replace(STYLE, color_by=color_by_of(class_names)))
