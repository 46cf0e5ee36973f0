"""What a detection must exceed, as numbers that every step can compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from yolact_ros.config import PostprocessConfig, class_id_of

TOP_K = 200          # original: cfg.nms_top_k
MANY_CLASSES = 10


class Thresholds(NamedTuple):
    """
    A PostprocessConfig for one model's classes.

    Numbers on the host; in a captured graph tensors of one element, so that it reads what was
    written last.

    :param classes: (C,) float32, score a class must exceed; infinite for classes left out.
    :param candidate: the best score of an anchor must exceed it; at least the lowest of classes.
    :param iou: boxes of more overlap suppress each other.
    :param top_k: boxes that take part in suppression, of each class or of all together.
    :param max_instances: detections of an image.
    """

    classes: Tensor
    candidate: float | Tensor
    iou: float | Tensor
    top_k: int | Tensor
    max_instances: int | Tensor

    @classmethod
    def resolve(cls, config: PostprocessConfig, class_names: Sequence[str]) -> Thresholds:
        """
        Return the thresholds on the host.

        What cannot pass its class's threshold need not be a candidate: a box is only ever
        suppressed by a better one, so the result is the same and the work is less.

        :raises ValueError: when the configuration names a class that the model lacks.
        """
        classes = torch.full((len(class_names),), config.score_threshold)
        for key, threshold in (config.class_thresholds or {}).items():
            classes[class_id_of(key, class_names)] = threshold
        if config.classes is not None:
            left_out = torch.ones(len(class_names), dtype=torch.bool)
            left_out[[class_id_of(key, class_names) for key in config.classes]] = False
            classes[left_out] = torch.inf
        return cls(classes, max(config.candidate_threshold, float(classes.min())),
                   config.iou_threshold, config.top_k or _boxes_of_each(config.nms, classes),
                   config.max_instances)


def _boxes_of_each(nms: str, classes: Tensor) -> int:
    """
    Return how many boxes of a class are compared: a share of ten classes' where there are fewer.

    A dozen anchors fire at an object, so 200 boxes of one class may be of 17 easy objects.
    """
    if nms == 'cross_class':  # one list for all
        return TOP_K
    return TOP_K * max(MANY_CLASSES // max(int(classes.isfinite().sum()), 1), 1)
