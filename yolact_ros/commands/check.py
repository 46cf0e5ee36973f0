"""`yolact check`: everything that can be wrong with a data set, before a training."""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from yolact_ros.checking.check import check_lists, find_series
from yolact_ros.checking.contact_sheet import write_contact_sheet
from yolact_ros.checking.findings import ERROR, LEFT_OUT, LOOK, Finding, is_clean
from yolact_ros.checking.sizes import (
    FEW_OBJECTS,
    SMALL,
    needed_input,
    object_sides,
    size_lines,
)
from yolact_ros.commands.jobs.train_data import use_of_source
from yolact_ros.config import MODEL_PRESETS, ModelConfig
from yolact_ros.data.classes import ClassChoice, parse_classes
from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.split import choose_val, split
from yolact_ros.devices import choose_device
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.model.yolact import Yolact
from yolact_ros.structures import InputSize, format_input_size, parse_input_size
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
WARM_UP, TIMED = 1, 3  # frames


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument('data', metavar='DATA', help='what is to be learnt from')
    parser.add_argument('--val', default='', metavar='DATA|SHARE', help='what is to be measured '
                        'on, or a share of DATA such as 0.2 (default: the part val of a folder)')
    parser.add_argument('--images', metavar='DIR', help='folder of the pictures of DATA')
    parser.add_argument('--val-images', metavar='DIR', help='folder of the pictures of --val')
    parser.add_argument('--classes', nargs='+', default=(), metavar='NAME|OLD=NEW',
                        help='classes to learn, or to learn under another name (default: all)')
    parser.add_argument('--preset', default='yolact_plus_lite', choices=MODEL_PRESETS,
                        help='network that is to learn (default: %(default)s)')
    parser.add_argument('--input-size', type=_input_size, metavar='PX|HxW',
                        help="instead of the preset's; height x width such as 192x352")
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
    model = replace(model, input_size=args.input_size or model.input_size)
    findings = check_lists(train, val, model.input_size)
    for data, use in ((train, use_of_source(val)), (val, 'to measure on')):
        if data is not None:
            print('\n'.join(data.report.lines(use)[:2] if data.report else
                            [f'{len(data)} pictures of it to measure on']))
            if len(data):
                print('\n'.join(size_lines(data, model.input_size)))
    if len(train):
        print('\n'.join(_input_lines(model, train)))
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
    share, name = choose_val(args.data, args.val)
    if share is not None:
        return split(train, share, args.seed, find_series(train))
    if not name:
        return train, None
    val = CocoDataset(name, args.val_images, ClassChoice(
        tuple(train.class_names), choice.renamed, choice.ignores_others), 'val')
    if args.ignore_exif:
        val.ignore_exif()
    return train, val


def _input_lines(model: ModelConfig, train: CocoDataset) -> list[str]:
    """Return whether the network reaches the objects, what would help and what that costs."""
    anchors = report_anchors(model, train)
    sides = object_sides(train, model.input_size)
    wanted = {model.input_size}
    if (sides < SMALL).mean() > FEW_OBJECTS:
        wanted.add(needed_input(sides, model.input_size))
    if anchors.better is not None:
        wanted.add(anchors.better.input_size)
    lines = anchors.lines()
    if len(wanted) > 1:
        models = sorted((replace(model, input_size=size) for size in wanted),
                        key=lambda model: model.input_shape.width)
        costs = [f'{frame_ms(model):.0f} ms at input {format_input_size(model.input_size)}'
                 for model in models]
        lines.append(f'  the network takes {", ".join(costs)} on this machine')
    return lines


def frame_ms(model: ModelConfig) -> float:
    """Return the median time of the network on one image on this machine [ms]."""
    network = Yolact(model).eval()
    device = choose_device('auto')
    backend = TorchBackend(network, device, 'float32')
    shape = model.input_shape
    image = torch.zeros(1, 3, shape.height, shape.width, device=device)
    times = []
    with torch.inference_mode():
        for _ in range(WARM_UP + TIMED):
            started = time.perf_counter()
            backend(image).box_offsets.cpu()
            times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[WARM_UP:])


def _input_size(text: str) -> InputSize:
    """Return the size of --input-size, with the reason where it is none."""
    try:
        return parse_input_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
