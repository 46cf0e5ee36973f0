"""What a node's process looks like over time, and whether that is how it should be."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

WARM_UP = 1 / 2     # of the samples; caches, allocator and first reloads are behind it then
SHORTEST_S = 500.0  # of a run whose memory says anything
MOST_DRIFT = 0.01   # of the memory
CAUSES = 'dropped '


@dataclass(frozen=True)
class Sample:
    """
    One second of the node.

    :param time: since the start [s].
    :param books: received, processed, waiting and every cause of a drop.
    """

    time: float
    rss_mib: float
    threads: int
    descriptors: int
    output_hz: float
    books: dict[str, int]

    @property
    def unaccounted(self) -> int:
        """Return how many images received are in no column of the books."""
        dropped = sum(count for name, count in self.books.items() if name.startswith(CAUSES))
        return (self.books['received'] - self.books['processed'] - dropped
                - self.books['waiting'])


@dataclass
class Vitals:
    """
    The samples of a run and what was done to the node.

    :param events: time [s] and name of everything that was done.
    :param trouble: what went wrong at once: an answer that did not come, a process that ended.
    """

    samples: list[Sample] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return what must not be."""
        if not self.samples:
            return [*self.trouble, 'no diagnostics ever came']
        found = list(self.trouble)
        wrong = [sample for sample in self.samples if sample.unaccounted]
        if wrong:
            found.append(f'the books are off {len(wrong)} times, first by '
                         f'{wrong[0].unaccounted} at {wrong[0].time:.0f} s')
        if self.samples[-1].books['processed'] == 0:
            found.append('not one image was processed')
        if self.samples[-1].time < SHORTEST_S:
            return found
        for name in ('threads', 'descriptors'):
            early, late = (int(np.median([getattr(one, name) for one in part]))
                           for part in self._early_and_late())
            if late > early:
                found.append(f'{name} grew from {early} to {late}')
        if self.drift > MOST_DRIFT:
            found.append(f'memory grew by {100 * self.drift:.1f} % after the warm-up')
        return found

    @property
    def drift(self) -> float:
        """Return how much memory grew from the first to the last part after the warm-up."""
        early, late = (np.median([one.rss_mib for one in part])
                       for part in self._early_and_late())
        return float(late / early - 1)

    def _early_and_late(self) -> tuple[list[Sample], list[Sample]]:
        """Return the first and the last third of what comes after the warm-up."""
        warm = self.samples[int(WARM_UP * len(self.samples)):]
        third = max(len(warm) // 3, 1)
        return warm[:third], warm[-third:]

    def summary(self) -> list[str]:
        """Return the figures in words."""
        if not self.samples:
            return []
        last = self.samples[-1]
        names = {name for _, name in self.events}
        done = ', '.join(f'{sum(one == name for _, one in self.events)} x {name}'
                         for name in sorted(names))
        return [f'{last.time:.0f} s; {done}',
                'books: ' + ', '.join(f'{name} {count}' for name, count in last.books.items()),
                f'memory {last.rss_mib:.0f} MiB, drift {100 * self.drift:+.2f} %; threads '
                f'{last.threads}, descriptors {last.descriptors}']

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.write_text(json.dumps(asdict(self)))

    def plot(self, path: Path) -> None:
        """Draw the figures over time as PNG."""
        import matplotlib
        matplotlib.use('Agg')
        from matplotlib import pyplot
        figure, axes = pyplot.subplots(4, 1, sharex=True, figsize=(10, 9), layout='constrained')
        times = [one.time for one in self.samples]
        rows = (('memory [MiB]', 'rss_mib'), ('threads', 'threads'),
                ('descriptors', 'descriptors'), ('results [Hz]', 'output_hz'))
        for axis, (label, name) in zip(axes, rows):
            axis.plot(times, [getattr(one, name) for one in self.samples], linewidth=1)
            axis.set_ylabel(label)
            axis.grid(alpha=0.3)
            for time, event in self.events:
                if event.startswith('reload'):
                    axis.axvline(time, color='tab:orange', alpha=0.3, linewidth=0.8)
        axes[-1].set_xlabel('time [s]; orange: reloads')
        figure.savefig(path, dpi=110)
        pyplot.close(figure)
