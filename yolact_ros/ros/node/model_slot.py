"""The loaded model: opened so that its first image is not the slow one, replaced behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.task import Future

from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.ros.node.worker import Predictor

OpenPredictor = Callable[..., Predictor]
DEMO_WEIGHTS = 'demo'
WARM_UP_SHAPE = (480, 640, 3)


@dataclass(frozen=True)
class ModelSource:
    """
    Which model.

    :param weights: path or known name; '' for the packaged demo model.
    :param config: preset name; '' to find it out from the weights.
    """

    weights: str
    config: str


class ModelSlot:
    """
    Holds the predictor; it changes in one assignment, so that an image sees the old or the new.

    All methods belong to the executor's thread; any thread may read `predictor`.
    """

    def __init__(self, open_predictor: OpenPredictor, source: ModelSource,
                 parameters: Callable[[], Parameters]) -> None:
        """
        Start empty.

        :param source: what to load first.
        :param parameters: returns the current snapshot.
        """
        self._open, self.source, self._parameters = open_predictor, source, parameters
        self.predictor: Predictor | None = None
        self._reloading = False

    def fill(self) -> None:
        """
        Load the model while the caller waits.

        :raises Exception: whatever open_predictor raises for a file or device it cannot use.
        """
        self.predictor = self._load(self.source, self._parameters())

    def empty(self) -> None:
        """Let go of the model."""
        self.predictor, self._reloading = None, False

    async def reload(self, wake: Callable[[], None]) -> None:
        """
        Let go of the model and load it anew in the background; `empty` calls it off.

        :param wake: wakes the executor, from another thread.
        :raises Exception: whatever open_predictor raises now.
        """
        source, parameters = self.source, self._parameters()
        self.predictor, self._reloading = None, True  # first: a device may not hold two
        predictor = await _in_background(lambda: self._load(source, parameters), wake)
        if self._reloading:
            self.predictor, self._reloading = predictor, False

    async def replace(self, source: ModelSource, wake: Callable[[], None]) -> None:
        """
        Load another model in the background, then swap.

        :param source: with empty weights the current model is loaded again.
        :param wake: wakes the executor, from another thread.
        :raises Exception: why the old model is still in place.
        """
        source = source if source.weights else self.source
        parameters = self._parameters()
        predictor = await _in_background(lambda: self._load(source, parameters), wake)
        if self.predictor is None:
            raise RuntimeError('the node let go of its model meanwhile')
        # The parameters may have changed since; what they mention must exist.
        self._parameters().postprocess.check_classes(predictor.class_names)
        self.predictor, self.source = predictor, source

    def _load(self, source: ModelSource, parameters: Parameters) -> Predictor:
        """Return a predictor that has already worked on one (black) image."""
        predictor = self._open(
            source.weights or DEMO_WEIGHTS, config=source.config or None,
            device=parameters.device, backend=parameters.backend,
            precision=parameters.precision, postprocess=parameters.postprocess)
        predictor.predict(np.zeros(WARM_UP_SHAPE, np.uint8))
        return predictor


def _in_background(work: Callable[[], Predictor], wake: Callable[[], None]) -> Future:
    """Do the work on a thread of its own and return its future result."""
    future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # handed on to whoever awaits the future
            future.set_exception(error)
        wake()

    threading.Thread(target=run, name='model loading', daemon=True).start()
    return future
