"""
Average precision as the original's own evaluator computes it, for comparison with its prints.

It differs from COCO's (reference: Bolya's eval script; its readers see 0.1 to 0.3 points): only
images with objects and with detections count, tiny objects are left out, crowds excuse nothing,
and a class that is found but does not exist counts as 0. Use coco_ap for any claim.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from yolact_ros.evaluation.detections import Detection, masks_of
from yolact_ros.evaluation.ground_truth import GroundTruth, TrueObject
from yolact_ros.masks import greedy_matches, iou_matrix

THRESHOLDS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2).tolist())
SMALLEST_SHARE = 4 / 550    # of the image's width or height; smaller objects do not count
MOST_DETECTIONS = 100       # in an image, all classes together

# (class, threshold) -> list of (score, right or wrong), and -> number of true objects
Points = dict[tuple[int, float], list[tuple[float, bool]]]
Counts = dict[tuple[int, float], int]


def yolact_ap(truth: GroundTruth,
                detections: Sequence[Detection]) -> dict[str, dict[str, float]]:
    """
    Return {'box': ..., 'mask': ...}, each with 'all' and a value for every IoU threshold.

    :returns: values in [0, 1]; 0 when there is nothing to score.
    """
    found = defaultdict(list)
    for item in detections:
        found[item.image_id].append(item)
    true = defaultdict(list)
    for real in truth.objects:
        size = truth.sizes[real.image_id]
        if real.bbox[2] > SMALLEST_SHARE * size.width \
                and real.bbox[3] > SMALLEST_SHARE * size.height:
            true[real.image_id].append(real)
    result = {}
    for kind in ('box', 'mask'):
        points: Points = defaultdict(list)
        counts: Counts = defaultdict(int)
        for image_id in truth.sizes:
            if true[image_id] and found[image_id]:
                _score_image(true[image_id], found[image_id], kind,
                             truth.unlabelled.get(image_id, ()), points, counts)
        result[kind] = _summary(points, counts)
    return result


def interpolated_ap(points: Sequence[tuple[float, bool]], objects: int) -> float:
    """
    Return the mean over 101 recalls of the best precision at that recall or beyond.

    :param points: score and whether it is right, of each detection, in any order.
    :param objects: true objects that could be found.
    """
    if not objects or not points:
        return 0.0
    right = np.array([hit for _, hit in sorted(points, key=lambda point: -point[0])])
    recall = np.cumsum(right) / objects
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    rows = np.searchsorted(recall, np.arange(101) / 100, side='left')
    return float(np.append(envelope, 0.0)[rows].mean())


def _score_image(true: list[TrueObject], found: list[Detection], kind: str,
                 unlabelled: Sequence[int], points: Points, counts: Counts) -> None:
    """
    Match the detections of one image class by class; points and counts are modified.

    :param unlabelled: classes of which only what is right counts in this image.
    """
    found = sorted(found, key=lambda item: -item.score)[:MOST_DETECTIONS]
    if kind == 'mask':
        found = sorted(found, key=lambda item: -item.mask_score)
    real = [item for item in true if not item.crowd]
    overlaps = _overlaps(real, found, kind)
    for class_id in {item.class_id for item in real} | {item.class_id for item in found}:
        rows = [row for row, item in enumerate(found) if item.class_id == class_id]
        columns = [column for column, item in enumerate(real) if item.class_id == class_id]
        block = overlaps[np.ix_(rows, columns)]
        scores = [found[row].mask_score if kind == 'mask' else found[row].score for row in rows]
        for threshold in THRESHOLDS:
            # The original wants an overlap above the threshold, not at it.
            hits = greedy_matches(block, np.nextafter(threshold, 1)) >= 0
            counts[class_id, threshold] += len(columns)
            points[class_id, threshold] += [
                (score, hit) for score, hit in zip(scores, hits.tolist())
                if hit or class_id not in unlabelled]


def _overlaps(true: list[TrueObject], found: list[Detection], kind: str) -> np.ndarray:
    """Return the (found, true) IoU; boxes of detections are cut to whole pixels."""
    if not true or not found:
        return np.zeros((len(found), len(true)))
    if kind == 'mask':
        return iou_matrix(masks_of(found), [item.rle for item in true])
    boxes = np.array([item.bbox for item in found])
    corners = np.trunc(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1))
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    return iou_matrix(boxes, np.array([item.bbox for item in true]))


def _summary(points: Points, counts: Counts) -> dict[str, float]:
    """Return the mean over classes for each threshold, and the mean of these."""
    classes = sorted({class_id for class_id, threshold in counts
                      if counts[class_id, threshold] or points[class_id, threshold]})
    values = {f'{threshold:.2f}': float(np.mean([
        interpolated_ap(points[class_id, threshold], counts[class_id, threshold])
        for class_id in classes])) if classes else 0.0 for threshold in THRESHOLDS}
    return {'all': float(np.mean(list(values.values()))), **values}
