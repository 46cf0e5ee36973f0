"""How the learning rate changes over the iterations: a pure function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

SCHEDULES = ('step', 'cosine', 'onecycle', 'constant')


@dataclass(frozen=True)
class Schedule:
    """
    The learning rate of every step.

    :param kind: 'step' (published), 'cosine' (falls to 0), 'onecycle' (rises over the warm-up
        from 1/25, then falls as a cosine) or 'constant'.
    :param peak: learning rate after the warm-up.
    :param iterations: steps in all.
    :param drops: 'step': from each of these steps on the rate is multiplied by drop_factor.
    :param warmup: steps over which the rate rises.
    :param warmup_start: rate at step 0.
    """

    kind: str
    peak: float
    iterations: int
    drops: tuple[int, ...] = ()
    drop_factor: float = 0.1
    warmup: int = 500
    warmup_start: float = 1e-4

    def rate(self, step: int) -> float:
        """Return the learning rate of the step, counted from 0."""
        if self.warmup > 0 and step <= self.warmup:
            return self._warmup_rate(step / self.warmup)
        if self.kind == 'step':
            return self.peak * self.drop_factor ** sum(step >= drop for drop in self.drops)
        if self.kind == 'constant':
            return self.peak
        progress = (step - self.warmup) / max(self.iterations - self.warmup, 1)
        return self.peak * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    def _warmup_rate(self, share: float) -> float:
        """Return the rate after this share of the warm-up."""
        if self.kind == 'onecycle':
            start = self.peak / 25
            return start + (self.peak - start) * 0.5 * (1 - math.cos(math.pi * share))
        return self.warmup_start + (self.peak - self.warmup_start) * share
