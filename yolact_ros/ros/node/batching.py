"""Whether the waiting images of several cameras are faster together; measured, not believed."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from yolact_ros.ros.node.processing import Predictor

RUNS = 5  # the quickest counts; the first of a new batch may capture a graph
GAIN = 0.95  # a batch must take less than this part of the time of single images


def useful_batch(predictor: Predictor, image: np.ndarray, cameras: int) -> int:
    """
    Return how many images are best given to the network together.

    On a CPU it is one: the cores are busy with a single image, and a batch makes the first camera
    wait for the last.

    :param image: what to measure with, (H, W, 3) uint8.
    """
    if cameras < 2 or not getattr(predictor, 'on_gpu', False):
        return 1
    single = _quickest(lambda: predictor.predict(image))
    try:
        together = _quickest(lambda: predictor.predict_batch([image] * cameras))
    except RuntimeError:  # the device has no room for a batch
        return 1
    return cameras if together < GAIN * cameras * single else 1


def _quickest(work: Callable[[], object]) -> float:
    """Return the least time that work takes [s], after one run to warm up."""
    work()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
