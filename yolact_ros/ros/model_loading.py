"""Open a model so that its first image is not the slow one, in the foreground or behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.task import Future

from yolact_ros.ros.parameters import Parameters
from yolact_ros.ros.worker import Predictor

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


def load_model(open_predictor: OpenPredictor, source: ModelSource,
               parameters: Parameters) -> Predictor:
    """
    Return a predictor that has already worked on one (black) image.

    :param parameters: say where and how it runs.
    :raises Exception: whatever open_predictor raises for a file or device it cannot use.
    """
    predictor = open_predictor(
        source.weights or DEMO_WEIGHTS, config=source.config or None, device=parameters.device,
        backend=parameters.backend, precision=parameters.precision,
        postprocess=parameters.postprocess)
    predictor.predict(np.zeros(WARM_UP_SHAPE, np.uint8))
    return predictor


def in_background(work: Callable[[], Predictor], done: Callable[[], None]) -> Future:
    """
    Do the work on a thread of its own and return its future result.

    :param done: called on that thread afterwards, to wake whoever awaits the future.
    """
    future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # handed on to whoever awaits the future
            future.set_exception(error)
        done()

    threading.Thread(target=run, name='model loading', daemon=True).start()
    return future
