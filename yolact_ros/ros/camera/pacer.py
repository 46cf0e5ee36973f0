"""When the next frame of a source is due."""

from __future__ import annotations


class Pacer:
    """Says when the next frame is due; a late frame delays the following ones, no catching up."""

    def __init__(self, rate: float, source_rate: float | None) -> None:
        """
        Start with the first frame.

        :param rate: frames per second [Hz]; 0: by the frames' own times.
        :param source_rate: of the source itself [Hz]; None: it is live, never hold its frames.
        """
        self._step = 1 / rate if rate else None
        self._live = not rate and source_rate is None
        self._gap_between_laps = 1 / source_rate if source_rate else 0.0
        self._due: float | None = None
        self._last_time = 0.0

    def due(self, frame_time: float, now: float) -> float:
        """
        Return when to publish the next frame, on the clock of now [s].

        :param frame_time: since the start of the source [s]; falls back when it begins again.
        """
        gap = frame_time - self._last_time
        step = self._step or (gap if gap > 0 else self._gap_between_laps)
        self._last_time = frame_time
        if self._due is None or self._live or now > self._due + 2 * step:
            self._due = now
        else:
            self._due += step
        return self._due
