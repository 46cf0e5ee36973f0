"""A frame stage by stage in torch and numpy: anything, anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from yolact_ros.config import PostprocessConfig
from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.steps.candidates import candidate_scores
from yolact_ros.inference.steps.mixed_nms import fast_nms_mixed
from yolact_ros.inference.steps.operators import Operators
from yolact_ros.inference.steps.preprocess import preprocess
from yolact_ros.inference.steps.select import (
    MOST_ANCHORS,
    Detections,
    select_all,
    select_best,
)
from yolact_ros.inference.steps.stages import StageClock, look, segment
from yolact_ros.inference.steps.thresholds import Thresholds
from yolact_ros.inference.steps.to_masks import eager_instances
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.ops.boxes import decode_boxes
from yolact_ros.ops.masks import assemble_masks, crop_masks
from yolact_ros.structures import ImageSize, Instances

# How many of the best anchors are tried before all are. A hundred objects fire at a thousand;
# the best 400 of those usually fill the list of 100, and three times as many cost more to compare.
TRIED_ANCHORS = 400, MOST_ANCHORS


class EagerFrames:
    """Images to Instances; the images of a batch share the network and then take turns."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def predict(self, images: Sequence[np.ndarray], thresholds: Thresholds,
                config: PostprocessConfig, clock: StageClock) -> list[Instances]:
        """
        Return the objects in each image.

        :param images: (H, W, 3) uint8 RGB each, at least one.
        :param clock: is told of every stage.
        """
        raw = look(images, self._backend, EAGER, clock.mark)
        detect = partial(self._detect, self._on_device(thresholds), config.nms)
        return [segment(image_of(raw, index), detect, rgb, self._backend, EAGER, clock.mark)
                for index, rgb in enumerate(images)]

    def settle(self, raw: RawPredictions, rgb: np.ndarray, thresholds: Thresholds,
               config: PostprocessConfig, clock: StageClock) -> Instances:
        """Return the objects in an image of which the best candidates left something open."""
        detect = partial(self._detect_in_all, self._on_device(thresholds), config.nms)
        return segment(raw, detect, rgb, self._backend, EAGER, clock.mark)

    def _detect(self, thresholds: Thresholds, nms: str, raw: RawPredictions) -> Detections:
        """Look at as few anchors as settle what there is; one NMS over all classes is cheap."""
        for most_anchors in TRIED_ANCHORS if nms == 'fast' else ():
            found = select_best(raw, self._backend.priors, thresholds, nms,
                                thresholds.max_instances, EAGER, most_anchors)
            if bool(found.complete):
                return found
        return self._detect_in_all(thresholds, nms, raw)

    def _detect_in_all(self, thresholds: Thresholds, nms: str, raw: RawPredictions) -> Detections:
        """Look at all anchors."""
        return select_all(raw, self._backend.priors, thresholds, nms,
                          self._backend.config.input_shape)

    def _on_device(self, thresholds: Thresholds) -> Thresholds:
        return thresholds._replace(classes=thresholds.classes.to(self._backend.device))


def image_of(raw: RawPredictions, index: int) -> RawPredictions:
    """Return the predictions of one image of a batch, as a batch of one."""
    return RawPredictions(*(part[index:index + 1] for part in raw[:4]))


def _preprocess(images: Sequence[np.ndarray], backend: Backend) -> Tensor:
    """Stretch every image by itself."""
    inputs = [preprocess(rgb, backend.config, backend.device) for rgb in images]
    return torch.cat(inputs) if len(inputs) > 1 else inputs[0]


def _best_anchors(logits: Tensor, classes: Tensor, candidate: float,
                  most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Score the few anchors that see something; choose among them where they are many."""
    anchors, scores = candidate_scores(logits[0], candidate)
    scores = torch.where(scores > classes, scores, 0.0)                       # (n, C)
    cut = scores.new_zeros(1)
    if len(anchors) > most:
        best = scores.amax(1)
        cut = best.topk(most + 1).values[most:]
        rows = (best > cut).nonzero()[:, 0]
        anchors, scores = anchors.index_select(0, rows), scores.index_select(0, rows)
        scores.masked_fill_(scores <= cut, 0.0)
    return anchors[None], scores[None], cut


def _decode(offsets: Tensor, priors: Tensor, anchors: Tensor) -> Tensor:
    """Decode the boxes of some anchors of the one image."""
    return decode_boxes(_rows(offsets, anchors).float(), _rows(priors[None], anchors))


def _largest(values: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Sort what is not zero."""
    values = values[0]
    places = values.nonzero()[:, 0]
    positive, order = values.index_select(0, places).sort(descending=True, stable=True)
    return positive[None, :most], places.index_select(0, order[:most])[None]


def _rows(values: Tensor, rows: Tensor) -> Tensor:
    """Take rows of the one image."""
    return values[0].index_select(0, rows[0])[None]


def _nms_keep(boxes: Tensor, class_ids: Tensor, valid: Tensor, iou: float, top_k: int) -> Tensor:
    """Judge candidates, all of which are valid since zeros are left out."""
    return fast_nms_mixed(boxes[0], class_ids[0], iou, top_k)[None]


def _first_kept(keep: Tensor, most: int) -> Tensor:
    """Look for them: there is no padding."""
    return keep[0].nonzero()[None, :most, 0]


def _assemble(prototypes: Tensor, coefficients: Tensor, boxes: Tensor, counts: Tensor) -> Tensor:
    """Assemble masks of which none is padding."""
    return crop_masks(assemble_masks(prototypes[0].float(), coefficients[0]), boxes[0])[None]


def _to_pixels(found: Detections, soft: Tensor, mask_scores: Tensor, rgb: np.ndarray) -> Instances:
    """Make Instances of the one image."""
    return eager_instances(found, soft, mask_scores, ImageSize(*rgb.shape[:2]))


# Behind the network a batch of one image: where the host may look at values nothing is padded,
# so that work grows with what is in the image.
EAGER = Operators(_preprocess, _best_anchors, _decode, _largest, _rows, _nms_keep, _first_kept,
                  _assemble, _to_pixels)
