"""When the device under the network fails: load the model again, or give up with the cure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rclpy.node import Node

from yolact_ros.ros.node.model_slot import ModelSlot
from yolact_ros.ros.node.worker import Worker
from yolact_ros.ros.reason import reason_of
from yolact_ros.ros.spin import GivenUp

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


class Recovery:
    """Brings the model back after its device failed."""

    def __init__(self, node: Node, model: ModelSlot, wake: Callable[[], None]) -> None:
        """:param wake: wakes the executor, from another thread."""
        self._node, self._model, self._wake = node, model, wake
        self._rule = RetryRule()

    async def recover(self, worker: Callable[[], Worker | None], served: int) -> None:
        """
        Load the model again and let the worker go on.

        :param worker: returns that of the moment, None after a clean-up.
        :param served: images with a result since the start.
        :raises GivenUp: when that does not help; the reason has been logged.
        """
        failed, log = worker(), self._node.get_logger()
        if failed is None:
            return
        try:
            if not self._rule.allows(time.monotonic(), served):
                raise RuntimeError(failed.device_failure)
            log.warning("the network's device failed: loading the model again")
            await self._model.reload(self._wake)
        except Exception as error:  # nothing is left to serve with
            log.error("giving up, the network's device failed and the model could not be brought "
                      f'back: {reason_of(error)}; {CURE}')
            raise GivenUp from error
        if failed is worker():
            failed.resume()
            log.info(f'loaded again: {self._model.description}')
