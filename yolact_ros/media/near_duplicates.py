"""Leave out images that look like one that was taken already."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 16
BITS = SIDE * SIDE
SHARE = 0.04  # of bits in which images may differ that look the same


def difference_hash(rgb: np.ndarray) -> np.ndarray:
    """
    Return (256,) bool: for each cell of a 16 x 16 grid whether it is darker than its neighbour.

    Brightness and contrast do not matter, motion and new things do (difference hash, "dHash").

    :param rgb: (H, W, 3) uint8.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA).astype(int)
    return (small[:, 1:] > small[:, :-1]).ravel()


class NearDuplicates:
    """
    What was taken so far; 32 bytes an image.

    :param share: hashes that differ in no more than this share of their bits are alike.
    """

    def __init__(self, share: float = SHARE) -> None:
        self._most = share * BITS
        self._taken: list[np.ndarray] = []

    def is_new(self, rgb: np.ndarray) -> bool:
        """Return whether the image is unlike all taken ones; then it counts as taken."""
        bits = np.packbits(difference_hash(rgb))
        if self._taken:
            different = np.unpackbits(np.array(self._taken) ^ bits, axis=1).sum(axis=1)
            if different.min() <= self._most:
                return False
        self._taken.append(bits)
        return True
