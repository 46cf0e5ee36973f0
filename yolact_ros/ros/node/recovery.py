"""When the device under the network fails: the cure, and how often to load the model again."""

from __future__ import annotations

import math

RETRY_PERIOD_S = 60.0
CURE = ('use a smaller input or model, precision:=float16, or another device (device:=cpu); '
        'nvidia-smi tells who else uses its memory')


class RetryRule:
    """Allows another try a minute after the last one, if that has served an image since."""

    def __init__(self) -> None:
        """Allow the first try at once."""
        self._tried_at_s, self._served = -math.inf, -1

    def allows(self, now_s: float, served: int) -> bool:
        """
        Return True and count the try when it is worth it.

        :param now_s: seconds of any clock that never jumps.
        :param served: images with a result since the start.
        """
        if now_s - self._tried_at_s < RETRY_PERIOD_S or served == self._served:
            return False
        self._tried_at_s, self._served = now_s, served
        return True
