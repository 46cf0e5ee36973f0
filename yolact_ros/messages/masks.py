"""Instances as fields of yolact_ros/InstanceMask, for any library's type of that message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from yolact_ros.structures import Instances


@dataclass(frozen=True)
class InstanceFields:
    """
    One instance in plain Python numbers, as message fields want them.

    :param values: fields of InstanceMask by name; header, roi and the mask itself are missing.
    :param roi: fields of its RegionOfInterest.
    :param crop: (roi height, roi width) bool.
    """

    values: dict[str, Any]
    roi: dict[str, int]
    crop: np.ndarray


def instance_fields(instances: Instances, class_names: Sequence[str],
                    track_ids: Sequence[int] = ()) -> Iterator[InstanceFields]:
    """
    Yield what the messages of the instances say, ids 1 to N.

    Scores are brought into [0, 1]: a mask score is a regression and may leave it a little.

    :param track_ids: number of every instance, 0 for none; empty when nothing is tracked.
    """
    size = instances.image_size
    scores = (np.clip(column, 0.0, 1.0) for column in
              (instances.scores, instances.class_scores, instances.mask_scores))
    columns = (instances.class_ids, *scores, instances.boxes, instances.rois)
    # tolist() once a column is cheaper than a conversion of every element.
    rows = zip(*(column.tolist() for column in columns), instances.crops,
               track_ids or [0] * len(instances))
    for number, (class_id, score, class_score, mask_score, box, roi, crop, track) \
            in enumerate(rows, start=1):
        x0, y0, x1, y1 = roi
        area, x, y = _area_and_centroid(crop)
        yield InstanceFields(
            {'image_height': size.height, 'image_width': size.width, 'id': number,
             'class_id': class_id, 'class_name': class_names[class_id], 'score': score,
             'class_score': class_score, 'mask_score': mask_score,
             'x_min': box[0], 'y_min': box[1], 'x_max': box[2], 'y_max': box[3], 'area': area,
             'centroid_x': x0 + x, 'centroid_y': y0 + y, 'track_id': str(track) if track else '',
             'truncated': area > 0 and (min(x0, y0) == 0 or x1 == size.width or y1 == size.height)
             },
            {'x_offset': x0, 'y_offset': y0, 'width': x1 - x0, 'height': y1 - y0}, crop)


def _area_and_centroid(crop: np.ndarray) -> tuple[int, float, float]:
    """Return the number of set pixels and the mean x, y of their centres, NaN without any."""
    if not crop.size:
        return 0, np.nan, np.nan
    columns, rows = (cv2.reduce(crop.view(np.uint8), axis, cv2.REDUCE_SUM,
                                dtype=cv2.CV_32S).ravel() for axis in (0, 1))
    area = int(rows.sum())
    if area == 0:
        return 0, np.nan, np.nan
    x, y = (float(line @ np.arange(len(line), dtype=np.int64)) / area + 0.5
            for line in (columns, rows))
    return area, x, y
