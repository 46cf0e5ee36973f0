"""What a user may choose about identity."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrackerConfig:
    """
    How long and from when on an object is the same one.

    :param max_gap: a lost object keeps its number so long [s]; also how long a track may be seen
        as another class only before it counts as another object.
    :param min_hits: in how many images an object must be seen before it gets a number.
    :param high_score: detections from this score on begin tracks; weaker ones only continue them.
    """

    max_gap: float = 1.0
    min_hits: int = 2
    high_score: float = 0.4

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if not (self.max_gap >= 0 and math.isfinite(self.max_gap)):
            raise ValueError(f'max_gap must be a time of at least 0 s, got {self.max_gap}')
        if self.min_hits < 1:
            raise ValueError(f'min_hits must be at least 1, got {self.min_hits}')
        if not 0 <= self.high_score <= 1:
            raise ValueError(f'high_score must be in [0, 1], got {self.high_score}')
