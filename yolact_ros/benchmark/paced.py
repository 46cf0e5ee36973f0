"""Frames that come at a camera's rate: how many are served, and how old their results are."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def measure_paced(work: Callable[[], object], rate: float, count: int,
                  clock: Callable[[], float] = time.perf_counter,
                  sleep: Callable[[float], None] = time.sleep) -> dict[str, float]:
    """
    Serve frames that arrive at a rate; as in the node the newest replaces one that waits.

    :param work: serves a frame.
    :param rate: frames that arrive in a second.
    :param count: frames that arrive, at least 1.
    :returns: fps, median and p95 of the latency from arrival to result [ms], and the dropped ones.
    """
    start, frame, latency_ms = clock(), 0, []
    while frame < count:
        sleep(max(start + frame / rate - clock(), 0.0))
        frame = min(max(frame, int((clock() - start) * rate)), count - 1)
        work()
        latency_ms.append((clock() - start - frame / rate) * 1e3)
        frame += 1
    return {'rate': rate, 'fps': round(len(latency_ms) / (clock() - start), 2),
            'latency_ms': round(float(np.median(latency_ms)), 3),
            'latency_p95_ms': round(float(np.percentile(latency_ms, 95)), 3),
            'dropped': count - len(latency_ms)}
