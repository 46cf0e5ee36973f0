"""The labels of an image in the form in which a network's findings come."""

from __future__ import annotations

import numpy as np

from yolact_ros.data.sample import Sample
from yolact_ros.masks import boxes_of_masks
from yolact_ros.structures import ImageSize, Instances


def truth_instances(sample: Sample) -> Instances:
    """Return a sample's objects as if they had been found, with NaN for scores."""
    sample = sample.select(sample.masks.any((1, 2)) & ~sample.crowd)
    unknown = np.full(len(sample), np.nan, np.float32)
    rois = boxes_of_masks(sample.masks).astype(np.int32)
    crops = tuple(mask[y0:y1, x0:x1].astype(bool)
                  for mask, (x0, y0, x1, y1) in zip(sample.masks, rois.tolist()))
    return Instances(ImageSize(*sample.image.shape[:2]), sample.boxes.astype(np.float32), unknown,
                     unknown, unknown, sample.class_ids, rois, crops)
