"""`yolact benchmark`: how fast this machine segments, beside the plain way to do it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from yolact_ros.benchmark.frames import (
    make_backend,
    measure_frames,
    noise_image,
    open_network,
)
from yolact_ros.benchmark.measure import Machine, measure, measured_peak
from yolact_ros.benchmark.plots import plot_accuracy, plot_frames, plot_scaling
from yolact_ros.benchmark.scaling import measure_scaling
from yolact_ros.benchmark.scripted import ScriptedBackend
from yolact_ros.benchmark.tables import format_heading, format_node, format_row, format_scaling
from yolact_ros.config import PostprocessConfig
from yolact_ros.devices import (
    PRECISIONS,
    choose_device,
    choose_precision,
    dtype_of,
    fast_precisions,
)
from yolact_ros.files import make_folder, replace_file
from yolact_ros.inference.predictor import Predictor
from yolact_ros.structures import ImageSize

DEFAULT_NETWORKS = 'demo,yolact_resnet50,yolact_plus_resnet50'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    words = _split
    parser.add_argument('networks', nargs='*', default=words(DEFAULT_NETWORKS), metavar='NETWORK',
                        help='presets, checkpoints or demo (default: '
                             f'{DEFAULT_NETWORKS.replace(",", " ")})')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--backends', type=words, default=['torch'], metavar='A,B',
                        help='torch, openvino (default: torch)')
    parser.add_argument('--precisions', type=words, metavar='A,B',
                        help='default: all that the device has instructions for; int8 for what '
                             'yolact quantize made, demo for instance')
    parser.add_argument('--sizes', type=_sizes, default=[ImageSize(720, 1280)], metavar='WxH,...',
                        help='pictures [px] (default: 1280x720)')
    parser.add_argument('--instances', type=_numbers, default=[20], metavar='N,...',
                        help='objects in a picture (default: 20)')
    parser.add_argument('--batches', type=_numbers, default=[1], metavar='N,...',
                        help='pictures in a call (default: 1)')
    parser.add_argument('--rounds', type=int, default=15, help='measured calls (default: 15)')
    parser.add_argument('--warmup', type=int, default=3, help='calls before (default: 3)')
    parser.add_argument('--threads', type=int, help='processor threads (default: torch decides)')
    parser.add_argument('--busy', type=int, default=0, metavar='N',
                        help='also beside N processes that keep a core busy each')
    parser.add_argument('--rate', type=float, default=0.0, metavar='HZ',
                        help='also frames per second and latency of frames that come at this '
                             'rate, 30 for instance; --rounds tells how many come')
    parser.add_argument('--accuracy', type=words, default=[], metavar='DATA,...',
                        help='also the mask AP of every variant on COCO annotation files or on '
                             'synthetic:easy, synthetic:hard, synthetic:mixed')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='of the data for --accuracy use at most N pictures')
    parser.add_argument('--no-baseline', action='store_true', help='leave the plain way out')
    parser.add_argument('--node', action='store_true',
                        help='also through ROS messages: image in, masks out, published')
    parser.add_argument('--scaling', action='store_true',
                        help='also how time and memory grow with the work (first network)')
    parser.add_argument('-o', '--output', type=Path, default=Path('benchmark'), metavar='FOLDER',
                        help='for benchmark.json and the plots (default: benchmark)')


def run(args: argparse.Namespace) -> int:
    """Measure, print, and write JSON and plots."""
    if args.rounds < 1 or args.warmup < 0:
        raise ValueError(f'rounds must be at least 1 and warmup at least 0, got {args.rounds} '
                         f'and {args.warmup}')
    if args.max_images is not None and args.max_images < 1:
        raise ValueError(f'--max-images must be at least 1, got {args.max_images}')
    if args.threads:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    if args.busy < 0 or args.rate < 0:
        raise ValueError(f'busy and rate must be at least 0, got {args.busy} and {args.rate}')
    wanted, known = args.precisions or fast_precisions(device), ('auto', *PRECISIONS, 'int8')
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f'precision {unknown[0]!r} is unknown; known: {", ".join(known)}')
    args.precisions = [name if name == 'int8' else choose_precision(name, device)
                       for name in wanted]
    make_folder(args.output)
    report: dict[str, Any] = {
              'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
              'command': 'yolact ' + ' '.join(sys.argv[1:]),
              'machine': Machine.here(device).as_dict(),
              'peak': {name: measured_peak(dtype_of(name), device)
                       # torch multiplies bytes by a plain loop where there is no VNNI
                       for name in args.precisions if name != 'int8'}}
    print(format_heading(report))
    report['frames'] = []
    for row in measure_frames(args, device, report['peak']):
        report['frames'].append(row)
        print(format_row(row), flush=True)
    if args.scaling:
        report['scaling'] = measure_scaling(open_network(args.networks[0]), device,
                                            _float_of(args), args.rounds, args.warmup)
        print(format_scaling(report['scaling']))
    if args.node:
        report['node'] = measure_node(args, device)
        print(format_node(report['node']))
    path = args.output / 'benchmark.json'
    replace_file(path, (json.dumps(report, indent=2) + '\n').encode())
    print(f'written: {path}')
    # Last: without matplotlib only the plots are missing.
    plot_frames(report['frames'], args.output / 'frames.png')
    if args.accuracy:
        plot_accuracy(report['frames'], args.output / 'accuracy.png')
    if args.scaling:
        plot_scaling(report['scaling'], args.output / 'scaling.png')
    return 0


def measure_node(args: argparse.Namespace, device: torch.device) -> dict:
    """
    Return timings of the way from an image message to a published result.

    :raises ImportError: where ROS is not installed.
    """
    try:
        from yolact_ros.ros.benchmark.messages import measure_messages
    except ImportError as error:
        raise ImportError(f'--node needs ROS 2 and this package built with colcon ({error}); '
                          'source install/setup.bash first') from error
    model = open_network(args.networks[0])
    backend = make_backend(model, device, args.backends[0], _float_of(args))
    predictor = Predictor(ScriptedBackend(backend, args.instances[-1]), PostprocessConfig())
    return measure_messages(predictor, noise_image(args.sizes[0]), measure,
                                     args.rounds, args.warmup)


def _float_of(args: argparse.Namespace) -> str:
    """Return the last precision that a network can be converted to without examples."""
    return next((name for name in reversed(args.precisions) if name != 'int8'), 'float32')


def _split(text: str) -> list[str]:
    """Return the words between commas."""
    return [word for word in text.split(',') if word]


def _numbers(text: str) -> list[int]:
    """Return numbers between commas."""
    try:
        return [int(word) for word in _split(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f'must be numbers like 0,20,100, got {text!r}') from None


def _sizes(text: str) -> list[ImageSize]:
    """Return image sizes between commas."""
    sizes = []
    for word in _split(text):
        match = re.fullmatch(r'(\d+)x(\d+)', word)
        if not match:
            raise argparse.ArgumentTypeError(f'must be like 1280x720,3840x2160, got {text!r}')
        sizes.append(ImageSize(int(match[2]), int(match[1])))
    return sizes
