"""How far two models agree on images that need no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as rle_codec

from yolact_ros.evaluation.detections import Detection, detections_of
from yolact_ros.structures import Instances

SAME_OBJECT_IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """
    What two models have in common.

    :param objects: that the first model found, and the second.
    :param matched: objects that both found: same class, masks that overlap by half.
    :param mask_iou: mean over the matched, NaN without one.
    :param score_change: mean absolute difference of the scores of the matched, NaN without one.
    """

    objects: tuple[int, int]
    matched: int
    mask_iou: float
    score_change: float

    @property
    def share(self) -> float:
        """Return matched objects of those that either found, in [0, 1]; 1 when none did."""
        either = sum(self.objects) - self.matched
        return self.matched / either if either else 1.0

    def line(self, first: str, second: str) -> str:
        """Return the comparison for people, by the names of the two models."""
        found = f'{first} found {self.objects[0]} objects, {second} {self.objects[1]}'
        if not self.matched:
            return f'{found}, none of them the same'
        return (f'{found}, of them {self.matched} the same ({self.share:.1%}) with a mean mask '
                f'IoU of {self.mask_iou:.3f}; their scores differ by {self.score_change:.3f}')


def agreement(first: Sequence[Instances], second: Sequence[Instances]) -> Agreement:
    """
    Compare what two models found in the same images.

    :raises ValueError: when the lists differ in length.
    """
    if len(first) != len(second):
        raise ValueError(f'both models must have seen the same pictures, got results of '
                         f'{len(first)} and {len(second)}')
    overlaps, changes = [], []
    for ours, theirs in zip(first, second):
        found = detections_of(ours, 0), detections_of(theirs, 0)
        for row, column, iou in _match(*found):
            overlaps.append(iou)
            changes.append(abs(found[0][row].mask_score - found[1][column].mask_score))
    return Agreement((sum(map(len, first)), sum(map(len, second))), len(overlaps),
                     float(np.mean(overlaps)) if overlaps else float('nan'),
                     float(np.mean(changes)) if changes else float('nan'))


def _match(first: Sequence[Detection],
           second: Sequence[Detection]) -> list[tuple[int, int, float]]:
    """Return pairs of rows and their mask IoU; the best overlap is paired first, each row once."""
    if not first or not second:
        return []
    ious = rle_codec.iou([item.rle for item in first], [item.rle for item in second],
                         [0] * len(second))
    same_class = np.equal.outer([item.class_id for item in first],
                                [item.class_id for item in second])
    ious = np.where(same_class, ious, 0.0)
    pairs = []
    while ious.max() >= SAME_OBJECT_IOU:
        row, column = np.unravel_index(ious.argmax(), ious.shape)
        pairs.append((int(row), int(column), float(ious[row, column])))
        ious[row], ious[:, column] = 0.0, 0.0
    return pairs
