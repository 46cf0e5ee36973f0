"""Plots of `yolact benchmark`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yolact_ros.figures import open_figure

STAGE_COLORS = {'upload': '#c9d6df', 'preprocess': '#8fb8de', 'network': '#2f5d8a',
                'detect': '#e0a458', 'assemble': '#d9826b', 'rescore': '#b5485d',
                'pixels': '#7d3c60', 'download': '#a9b8a3', 'unpack': '#6b8f71'}
MARKERS = 'os^Dv'
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


def plot_accuracy(rows: Sequence[dict], path: Path) -> None:
    """
    Draw mask AP over the median of a frame: one colour a variant, one line a data set.

    :param rows: what has no AP but the same work, the baseline for instance, becomes an upright
        line; other work than that of the first row is left out.
    """
    work = 'width', 'height', 'instances', 'batch'
    shown = [row for row in rows if all(row[key] == rows[0][key] for key in work)]
    with open_figure(path, 8, 4.5) as figure:
        axes = figure.subplots()
        for index, row in enumerate(shown):
            at, color = row['frame_ms']['median'] / row['batch'], f'C{index}'
            label = f'{row["network"]}, {row["variant"]}: {at:.0f} ms'
            if 'mask_ap' in row:
                axes.plot([at] * len(row['mask_ap']), list(row['mask_ap'].values()),
                          MARKERS[index % len(MARKERS)], color=color, alpha=0.7, label=label)
            else:
                axes.axvline(at, color=color, linestyle='--', label=label)
        scored = sorted((row for row in shown if 'mask_ap' in row),
                        key=lambda row: row['frame_ms']['median'])
        for data in dict.fromkeys(name for row in scored for name in row['mask_ap']):
            points = [(row['frame_ms']['median'] / row['batch'], row['mask_ap'][data])
                      for row in scored]
            axes.plot(*zip(*points), color='#999999', linewidth=0.8, zorder=0)
            axes.annotate(data, points[-1], (6, 0), textcoords='offset points', va='center',
                          fontsize=8)
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1)
        axes.set_xlabel('milliseconds for one picture of {width}x{height} with {instances} '
                        'objects, median'.format(**shown[0]))
        axes.set_ylabel('mask AP')
        axes.spines[['top', 'right']].set_visible(False)
        figure.legend(loc='outside upper center', ncols=2, fontsize=8)


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
