"""The folder of a training: checkpoints, resumable state, CSV logs and their curves."""

from __future__ import annotations

import csv
import fcntl
import io
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from yolact_ros.figures import open_figure
from yolact_ros.files import replace_file, replacing
from yolact_ros.training.event_log import EventLog

logger = logging.getLogger(__name__)

NOT_LOSSES = ('step', 'rate', 'gradient_norm', 'images_per_s')


class RunFolder:
    """
    Files of one training.

    last.safetensors and best.safetensors are checkpoints for use; state.pt holds what resuming
    needs; losses.csv and ap.csv the history, also as TensorBoard's events; config.yaml the
    configuration.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.last = self.path / 'last.safetensors'
        self.best = self.path / 'best.safetensors'
        self.state = self.path / 'state.pt'
        self.losses = self.path / 'losses.csv'
        self.ap = self.path / 'ap.csv'
        self.config = self.path / 'config.yaml'
        self.samples = self.path / 'samples'
        self.events = EventLog(self.path)

    def check(self, resume: bool) -> None:
        """
        Refuse a folder that does not fit what is wanted, before anything is written.

        :raises FileExistsError: when it holds a training that is not to be resumed.
        :raises FileNotFoundError: when there is nothing to resume.
        """
        if resume and not self.state.is_file():
            raise FileNotFoundError(f'{self.path} holds no training to resume ({self.state.name} '
                                    'is missing); leave --resume out')
        if not resume and self.state.is_file():
            raise FileExistsError(f'{self.path} already holds a training; continue it with '
                                  '--resume or choose another --out')

    def prepare(self, resume: bool) -> None:
        """
        Make the folder.

        :raises OSError: as check does, or when it cannot be made.
        """
        self.check(resume)
        self.path.mkdir(parents=True, exist_ok=True)
        if not resume:
            for file in (self.losses, self.ap):
                file.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Keep other trainings out of the folder; the lock ends with the process at the latest.

        :raises FileExistsError: when another process trains into it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / '.lock').open('w', encoding='utf-8') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FileExistsError(f'another process trains into {self.path} right now; wait '
                                      'for it, or choose another --out') from error
            except OSError as error:  # some network disks know no locks
                logger.warning('%s cannot be locked (%s); see to it that only one training '
                               'writes there', self.path, error.strerror)
            yield

    def save_state(self, state: Mapping[str, Any]) -> None:
        """
        Write the state; the old one survives a full disk.

        :raises OSError: when it cannot be written.
        """
        try:
            with replacing(self.state) as part:
                torch.save(dict(state), part)
        except RuntimeError as error:  # torch's writer does not raise OSError
            raise OSError(f'{self.state} could not be written ({error}); is the disk '
                          'full?') from error

    def add_losses(self, row: Mapping[str, Any]) -> None:
        """
        Write the losses of a step.

        :raises OSError: when it cannot be written; the file then ends with the row before.
        """
        append_row(self.losses, row)
        self.events.add('train', row)

    def add_scores(self, row: Mapping[str, Any]) -> None:
        """
        Write what was measured at a step.

        :raises OSError: when it cannot be written; the file then ends with the row before.
        """
        append_row(self.ap, row)
        self.events.add('val', row)

    @contextmanager
    def explained(self, step: int) -> Iterator[None]:
        """
        Say what there is to resume where the checkpoint of a step cannot be written.

        :raises OSError: with the reason.
        """
        try:
            yield
        except OSError as error:
            kept = ('the previous one is intact' if self.state.is_file() else
                    'there is none yet to resume from')
            raise OSError(f'no checkpoint at step {step} in {self.path} ({error}), {kept}; make '
                          'room') from error

    def load_state(self) -> dict[str, Any]:
        """Return the saved state, on the CPU."""
        return torch.load(self.state, map_location='cpu', weights_only=True)


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """
    Add a row to a CSV file; the first one writes the header.

    :raises OSError: when it cannot be written; the file then ends with the row before.
    """
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, list(row))
    size = path.stat().st_size if path.is_file() else 0
    if not size:
        writer.writeheader()
    writer.writerow(row)
    try:
        with path.open('ab') as file:
            file.write(text.getvalue().encode())
    except OSError:
        if path.is_file():
            os.truncate(path, size)
        raise


def read_rows(path: Path) -> list[dict[str, float]]:
    """Return the rows of a CSV file of numbers, none when there is no file."""
    if not path.is_file():
        return []
    with path.open(newline='', encoding='utf-8') as file:
        return [{key: float(value) for key, value in row.items()}
                for row in csv.DictReader(file)]


def drop_rows_after(path: Path, step: int) -> None:
    """Take rows out that a resumed training will write again; the others stay as they are."""
    if not path.is_file():
        return
    with path.open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if int(row['step']) <= step]
    if len(kept) < len(rows):
        text = io.StringIO(newline='')
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
        replace_file(path, text.getvalue().encode())


def plot_history(folder: RunFolder) -> None:
    """Draw losses.csv and ap.csv next to them; without matplotlib say so once and go on."""
    losses, scores = read_rows(folder.losses), read_rows(folder.ap)
    try:
        if losses:
            _plot_losses(losses, folder.path / 'losses.png')
        if scores:
            _plot_scores(scores, folder.path / 'ap.png')
    except ImportError as error:
        _say_once(f'no plots, only {folder.losses.name} and {folder.ap.name}: {error}')


def _plot_losses(rows: list[dict[str, float]], path: Path) -> None:
    """Write the curve of every loss."""
    with open_figure(path, 8, 5) as figure:
        axes = figure.subplots()
        _draw_curves(axes, rows, [name for name in rows[0] if name not in NOT_LOSSES])
        axes.set(ylabel='loss', yscale='log')


def _plot_scores(rows: list[dict[str, float]], path: Path) -> None:
    """Write the curve of every measured AP."""
    with open_figure(path, 8, 5) as figure:
        axes = figure.subplots()
        _draw_curves(axes, rows, [name for name in rows[0] if name != 'step'], marker='o')
        axes.set(ylabel='AP')


def _draw_curves(axes: Any, rows: list[dict[str, float]], names: list[str],
                 marker: str | None = None) -> None:
    """Draw a curve over the steps for each name."""
    for name in names:
        axes.plot([row['step'] for row in rows], [row[name] for row in rows], label=name,
                  marker=marker)
    axes.set(xlabel='step')
    axes.grid(alpha=0.3)
    axes.legend()


@cache
def _say_once(text: str) -> None:
    """Log a warning that would come again at every checkpoint."""
    logger.warning('%s', text)
