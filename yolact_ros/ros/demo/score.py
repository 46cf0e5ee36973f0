"""How well the found masks agree with the known truth, summed up over a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from yolact_ros.masks import crop_iou, greedy_matches

MATCH_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Region:
    """
    One object's pixels.

    :param class_name: what it is.
    :param x0: left end of the mask in the image [px].
    :param y0: upper end of the mask in the image [px].
    :param mask: (h, w) bool.
    :param distance: of its visible surface from the camera [m], NaN where unknown.
    """

    class_name: str
    x0: int
    y0: int
    mask: np.ndarray
    distance: float = math.nan


@dataclass
class RunningScore:
    """
    Precision, recall and mask overlap over all frames so far.

    A found object is right when its class is and its mask overlaps a true one, which no better
    found object has taken, by an IoU of at least 0.5. The errors of distances [m] are those of
    the right ones.
    """

    frames: int = 0
    found: int = 0
    true: int = 0
    right: int = 0
    best_iou_sum: float = 0.0
    distance_errors: list[float] = field(default_factory=list)

    def add(self, found: Sequence[Region], true: Sequence[Region],
            ignored: Sequence[Region] = ()) -> None:
        """
        Count one frame.

        :param found: best score first.
        :param ignored: objects that need not be found; finding one is not wrong either.
        """
        overlaps = region_ious(found, true)
        matches = greedy_matches(overlaps, MATCH_IOU)
        matched = matches >= 0
        excused = ~matched & (region_ious(found, ignored) >= MATCH_IOU).any(axis=1)
        self.frames += 1
        self.found += len(found) - int(excused.sum())
        self.true += len(true)
        self.right += int(matched.sum())
        self.best_iou_sum += float(overlaps.max(axis=0, initial=0.0).sum())
        errors = [abs(one.distance - true[match].distance)
                  for one, match in zip(found, matches.tolist()) if match >= 0]
        self.distance_errors += [error for error in errors if not math.isnan(error)]

    @property
    def precision(self) -> float:
        """Share of the found objects that are right; NaN when none was found."""
        return self.right / self.found if self.found else float('nan')

    @property
    def recall(self) -> float:
        """Share of the true objects that were found; NaN when there was none."""
        return self.right / self.true if self.true else float('nan')

    @property
    def mean_iou(self) -> float:
        """Mean over the true objects of the best overlap with a found one of their class."""
        return self.best_iou_sum / self.true if self.true else float('nan')

    def __str__(self) -> str:
        """Return one line."""
        text = (f'mask IoU {self.mean_iou:.2f}, precision {self.precision:.2f}, '
                f'recall {self.recall:.2f} over {self.frames} frames')
        if self.distance_errors:
            middle, late = 1000 * np.percentile(self.distance_errors, (50, 95))
            text += f', distances {middle:.1f} mm off (median), {late:.1f} mm (95 %)'
        return text


def region_ious(found: Sequence[Region], true: Sequence[Region]) -> np.ndarray:
    """Return (N, M) mask IoU, 0 where the classes differ."""
    overlaps = [[_overlap(one, other) for other in true] for one in found]
    return np.reshape(overlaps, (len(found), len(true)))


def _overlap(one: Region, other: Region) -> float:
    """Return the mask IoU, 0 where the classes differ."""
    if one.class_name != other.class_name:
        return 0.0
    return crop_iou(one.mask, (one.x0, one.y0), other.mask, (other.x0, other.y0))
