"""Bilinear resizing along one axis, as products with small pieces of a matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

# Multiplications of one matrix product. OpenBLAS spreads those above 2**18 over threads of its
# own, which get in the way of torch's; the floats of smaller ones stay in the cache.
LARGEST_PRODUCT = 2 ** 18


class InterpolationMatrix:
    """
    From the cells of a coarse grid to the pixels of one axis, align_corners=False.

    :ivar weights: (pixels, cells) float32; a row holds the two weights of the cells around the
        pixel's centre. Read only.
    """

    def __init__(self, cells: int, pixels: int) -> None:
        at = np.maximum((np.arange(pixels, dtype=np.float32) + np.float32(0.5))
                        * np.float32(cells / pixels) - np.float32(0.5), 0)
        low = np.minimum(at.astype(np.int64), cells - 1)
        share = at - low
        self.weights = np.zeros((pixels, cells), np.float32)
        self.weights[np.arange(pixels), low] = 1 - share
        self.weights[np.arange(pixels), np.minimum(low + 1, cells - 1)] += share
        self.weights.flags.writeable = False
        self._scale = pixels / cells
        self._low = low.tolist()

    def pixels_over_half(self, first: int, last: int) -> tuple[int, int]:
        """
        Return the pixels that can exceed 0.5 when only cells first to last - 1 do, half-open.

        Cells hold at most 1, those outside 0: half-way between them the value has fallen to 0.5.
        """
        # One pixel more on both sides covers the rounding of float32 coordinates.
        start, stop = int(first * self._scale) - 1, math.ceil(last * self._scale) + 1
        return max(start, 0), min(stop, len(self.weights))

    def resize(self, values: np.ndarray, first: int, start: int,
               stop: int) -> Iterator[np.ndarray]:
        """
        Yield pixels start to stop - 1 in bands: few cells touch a band.

        :param values: (n, columns) cells first to first + n - 1; the others are 0.
        :returns: (rows, columns) each.
        """
        last = first + len(values)
        # The most rows for which rows * columns * (rows / scale + 2) stays within the limit.
        room = LARGEST_PRODUCT / (values.shape[1] * self._scale)
        rows = max(int(self._scale * (math.sqrt(1 + room) - 1)), 1)
        for begin in range(start, stop, rows):
            end = min(begin + rows, stop)
            low = min(max(self._low[begin], first), last)
            high = max(min(self._low[end - 1] + 2, last), low)
            yield self.weights[begin:end, low:high] @ values[low - first:high - first]


@lru_cache(maxsize=16)
def interpolation_matrix(cells: int, pixels: int) -> InterpolationMatrix:
    """Return the matrix of these sizes, made once."""
    return InterpolationMatrix(cells, pixels)
