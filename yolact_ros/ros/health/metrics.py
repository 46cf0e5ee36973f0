"""Rates, ages and latencies of the running node, over a window that stays small."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

WINDOW_S = 5.0
LATENCIES = 200  # frames that percentiles look back on
CAUSES = {
    'overtaken': 'Images skipped because a newer one came.',
    'too_old': 'Images skipped for max_image_age.',
    'unwanted': 'Images that came while the node was disabled or inactive, or nobody listened.',
    'failed': 'Images lost to an error.',
}


@dataclass(frozen=True)
class Figures:
    """
    What happened lately; NaN where nothing did.

    The books add up at every moment: received = processed + the sum of dropped + waiting.

    :param input_rate: images received [Hz].
    :param input_age_ms: time from the stamp of the newest image to its arrival [ms].
    :param output_rate: arrays published [Hz].
    :param latency_ms: (median, 95th percentile) from arrival to published result [ms].
    :param stage_ms: median time of every stage [ms].
    :param received: images since the start.
    :param processed: images with a published result since the start.
    :param dropped: one of CAUSES -> images skipped since the start.
    :param waiting: images received that are neither: in the queue of one, or being worked on.
    :param last_error: newest reason why an image was lost, '' when there was none.
    :param failing: the newest image taken up was lost.
    """

    input_rate: float
    input_age_ms: float
    output_rate: float
    latency_ms: tuple[float, float]
    stage_ms: Mapping[str, float]
    received: int
    processed: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    last_error: str = ''
    failing: bool = False


class RateMeter:
    """How often something happened in the last seconds."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._times: deque[float] = deque(maxlen=1000)

    def tick(self, now: float) -> None:
        """Note that it happened. :param now: seconds of any clock that never jumps."""
        self._times.append(now)

    def rate(self, now: float) -> float:
        """Return how often it happened [Hz], 0 when it stopped or happened once."""
        while self._times and now - self._times[0] > WINDOW_S:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        interval = max(self._times[-1] - self._times[0], 1e-9) / (len(self._times) - 1)
        silence = now - self._times[-1]
        # Two intervals of silence are jitter; beyond, it has become as rare as the silence says.
        return 1 / (silence if silence > 2 * interval else interval)


class Metrics:
    """Figures collected by the receiving and the working thread, read by a third party."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._input, self._output = RateMeter(), RateMeter()
        self._input_age_ms = math.nan
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._stages: dict[str, deque[float]] = {}
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._last_error, self._failing = '', False

    def arrived(self, age_s: float) -> None:
        """Count an image. :param age_s: now minus its stamp, NaN when it has none."""
        with self._lock:
            self._input.tick(time.monotonic())
            self._counts['received'] += 1
            self._counts['waiting'] += 1
            self._input_age_ms = 1e3 * age_s

    def drop(self, cause: str, error: str = '') -> None:
        """Count an image that is skipped for one of CAUSES, 'failed' with its error."""
        with self._lock:
            self._counts['waiting'] -= 1
            self._dropped[cause] += 1
            if error:
                self._last_error, self._failing = error, True

    def processed(self, latency_s: float, stage_ms: Mapping[str, float]) -> None:
        """Count a published result and the time it took."""
        with self._lock:
            self._output.tick(time.monotonic())
            self._counts['processed'] += 1
            self._counts['waiting'] -= 1
            self._latencies.append(1e3 * latency_s)
            for stage, duration in stage_ms.items():
                self._stages.setdefault(stage, deque(maxlen=LATENCIES)).append(duration)
            self._failing = False

    @property
    def dropped(self) -> int:
        """Return the number of images skipped since the start, whatever the cause."""
        with self._lock:
            return sum(self._dropped.values())

    def figures(self) -> Figures:
        """Return all figures of this moment."""
        with self._lock:
            now = time.monotonic()
            latencies = list(self._latencies) or [math.nan]
            median, high = np.percentile(latencies, (50, 95)).tolist()
            return Figures(
                self._input.rate(now), self._input_age_ms, self._output.rate(now),
                (median, high),
                {stage: float(np.median(times)) for stage, times in self._stages.items()},
                self._counts['received'], self._counts['processed'], dict(self._dropped),
                self._counts['waiting'], self._last_error, self._failing)
