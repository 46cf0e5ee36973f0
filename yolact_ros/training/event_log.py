"""The numbers of a training for TensorBoard, where that is installed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class EventLog:
    """
    Curves in TensorBoard's own files, beside the CSV files; nothing where it is not installed.

    The file is opened by the first row, so that a training that is refused leaves none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None
        self._works = True

    def add(self, group: str, row: Mapping[str, float]) -> None:
        """
        Write a row of numbers; what fails is told once, and then no more is written.

        Later points that a stopped training has left there are taken back by TensorBoard.

        :param group: of curves, such as train.
        :param row: name -> value, with the step.
        """
        if not self._works:
            return
        step = int(row['step'])
        try:
            if self._writer is None:
                self._writer = _open_writer(self.folder, step)
            for name, value in row.items():
                if name != 'step':
                    self._writer.add_scalar(f'{group}/{name}', value, step)
            self._writer.flush()
        except ImportError:
            self._works = False
        except (OSError, RuntimeError) as error:
            self._works = False
            logger.warning('no more curves for TensorBoard: %s', error)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _open_writer(folder: Path, step: int) -> Any:
    """Return TensorBoard's writer; ImportError where it is not installed."""
    from torch.utils.tensorboard import SummaryWriter  # takes seconds

    return SummaryWriter(str(folder), purge_step=step)
