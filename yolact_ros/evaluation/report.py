"""An evaluation in words and tables."""

from __future__ import annotations

from yolact_ros.evaluation.ap import METRICS
from yolact_ros.evaluation.evaluate import EvalResult


def report_lines(result: EvalResult) -> list[str]:
    """Return the scores for people; '-' where the truth has no such object."""
    content = result.to_json()
    lines = [f'{content["images"]} images, {content["instances"]} objects, '
             f'{content["crowds"]} crowd regions, {content["detections"]} detections', '',
             ' ' * 5 + ''.join(f'{name:>7}' for name in METRICS)]
    for name, summary in (('box', result.box), ('mask', result.mask)):
        if summary:
            lines.append(f'{name:<5}' + ''.join(_cell(summary.values[key]) for key in METRICS))
    lines += ['', *_class_table(result)]
    if result.original:
        lines += ['', 'AP of the original evaluator (not COCO\'s; for comparison with its prints)',
                  *(f'{kind:<5} all {values["all"]:.4f}, at IoU 0.50 {values["0.50"]:.4f}, '
                    f'0.75 {values["0.75"]:.4f}' for kind, values in result.original.items())]
    return lines + [f'note: {note}' for note in result.truth.notes]


def _class_table(result: EvalResult) -> list[str]:
    """Return a row for every class that the truth has objects of."""
    kinds = [(name, summary) for name, summary in (('box', result.box), ('mask', result.mask))
             if summary]
    width = max(5, *(len(name) for name in result.truth.class_names)) + 2
    header = f'{"class":<{width}}{"objects":>8}' + ''.join(
        f'{f"{name} {metric}":>11}' for name, _ in kinds for metric in ('AP', 'AP50', 'AP75'))
    rows = []
    for entries in zip(*(summary.per_class for _, summary in kinds)):
        if entries[0].instances:
            cells = ''.join(_cell(value, 11) for entry in entries
                            for value in (entry.ap, entry.ap50, entry.ap75))
            rows.append(f'{entries[0].name:<{width}}{entries[0].instances:>8}{cells}')
    return [header, *rows]


def _cell(value: float, width: int = 7) -> str:
    """Return a score right-aligned, '-' for what could not be measured."""
    return f'{"-" if value < 0 else f"{value:.3f}":>{width}}'
