"""When the device under the network fails: how to tell, and how often to load the model again."""

from __future__ import annotations

import math
import re

RETRY_PERIOD_S = 60.0
CURE = ('use a smaller input or model, precision:=float16, or another device (device:=cpu); '
        'nvidia-smi tells who else uses its memory')
# Told by name, since torch may be absent here. Sticky errors of CUDA are AcceleratorError in new
# releases of torch and RuntimeError with one of these texts in older ones.
_SIGNS = re.compile(r'OutOfMemoryError|AcceleratorError|CUDA (driver )?error|CUDA failure'
                    r'|CUDA out of memory|Triton Error \[CUDA\]|cuDNN error'
                    r'|CU(BLAS|DNN|SOLVER)_STATUS|NVML_')


def is_device_failure(error: BaseException) -> bool:
    """Return True when the device failed or its memory is full, so that no image is to blame."""
    return _SIGNS.search(f'{type(error).__name__}: {error}') is not None


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
