"""Figures as PNG files, drawn without a display; matplotlib is imported only here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolact_ros.extras import require
from yolact_ros.files import replacing

DOTS_PER_INCH = 110


@contextmanager
def open_figure(path: Path, width: float, height: float) -> Iterator[Any]:
    """
    Yield an empty matplotlib Figure that is written, whole, when the block succeeds.

    Callers write their numbers first, so that without matplotlib only the plots are missing.

    :param path: ends in .png.
    :param width: [inches].
    :param height: [inches].
    :raises ImportError: when matplotlib is missing, with the line that installs it.
    :raises OSError: when the file cannot be written.
    """
    require('matplotlib', 'train')
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    yield figure
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        figure.savefig(part, dpi=DOTS_PER_INCH)
