"""Measurements during a training: AP of the present weights, pictures to look at."""

from __future__ import annotations

import contextlib
import copy
import io
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle_codec
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolact_ros.config import PostprocessConfig
from yolact_ros.inference.backends import TorchBackend
from yolact_ros.inference.predictor import Predictor
from yolact_ros.model.yolact import Yolact
from yolact_ros.overlay import draw_instances
from yolact_ros.structures import ImageSize, Instances
from yolact_ros.training.augment import boxes_of_masks
from yolact_ros.training.sample import Sample, SampleSource

# What COCO evaluation wants: everything, however unlikely.
EVERYTHING = PostprocessConfig(score_threshold=0.0)
SHOWN_SCORE = 0.3


def measure_ap(model: Yolact, source: SampleSource, most: int = 0) -> dict[str, float]:
    """
    Return box and mask AP and AP50 as COCO defines them.

    :param model: left as it is, except for training mode.
    :param most: pictures to use, evenly spread; 0 for all.
    """
    predictor = open_copy(model, EVERYTHING)
    truth = {'images': [], 'annotations': [], 'categories': [
        {'id': index, 'name': name} for index, name in enumerate(source.class_names)]}
    found = {'bbox': [], 'segm': []}
    for image_id, index in enumerate(_spread(len(source), most), start=1):
        sample = source.sample(int(index), np.random.default_rng((7, int(index))))
        _add_truth(truth, sample, image_id)
        _add_found(found, predictor.predict(sample.image), image_id)
    scores = {}
    for name, kind in (('box', 'bbox'), ('mask', 'segm')):
        ap, ap50 = _coco_ap(truth, found[kind], kind)
        scores |= {f'{name}_ap': ap, f'{name}_ap50': ap50}
    return scores


def open_copy(model: Yolact, postprocess: PostprocessConfig) -> Predictor:
    """Return a predictor with a copy of the model's present weights."""
    frozen = copy.deepcopy(model).eval()
    return Predictor(TorchBackend(frozen, model.priors.device, 'float32'), postprocess)


def draw_samples(model: Yolact, source: SampleSource, count: int, path: Path) -> None:
    """Write a picture of truth (above) and prediction (below) for some samples."""
    if not count:
        return
    predictor = open_copy(model, PostprocessConfig(score_threshold=SHOWN_SCORE))
    columns = []
    for index in _spread(len(source), count):
        sample = source.sample(int(index), np.random.default_rng((7, int(index))))
        pair = [draw_instances(sample.image, shown, source.class_names)
                for shown in (truth_instances(sample), predictor.predict(sample.image))]
        columns.append(cv2.resize(np.vstack(pair), (320, 2 * 320)))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR))


def truth_instances(sample: Sample) -> Instances:
    """Return a sample's objects as if they had been found with certainty."""
    sample = sample.select(sample.masks.any((1, 2)) & ~sample.crowd)
    ones = np.ones(len(sample), np.float32)
    rois = boxes_of_masks(sample.masks).astype(np.int32)
    crops = tuple(mask[y0:y1, x0:x1].astype(bool)
                  for mask, (x0, y0, x1, y1) in zip(sample.masks, rois.tolist()))
    return Instances(ImageSize(*sample.image.shape[:2]), sample.boxes.astype(np.float32), ones,
                     np.full(len(sample), np.nan, np.float32), ones, sample.class_ids, rois, crops)


def _spread(length: int, most: int) -> np.ndarray:
    """Return indices of at most so many entries, evenly spread; 0 for all."""
    count = min(length, most) if most else length
    return np.linspace(0, length - 1, count).round().astype(int)


def _add_truth(truth: dict, sample: Sample, image_id: int) -> None:
    """Book a sample's objects as COCO annotations."""
    height, width = sample.image.shape[:2]
    truth['images'].append({'id': image_id, 'height': height, 'width': width})
    for box, mask, class_id, crowd in zip(sample.boxes, sample.masks, sample.class_ids,
                                          sample.crowd):
        rle = rle_codec.encode(np.asfortranarray(mask))
        truth['annotations'].append({
            'id': len(truth['annotations']) + 1, 'image_id': image_id, 'segmentation': rle,
            'category_id': int(class_id), 'iscrowd': int(crowd), 'area': float(mask.sum()),
            'bbox': _xywh(box)})


def _add_found(found: dict[str, list], instances: Instances, image_id: int) -> None:
    """Book detections: boxes with class scores, masks with re-scored ones."""
    masks = instances.full_masks()
    for row in range(len(instances)):
        entry = {'image_id': image_id, 'category_id': int(instances.class_ids[row])}
        found['bbox'].append({**entry, 'score': float(instances.class_scores[row]),
                              'bbox': _xywh(instances.boxes[row])})
        found['segm'].append({**entry, 'score': float(instances.scores[row]), 'segmentation':
                              rle_codec.encode(np.asfortranarray(masks[row].view(np.uint8)))})


def _xywh(box: np.ndarray) -> list[float]:
    """Return COCO's x, y, width, height of corners."""
    x0, y0, x1, y1 = box.tolist()
    return [x0, y0, x1 - x0, y1 - y0]


def _coco_ap(truth: dict, found: list[dict], kind: str) -> tuple[float, float]:
    """Return AP and AP50; 0 when nothing was found."""
    if not found or not truth['annotations']:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO()
        ground_truth.dataset = truth
        ground_truth.createIndex()
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(copy.deepcopy(found)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])
