"""Masks as polygons in a COCO JSON, the form that labelling tools let people correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from yolact_ros.media.coco_results import category_ids
from yolact_ros.structures import Instances

TOLERANCE = 1.0  # [px]; how far a corner that is left out may lie beside the outline
FINENESS = 4      # outlines are followed on a grid this much finer, so that they enclose pixels


def mask_polygons(crop: np.ndarray, x0: int, y0: int) -> list[list[float]]:
    """
    Return the outlines of a mask's parts, holes filled; parts of less than 3 corners are left out.

    :param crop: (h, w) bool, its corner at (x0, y0) [px].
    :returns: [x1, y1, x2, y2, ...] each, edges of pixels as COCO counts them.
    """
    if not crop.any():
        return []
    fine = np.kron(crop.astype(np.uint8), np.ones((FINENESS, FINENESS), np.uint8))
    outlines, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = [cv2.approxPolyDP(line, TOLERANCE * FINENESS, True)[:, 0] for line in outlines]
    return [((part + 0.5) / FINENESS + (x0, y0)).round(2).ravel().tolist()
            for part in corners if len(part) >= 3]


def coco_categories(class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the categories of a COCO file."""
    return [{'id': number, 'name': name}
            for number, name in zip(category_ids(class_names), class_names)]


def coco_annotations(instances: Instances, image_id: int, first_id: int,
                     class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one annotation for every object that has an outline."""
    categories = category_ids(class_names)
    entries: list[dict[str, Any]] = []
    for row, crop in enumerate(instances.crops):
        x0, y0, x1, y1 = instances.rois[row].tolist()
        polygons = mask_polygons(crop, x0, y0)
        if polygons:
            entries.append({
                'id': first_id + len(entries), 'image_id': image_id,
                'category_id': categories[int(instances.class_ids[row])],
                'segmentation': polygons, 'bbox': [x0, y0, x1 - x0, y1 - y0],
                'area': int(np.count_nonzero(crop)), 'iscrowd': 0,
                'score': round(float(instances.scores[row]), 4)})
    return entries
