"""COCO's average precision by pycocotools, without its prints and files."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolact_ros.evaluation.detections import Detection
from yolact_ros.evaluation.ground_truth import GroundTruth
from yolact_ros.masks import encode_mask, rle_area

METRICS = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl',
           'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl')
ALL_AREAS, MOST_DETECTIONS = 0, -1   # rows of pycocotools' arrays
COCO_LIMIT = 100


@dataclass(frozen=True, eq=False)
class ClassAp:
    """The scores of one class; -1 where the truth has no object of it."""

    name: str
    instances: int
    ap: float
    ap50: float
    ap75: float
    ar100: float


@dataclass(frozen=True, eq=False)
class ApSummary:
    """
    COCO's twelve numbers for boxes or for masks, and what they are made of.

    :param values: METRICS -> value in [0, 1]; -1 where the truth has no such object. What is
        named after 100 detections is of counted_detections.
    :param per_class: in the order of class ids.
    :param precision: (10, 101, C) precision at IoU 0.5 to 0.95 and recall 0 to 1; -1 for classes
        without objects.
    """

    values: dict[str, float]
    per_class: tuple[ClassAp, ...]
    precision: np.ndarray


def coco_ap(truth: GroundTruth, detections: Sequence[Detection], kind: str) -> ApSummary:
    """
    Return the average precision of boxes ('bbox') or masks ('segm').

    Boxes are ranked by class scores, masks by re-scored ones; of a class in an image at most
    counted_detections count.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_index(truth, _truth_entries(truth)),
                              _index(truth, _found_entries(detections, kind)), kind)
        evaluation.params.maxDets = [1, 10, counted_detections(truth)]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # Precision is (T, R, K, A, M), recall (T, K, A, M).
    precision = evaluation.eval['precision'][:, :, :, ALL_AREAS, MOST_DETECTIONS]
    recall = evaluation.eval['recall'][:, :, ALL_AREAS, MOST_DETECTIONS]
    counts = np.bincount([item.class_id for item in truth.objects if not item.crowd],
                         minlength=len(truth.class_names))
    per_class = tuple(
        ClassAp(name, int(counts[index]), _mean(precision[:, :, index]),
                _mean(precision[0, :, index]), _mean(precision[5, :, index]),
                _mean(recall[:, index]))
        for index, name in enumerate(truth.class_names))
    # pycocotools looks for the first number at 100 detections and nowhere else.
    values = {**dict(zip(METRICS, map(float, evaluation.stats))), 'AP': _mean(precision)}
    return ApSummary(values, per_class, precision)


def counted_detections(truth: GroundTruth) -> int:
    """
    Return how many detections of a class count in an image.

    100 as in COCO, whose images hold fewer objects of a class; more where some image does, since
    they could not all be found otherwise.
    """
    counts = Counter((item.image_id, item.class_id) for item in truth.objects if not item.crowd)
    return max(COCO_LIMIT, *counts.values(), 0)


def _index(truth: GroundTruth, annotations: list[dict]) -> COCO:
    """Return pycocotools' index of the annotations, numbered from 1 (it mistakes id 0)."""
    index = COCO()
    index.dataset = {
        'images': [{'id': image_id, 'height': size.height, 'width': size.width}
                   for image_id, size in truth.sizes.items()],
        'categories': [{'id': class_id, 'name': name}
                       for class_id, name in enumerate(truth.class_names)],
        'annotations': [{'id': number, **entry}
                        for number, entry in enumerate(annotations, start=1)]}
    index.createIndex()
    return index


def _truth_entries(truth: GroundTruth) -> list[dict]:
    """Return the true objects as pycocotools wants them."""
    return [{'image_id': item.image_id, 'category_id': item.class_id, 'bbox': list(item.bbox),
             'segmentation': item.rle, 'area': item.area, 'iscrowd': int(item.crowd)}
            for item in truth.objects] + _unlabelled_entries(truth)


def _unlabelled_entries(truth: GroundTruth) -> list[dict]:
    """
    Return a crowd all over each image for each class that it is not labelled for.

    What is found there is matched with true objects first, and ignored where it matches none. The
    box is larger than the image because found ones may hang over its border.
    """
    entries = []
    for image_id in truth.sizes:
        size, classes = truth.sizes[image_id], truth.unlabelled.get(image_id, ())
        everywhere = encode_mask(np.ones((size.height, size.width), np.uint8)) if classes else None
        box = [-size.width, -size.height, 3 * size.width, 3 * size.height]
        entries += [{'image_id': image_id, 'category_id': class_id, 'bbox': box,
                     'segmentation': everywhere, 'area': 0.0, 'iscrowd': 1}
                    for class_id in classes]
    return entries


def _found_entries(detections: Sequence[Detection], kind: str) -> list[dict]:
    """Return the detections as pycocotools wants them; a mask is as large as its pixels."""
    entries = []
    for item in detections:
        entry: dict[str, Any] = {'image_id': item.image_id, 'category_id': item.class_id,
                                 'iscrowd': 0}
        if kind == 'bbox' and item.bbox is not None:
            entries.append({**entry, 'score': item.score, 'bbox': list(item.bbox),
                            'area': item.bbox[2] * item.bbox[3]})
        elif kind == 'segm' and item.rle is not None:
            entries.append({**entry, 'score': item.mask_score, 'segmentation': item.rle,
                            'area': float(rle_area(item.rle))})
    return entries


def _mean(values: np.ndarray) -> float:
    """Return the mean of what is measured, -1 when nothing is."""
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else -1.0
