"""Do the anchors fit the data? Recall of a network's anchors, and a better set when it is poor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from yolact_ros.config import ModelConfig
from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.sample import SampleSource
from yolact_ros.model.priors import make_priors
from yolact_ros.model.yolact import level_sizes
from yolact_ros.ops.boxes import box_iou, cxcywh_to_xyxy
from yolact_ros.structures import (
    INPUT_STEP,
    InputSize,
    change_sides,
    format_input_size,
    input_shape,
)

POOR_RECALL, GOOD_RECALL = 0.9, 0.95
INPUT_FACTORS = (1, 1.5, 2)  # a larger input is only looked at where anchors alone do not do
LEAST_GAIN = 0.02            # of recall, for which a larger input is worth its price
MOST_BOXES = 400
RENDERED_SCENES = 40
FACTORS = (0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0, 2.8, 4.0)
RATIOS = ((1.0, 0.5, 2.0), (1.0, 1 / 3, 3.0), (1.0, 2 / 3, 1.5))


@dataclass(frozen=True)
class AnchorReport:
    """
    How well anchors cover the objects.

    :param recall: share of objects that some anchor overlaps with at least the positive IoU.
    :param better: a configuration with fitting anchors, None when recall is good or none helps.
    :param better_recall: its recall.
    :param price: its work for an image, times that of the network as it is.
    """

    recall: float
    better: ModelConfig | None = None
    better_recall: float = 0.0
    price: float = 1.0

    def lines(self) -> list[str]:
        """Return the report for people."""
        lines = [f'anchors reach {self.recall:.1%} of the objects']
        if self.better is not None:
            lines[0] += ', which is poor'
            lines.append(f'  {self.better_recall:.1%} at {self.price:.2g} times the work with: '
                         f'{self.flag}')
        return lines

    @property
    def flag(self) -> str:
        """Return the better set as it is typed behind yolact train."""
        assert self.better is not None, 'nothing is better'
        scales = [[round(side, 1) for side in level] for level in self.better.anchor_scales]
        ratios = [round(ratio, 3) for ratio in self.better.anchor_ratios]
        size = format_input_size(self.better.input_size)
        return (f"--model input_size={size} 'anchor_scales={scales}' "
                f"'anchor_ratios={ratios}'")


def report_anchors(config: ModelConfig, source: SampleSource,
                   positive_iou: float = 0.5) -> AnchorReport:
    """
    Return the recall of a network's anchors on a data set, and a better set when it is poor.

    The better set may want a larger input.
    """
    boxes = torch.from_numpy(collect_boxes(source, config.input_size))
    recall = anchor_recall(config, boxes, positive_iou)
    if recall >= POOR_RECALL:
        return AnchorReport(recall)
    best = AnchorReport(recall)
    for factor in INPUT_FACTORS:
        larger = replace(config, input_size=_times(config.input_size, factor))
        recalls = {candidate: anchor_recall(candidate, boxes, positive_iou)
                   for candidate in _candidates(larger if factor > 1 else config)}
        better = max(recalls, key=recalls.__getitem__)
        if recalls[better] > max(best.better_recall, recall) + (LEAST_GAIN if factor > 1 else 0):
            best = AnchorReport(recall, better, recalls[better],
                                better.input_shape.pixels / config.input_shape.pixels)
        if best.better_recall >= GOOD_RECALL:
            break
    return best


def anchor_recall(config: ModelConfig, boxes: Tensor, positive_iou: float) -> float:
    """
    Return the share of boxes that an anchor overlaps with at least positive_iou.

    :param boxes: (N, 4) relative corners, N >= 1.
    """
    priors = make_priors(level_sizes(config.input_size), config.anchor_scales,
                         config.anchor_ratios, config.input_size, config.square_anchors)
    anchors = cxcywh_to_xyxy(priors)
    best = torch.cat([box_iou(part, anchors).amax(1) for part in boxes.split(64)])
    return float((best >= positive_iou).float().mean())


def _times(input_size: InputSize, factor: float) -> InputSize:
    """Return a larger input of the same shape, in steps of INPUT_STEP."""
    return change_sides(input_size, lambda side: round(side * factor / INPUT_STEP) * INPUT_STEP)


def collect_boxes(source: SampleSource, size: InputSize) -> np.ndarray:
    """Return (N, 4) float32 relative boxes of a data set, N limited, crowds left out."""
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *_box_lists(source)])
    sides = boxes[:, 2:] - boxes[:, :2]
    shape = input_shape(size)
    boxes = boxes[np.all(sides * np.array([shape.width, shape.height]) >= 1, 1)]
    rows = np.linspace(0, len(boxes) - 1, min(len(boxes), MOST_BOXES)).astype(int)
    return boxes[rows]


def _box_lists(source: SampleSource) -> Iterator[np.ndarray]:
    """Yield the relative boxes of each image, without reading images where possible."""
    if isinstance(source, CocoDataset):
        for record in source.records:
            extent = np.array([record.size.width, record.size.height] * 2, np.float32)
            for item in record.objects:
                if not item.truth.crowd:
                    yield np.array([item.box], np.float32) / extent
        return
    rng = np.random.default_rng(0)
    for index in range(min(len(source), RENDERED_SCENES)):
        sample = source.sample(index, rng)
        extent = np.array([*sample.image.shape[1::-1]] * 2, np.float32)
        yield sample.boxes[~sample.crowd] / extent


def _candidates(config: ModelConfig) -> Iterator[ModelConfig]:
    """Yield the configuration with scaled anchors and other ratios."""
    for ratios in dict.fromkeys((config.anchor_ratios, *RATIOS)):
        if len(ratios) != len(config.anchor_ratios):
            continue
        for factor in FACTORS:
            scales = tuple(tuple(side * factor for side in level)
                           for level in config.anchor_scales)
            yield replace(config, anchor_scales=scales, anchor_ratios=ratios)
