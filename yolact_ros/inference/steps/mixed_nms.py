"""Fast NMS of a list that holds all classes, on the host."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NMS_BLOCK = 64  # boxes compared at once with all that follow: the matrices stay in the cache
NOT_WORSE = np.tri(NMS_BLOCK, dtype=bool)  # of a block with itself: every box up to the row's


def fast_nms_mixed(boxes: Tensor, class_ids: Tensor, iou_threshold: float, top_k: int) -> Tensor:
    """
    Mark what ops.nms.fast_nms keeps of a list that holds all classes, best score first.

    The way to go when the list is short, whatever the number of classes: with the classes one
    after another a block of boxes meets only the boxes from its own start to the end of its last
    class. The verdict on a box depends only on better ones, so a list may be cut off anywhere.

    :param boxes: (E, 4) corners; a box may appear once for each of its classes.
    :param class_ids: (E,).
    :returns: (E,) bool.
    """
    if len(class_ids) == 0:
        return class_ids.bool()
    # On the host: a few hundred boxes are dozens of small steps, each a third as long in numpy.
    of_classes = class_ids.cpu().numpy()
    order = np.argsort(of_classes, kind='stable')
    of_classes, count = of_classes[order], len(order)
    x0, y0, x1, y1 = boxes.cpu().numpy()[order].T.copy()
    areas = (x1 - x0) * (y1 - y0)
    starts, stops = (np.searchsorted(of_classes, of_classes, side) for side in ('left', 'right'))
    keep = np.arange(count) - starts < top_k
    for start in range(0, count, NMS_BLOCK):
        stop = min(start + NMS_BLOCK, count)
        rows, columns = slice(start, stop), slice(start, stops[stop - 1])
        overlaps = _lengths(x0, x1, rows, columns)
        overlaps *= _lengths(y0, y1, rows, columns)
        with np.errstate(invalid='ignore'):  # two boxes without area
            overlaps /= areas[rows, None] + areas[columns] - overlaps
        # Of another class, or not worse than the box of the row
        others = of_classes[rows, None] != of_classes[columns]
        others[:, :stop - start] |= NOT_WORSE[:stop - start, :stop - start]
        np.copyto(overlaps, 0.0, where=others)
        keep[columns] &= overlaps.max(0) <= iou_threshold
    kept = np.empty_like(keep)
    kept[order] = keep
    return torch.from_numpy(kept).to(boxes.device)


def _lengths(low: np.ndarray, high: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Return the (rows, columns) lengths that intervals share."""
    shared = np.minimum(high[rows, None], high[columns])
    shared -= np.maximum(low[rows, None], low[columns])
    return np.maximum(shared, 0.0, out=shared)
