"""Curves of a training as PNG."""

from __future__ import annotations

from pathlib import Path

from yolact_ros.training.run_folder import RunFolder, read_rows

NOT_LOSSES = ('step', 'rate', 'gradient_norm', 'images_per_s')


def plot_history(folder: RunFolder) -> None:
    """Draw losses.csv and ap.csv next to them; nothing happens without matplotlib."""
    losses, scores = read_rows(folder.losses), read_rows(folder.ap)
    if losses:
        _plot(losses, [name for name in losses[0] if name not in NOT_LOSSES], 'loss', True,
              folder.path / 'losses.png')
    if scores:
        _plot(scores, [name for name in scores[0] if name != 'step'], 'AP', False,
              folder.path / 'ap.png')


def _plot(rows: list[dict[str, float]], names: list[str], label: str, logarithmic: bool,
          path: Path) -> None:
    """Write one picture with a curve for each name."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:  # an extra: the CSV files hold the same numbers
        return
    figure = Figure(figsize=(8, 5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name in names:
        axes.plot([row['step'] for row in rows], [row[name] for row in rows], label=name,
                  marker=None if logarithmic else 'o')
    axes.set(xlabel='step', ylabel=label, yscale='log' if logarithmic else 'linear')
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)
