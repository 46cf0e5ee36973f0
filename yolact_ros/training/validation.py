"""Measurements during a training: AP of the present weights, images to look at."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from yolact_ros.config import PostprocessConfig
from yolact_ros.data.sample import SampleSource
from yolact_ros.data.truth import truth_instances
from yolact_ros.evaluation.detections import Detection
from yolact_ros.evaluation.evaluate import evaluate_detections, evaluate_source
from yolact_ros.files import write_image
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.predictor import Predictor
from yolact_ros.model.yolact import Yolact
from yolact_ros.overlay import OverlayStyle, color_by_of, draw_instances

logger = logging.getLogger(__name__)

# What COCO evaluation wants: everything, however unlikely.
NO_THRESHOLD = PostprocessConfig(score_threshold=0.0)
SHOWN_SCORE = 0.3
SAME_SCORE = 1e-5   # float32 products differ by less than this


def measure_ap(model: Yolact, source: SampleSource, most: int = 0) -> dict[str, float]:
    """
    Return box and mask AP and AP50 as COCO defines them.

    Where the re-scoring net ranks nothing, masks are ranked by their class scores.

    :param model: left as it is.
    :param most: images to use, evenly spread; 0 for all.
    """
    result = evaluate_source(open_copy(model, NO_THRESHOLD), source, most or None)
    if model.maskiou_net is not None and are_mask_scores_equal(result.detections):
        logger.warning('the re-scoring net gives all masks the same score, so it ranks nothing '
                       'yet: this AP is by class scores; if it lasts, train longer or with '
                       '--model mask_rescoring=false')
        result = evaluate_detections(result.truth, [replace(item, mask_score=item.score)
                                                    for item in result.detections])
    scores = {}
    for name, summary in (('box', result.box), ('mask', result.mask)):
        for metric in ('AP', 'AP50'):
            scores[f'{name}_{metric.lower()}'] = summary.values[metric] if summary else 0.0
    return scores


def are_mask_scores_equal(detections: Sequence[Detection]) -> bool:
    """Return whether the mask scores of at least two detections are one value, 0 for example."""
    scores = np.array([item.mask_score / item.score for item in detections if item.score > 0])
    return len(scores) > 1 and float(np.ptp(scores)) < SAME_SCORE


def open_copy(model: Yolact, postprocess: PostprocessConfig) -> Predictor:
    """Return a predictor with a copy of the model's present weights."""
    frozen = copy.deepcopy(model).eval()
    return Predictor(TorchBackend(frozen, model.priors.device, 'float32'), postprocess)


def draw_samples(model: Yolact, source: SampleSource, count: int, path: Path) -> None:
    """Write an image of truth (above) and prediction (below) for some samples."""
    if not count:
        return
    predictor = open_copy(model, PostprocessConfig(score_threshold=SHOWN_SCORE))
    style = OverlayStyle(color_by=color_by_of(source.class_names))
    columns = []
    for index in _spread(len(source), count):
        sample = source.sample(int(index), np.random.default_rng((7, int(index))))
        pair = [draw_instances(sample.image, shown, source.class_names, style)
                for shown in (truth_instances(sample), predictor.predict(sample.image))]
        columns.append(cv2.resize(np.vstack(pair), (320, 2 * 320)))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.hstack(columns))


def _spread(length: int, most: int) -> np.ndarray:
    """Return indices of at most so many entries, evenly spread."""
    return np.linspace(0, length - 1, min(length, most)).round().astype(int)
