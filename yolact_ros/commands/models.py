"""`yolact models`: list the weights that can be used by name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from yolact_ros.files import cache_dir
from yolact_ros.weights.published import (
    DEMO_WEIGHTS,
    HUGGING_FACE,
    PUBLISHED,
    PublishedWeights,
    cache_path,
)

HEADER = ('NAME', 'MASK AP', 'SIZE', 'HERE', 'WHAT')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the help of `yolact models`; it has no options."""
    parser.epilog = ('MASK AP is what the authors publish for COCO test-dev [%]. '
                     'SIZE counts 4 bytes for every parameter.')


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    print('\n'.join(table([HEADER, _demo_row(), *map(_row, PUBLISHED)])))
    print(f'\ncache: {cache_dir()}\nsource: {HUGGING_FACE}/dbolya\n'
          'fetch with: yolact download NAME')
    return 0


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def _demo_row() -> tuple[str, ...]:
    """Return the row of the packaged model."""
    size = f'{DEMO_WEIGHTS.stat().st_size / 1e6:.0f} MB' if DEMO_WEIGHTS.exists() else '-'
    return ('demo', '-', size, 'yes' if DEMO_WEIGHTS.exists() else 'no',
            'packaged, people and synthetic tabletop objects')


def _row(weights: PublishedWeights) -> tuple[str, ...]:
    """Return the row of published weights."""
    score = '-' if weights.mask_ap is None else f'{weights.mask_ap:.1f}'
    what = ('ImageNet backbone, to start training from' if weights.is_backbone
            else '80 COCO classes')
    return (weights.name, score, f'{weights.min_bytes / 1e6:.0f} MB',
            'yes' if cache_path(weights.name).exists() else 'no', what)
