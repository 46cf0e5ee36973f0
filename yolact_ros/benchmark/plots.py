"""Plots of `yolact benchmark`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yolact_ros.figures import open_figure

STAGE_COLORS = {'upload': '#c9d6df', 'preprocess': '#8fb8de', 'network': '#2f5d8a',
                'detect': '#e0a458', 'assemble': '#d9826b', 'rescore': '#b5485d',
                'pixels': '#7d3c60', 'download': '#a9b8a3', 'unpack': '#6b8f71'}
AXES = (('picture', 'picture size [px]'), ('instances', 'instances'), ('classes', 'classes'),
        ('batch', 'pictures in a call'))


def plot_frames(rows: Sequence[dict], path: Path) -> None:
    """Draw the median of every stage as stacked bars, one bar for each row."""
    with open_figure(path, 9, 1.4 + 0.42 * len(rows)) as figure:
        axes = figure.subplots()
        labels = [f'{row["network"]}, {row["variant"]}, {row["width"]}x{row["height"]}, '
                  f'n={row["instances"]}, b={row["batch"]}' for row in rows]
        positions = range(len(rows))
        left = [0.0] * len(rows)
        used = [stage for stage in STAGE_COLORS if any(stage in row['stage_ms'] for row in rows)]
        for stage in used:
            widths = [row['stage_ms'].get(stage, {'median': 0.0})['median'] / row['batch']
                      for row in rows]
            axes.barh(positions, widths, left=left, color=STAGE_COLORS[stage], label=stage)
            left = [start + width for start, width in zip(left, widths)]
        longest = max(left, default=1.0)
        for position, (row, end) in enumerate(zip(rows, left)):
            text = f' {end:.0f} ms'
            if 'speedup' in row:
                text += f', {row["speedup"]["wall"]:.1f} x'
            axes.text(end, position, text, va='center', fontsize=8)
        axes.set_yticks(positions, labels, fontsize=8)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, longest * 1.18)
        axes.set_xlabel('milliseconds for one picture, median of each stage')
        figure.legend(loc='outside upper center', ncols=max(len(used), 1), fontsize=8)
        axes.spines[['top', 'right']].set_visible(False)


def plot_scaling(rows: Sequence[dict], path: Path) -> None:
    """Draw time and memory over each axis of the work."""
    with open_figure(path, 10, 7) as figure:
        panels = figure.subplots(2, 2)
        for panel, (axis, label) in zip(panels.flat, AXES):
            chosen = [row for row in rows
                      if row['axis'] == axis and ' at ' not in str(row['value'])]
            at = range(len(chosen))
            panel.plot(at, [row['frame_ms']['median'] for row in chosen], 'o-', color='#2f5d8a',
                       label='wall time')
            panel.plot(at, [row['cpu_ms']['median'] for row in chosen], 'o--', color='#8fb8de',
                       label='processor time')
            panel.set_xticks(at, [str(row['value']) for row in chosen], fontsize=8)
            panel.set_ylim(bottom=0)
            panel.set_xlabel(label)
            panel.set_ylabel('ms for one picture')
            if all(row['peak_mb'] is not None for row in chosen):
                memory = panel.twinx()
                memory.plot(at, [row['peak_mb'] for row in chosen], 's:', color='#b5485d',
                            label='peak memory')
                memory.set_ylim(0, 1.08 * memory.get_ylim()[1])
                memory.set_ylabel('peak memory [MB]', color='#b5485d')
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc='outside lower center',
                      ncols=2)
        if rows:
            figure.suptitle(f'{rows[0]["network"]}, {rows[0]["precision"]}: cost as the work '
                            'grows (dotted: memory)')
