"""How far a training is, and when it has gone far enough."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)


@dataclass
class Progress:
    """
    How far a training is.

    :param step: steps done.
    :param best_ap: best mask AP measured so far, negative before the first.
    :param nonfinite: steps in a row that were skipped.
    :param saved: step of the last checkpoint.
    :param stale: measurements in a row that were no better than an earlier one.
    """

    step: int = 0
    saved: int = 0
    best_ap: float = -1.0
    nonfinite: int = 0
    stale: int = 0
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    summed: int = 0
    since: float = field(default_factory=time.perf_counter)


class Limits:
    """
    What ends a training before its last step.

    :param patience: measurements in a row without a better mask AP; 0 for no limit.
    :param hours: from now on; 0 for no limit.
    """

    def __init__(self, patience: int, hours: float) -> None:
        self.patience = patience
        self.hours = hours
        self._start = time.monotonic()

    @property
    def share(self) -> float:
        """Return which share of the hours is over, 0 without a limit."""
        return (time.monotonic() - self._start) / (3600 * self.hours) if self.hours else 0.0

    def reached(self, progress: Progress) -> bool:
        """Return whether the training is to end, and say why."""
        if self.patience and progress.stale >= self.patience:
            logger.info('step %d: no better mask AP in %d measurements, the training ends',
                        progress.step, progress.stale)
            return True
        if self.share >= 1:
            logger.info('step %d: %g hours are over, the training ends', progress.step, self.hours)
            return True
        return False
