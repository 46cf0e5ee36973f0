"""Which objects are worth publishing: large enough, and far enough from the image's border."""

from __future__ import annotations

import numpy as np

from yolact_ros.structures import Instances


def usable_rows(instances: Instances, min_area: int, edge_margin: int) -> np.ndarray:
    """
    Return (N,) bool, True for objects to keep.

    :param min_area: least number of mask pixels.
    :param edge_margin: least distance of the mask from the image's border [px]; 0 keeps all, 1
        leaves out what touches it. A mask without a pixel touches nothing.
    """
    rows = np.ones(len(instances), bool)
    if min_area > 0:
        rows &= instances.areas >= min_area
    if edge_margin > 0:
        x0, y0, x1, y1 = instances.rois.T
        size = instances.image_size
        gap = np.minimum.reduce([x0, y0, size.width - x1, size.height - y1])
        rows &= (gap >= edge_margin) | (x1 == x0)
    return rows
