"""What a costmap wants to know of every pixel: which class, and how sure."""

from __future__ import annotations

import numpy as np

from yolact_ros.structures import Instances

HIGHEST = 255  # mono8; 0 is nothing, so the last class that has a value is 254


def class_image(instances: Instances, labels: np.ndarray) -> np.ndarray:
    """
    Return (H, W) uint8: class id + 1 of the object that wins a pixel, 0 for none.

    Classes beyond 254 have no value and are left out, as 0.

    :param labels: (H, W), instances.label_image().
    """
    values = instances.class_ids + 1
    return _painted(np.where(values <= HIGHEST, values, 0), labels)


def confidence_image(instances: Instances, labels: np.ndarray) -> np.ndarray:
    """
    Return (H, W) uint8: 255 x score of the object that wins a pixel, to the nearest, 0 for none.

    :param labels: (H, W), instances.label_image().
    """
    return _painted(np.rint(HIGHEST * np.clip(instances.scores, 0.0, 1.0)), labels)


def _painted(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return an image with the value of object i where the label is i + 1."""
    return np.concatenate(([0], values)).astype(np.uint8)[labels]
