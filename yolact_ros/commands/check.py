"""`yolact check`: everything that can be wrong with a data set, before a training."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from yolact_ros.checking.check import check_lists
from yolact_ros.checking.contact_sheet import write_contact_sheet
from yolact_ros.checking.findings import ERROR, LEFT_OUT, LOOK, Finding, is_clean
from yolact_ros.checking.sizes import size_lines
from yolact_ros.config import MODEL_PRESETS, ModelConfig
from yolact_ros.data.classes import ClassChoice, parse_classes
from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.formats.labels import has_split
from yolact_ros.data.split import split, split_share
from yolact_ros.training.anchors import report_anchors

EXAMPLES = """
examples:
  yolact check my_data/                         # a folder of a labelling tool, or a COCO JSON
  yolact check train.json --val val.json --strict

Every picture is read once; what was read is remembered until the file changes. yolact train does
the same before its first step. Exit code 1 when nothing can be learnt, with --strict when
anything is left out or wants a look.
"""
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument('data', metavar='DATA', help='what is to be learnt from')
    parser.add_argument('--val', default='', metavar='DATA|SHARE', help='what is to be measured '
                        'on, or a share of DATA such as 0.2 (default: the part val of a folder)')
    parser.add_argument('--images', metavar='DIR', help='folder of the pictures of DATA')
    parser.add_argument('--val-images', metavar='DIR', help='folder of the pictures of --val')
    parser.add_argument('--classes', nargs='+', default=(), metavar='NAME|OLD=NEW')
    parser.add_argument('--preset', default='yolact_plus_lite', choices=MODEL_PRESETS,
                        help='network that is to learn (default: %(default)s)')
    parser.add_argument('--input-size', type=int, metavar='PX', help="instead of the preset's")
    parser.add_argument('--ignore-exif', action='store_true',
                        help='labels were made without the EXIF orientation')
    parser.add_argument('--strict', action='store_true', help='findings are errors')
    parser.add_argument('--sheet', default='contact_sheet.png', metavar='FILE', type=Path,
                        help='pictures with their masks drawn (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the share')


def run(args: argparse.Namespace) -> int:
    """Check, print, draw; return the exit code."""
    train, val = _open(args)
    model = MODEL_PRESETS[args.preset](class_names=train.class_names)
    input_size = args.input_size or model.input_size
    findings = check_lists(train, val, input_size)
    for data in (train, val):
        if data is not None:
            print('\n'.join(data.report.lines()[:2] if data.report else
                            [f'{len(data)} pictures of it to measure on']))
            if len(data):
                print('\n'.join(size_lines(data, input_size)))
    print('\n'.join(_input_lines(model, train, input_size)))
    print('\n'.join(report(findings)))
    if len(train):
        count = write_contact_sheet(args.sheet, train)
        print(f'wrote {args.sheet} ({count} pictures with their masks)')
    return 0 if is_clean(findings, args.strict) else 1


def report(findings: Sequence[Finding]) -> list[str]:
    """Return the findings for people, and how many there are of each kind."""
    lines = [line for finding in findings for line in finding.lines()]
    counts = [f'{sum(finding.kind == kind for finding in findings)} {text}' for kind, text in (
        (ERROR, 'errors'), (LEFT_OUT, 'kinds of faults left out'), (LOOK, 'to look at'))]
    return [*lines, ', '.join(counts)]


def _open(args: argparse.Namespace) -> tuple[CocoDataset, CocoDataset | None]:
    """Return what is learnt and what is measured."""
    choice = parse_classes(args.classes)
    train = CocoDataset(args.data, args.images, choice)
    if args.ignore_exif:
        train.ignore_exif()
    if split_share(args.val) is not None:
        return split(train, split_share(args.val), args.seed)
    name = args.val or (args.data if has_split(args.data, 'val') else '')
    if not name:
        return train, None
    val = CocoDataset(name, args.val_images, ClassChoice(
        tuple(train.class_names), choice.renamed, choice.ignores_others), 'val')
    if args.ignore_exif:
        val.ignore_exif()
    return train, val


def _input_lines(model: ModelConfig, train: CocoDataset, input_size: int) -> list[str]:
    """Return whether the network's anchors reach the objects, and what would help."""
    return report_anchors(replace(model, input_size=input_size), train).lines()
