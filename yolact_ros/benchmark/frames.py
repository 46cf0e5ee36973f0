"""
`yolact benchmark`: how fast this machine segments, beside the plain way to do it.

All variants of a network take turns in one process. Networks have seeded weights unless
checkpoints are given: speed does not depend on them, and the number of objects is scripted.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import re
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch

from yolact_ros.benchmark.baseline import PlainPredictor
from yolact_ros.benchmark.measure import (
    Machine,
    Work,
    count_flop,
    matmul_peak,
    measure,
    speedup,
)
from yolact_ros.benchmark.plots import plot_frames, plot_scaling
from yolact_ros.benchmark.scaling import measure_scaling
from yolact_ros.benchmark.scripted import ScriptedBackend
from yolact_ros.benchmark.tables import (
    format_heading,
    format_node,
    format_row,
    format_scaling,
)
from yolact_ros.checkpoint import load_model
from yolact_ros.config import MODEL_PRESETS, ModelConfig, PostprocessConfig
from yolact_ros.inference.backends import PRECISIONS, Backend, TorchBackend, fast_precisions
from yolact_ros.inference.predictor import (
    Predictor,
    choose_device,
    choose_precision,
    openvino_backend,
)
from yolact_ros.model.yolact import Yolact
from yolact_ros.structures import ImageSize

DEFAULT_NETWORKS = 'demo,yolact_resnet50,yolact_plus_resnet50'
BASELINE = 'baseline'


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
                        help='default: all that the device has instructions for')
    parser.add_argument('--sizes', type=_sizes, default=[ImageSize(720, 1280)], metavar='WxH,...',
                        help='pictures [px] (default: 1280x720)')
    parser.add_argument('--instances', type=_numbers, default=[20], metavar='N,...',
                        help='objects in a picture (default: 20)')
    parser.add_argument('--batches', type=_numbers, default=[1], metavar='N,...',
                        help='pictures in a call (default: 1)')
    parser.add_argument('--rounds', type=int, default=15, help='measured calls (default: 15)')
    parser.add_argument('--warmup', type=int, default=3, help='calls before (default: 3)')
    parser.add_argument('--threads', type=int, help='processor threads (default: torch decides)')
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
    if args.threads:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    args.precisions = [choose_precision(name, device)
                       for name in args.precisions or fast_precisions(device)]
    args.output.mkdir(parents=True, exist_ok=True)
    report = {'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
              'command': 'yolact ' + ' '.join(sys.argv[1:]),
              'machine': Machine.here(device).as_dict(),
              'matmul_peak': {name: matmul_peak(PRECISIONS[name], device)
                              for name in args.precisions}}
    print(format_heading(report))
    report['frames'] = []
    for row in measure_frames(args, device, report['matmul_peak']):
        report['frames'].append(row)
        print(format_row(row), flush=True)
    if args.scaling:
        report['scaling'] = measure_scaling(open_network(args.networks[0]), device,
                                            args.precisions[-1], args.rounds, args.warmup)
        print(format_scaling(report['scaling']))
    if args.node:
        report['node'] = measure_node(args, device)
        print(format_node(report['node']))
    path = args.output / 'benchmark.json'
    path.write_text(json.dumps(report, indent=2) + '\n')
    print(f'written: {path}')
    # Last: without matplotlib only the plots are missing.
    plot_frames(report['frames'], args.output / 'frames.png')
    if args.scaling:
        plot_scaling(report['scaling'], args.output / 'scaling.png')
    return 0


def open_network(name: str) -> Yolact:
    """Return a checkpoint's model, or a preset's with seeded weights."""
    if name in MODEL_PRESETS:
        return seeded_network(MODEL_PRESETS[name]())
    return load_model(name)[0]


def seeded_network(config: ModelConfig) -> Yolact:
    """Return a network with reproducible weights whose offsets are not all zero."""
    generator = torch.Generator().manual_seed(0)
    model = Yolact(config)
    model.initialize(generator)
    for name, module in model.named_modules():
        if name.endswith('conv_offset_mask'):
            torch.nn.init.normal_(module.weight, std=0.02, generator=generator)
    return model.eval()


def make_backend(model: Yolact, device: torch.device, backend: str, precision: str) -> Backend:
    """
    Return a backend for a copy of the model.

    :raises ValueError: for an unknown backend.
    """
    if backend == 'torch':
        return TorchBackend(copy.deepcopy(model), device, precision)
    if backend == 'openvino':
        return openvino_backend(model, precision)
    raise ValueError(f'backend {backend!r} is unknown; known: torch, openvino')


def measure_frames(args: argparse.Namespace, device: torch.device,
                   peaks: dict[str, float]) -> Iterable[dict]:
    """Yield one row for each network, picture size, number of instances, batch and variant."""
    for name in args.networks:
        model = open_network(name)
        flop = count_flop(model)
        backends = {f'{backend} {precision}': make_backend(model, device, backend, precision)
                    for backend in args.backends for precision in args.precisions}
        for size in args.sizes:
            for count in args.instances:
                for batch in args.batches:
                    yield from _measure_case(args, device, name, model, backends, size, count,
                                             batch, flop, peaks)


def _measure_case(args: argparse.Namespace, device: torch.device, name: str, model: Yolact,
                  backends: dict[str, Backend], size: ImageSize, count: int, batch: int,
                  flop: int, peaks: dict[str, float]) -> Iterable[dict]:
    """Yield the rows of all variants of one case, measured in turns."""
    rgb = noise_picture(size)
    works: dict[str, Work] = {}
    if not args.no_baseline:
        plain = PlainPredictor(copy.deepcopy(model), device, count)
        works[BASELINE] = lambda: _stages(plain, lambda: [plain.predict(rgb)
                                                          for _ in range(batch)])
    for variant, backend in backends.items():
        works[variant] = predictor_work(
            Predictor(ScriptedBackend(backend, count), PostprocessConfig()), rgb, batch)
    timings = measure(works, args.rounds, args.warmup)
    for variant, timing in timings.items():
        row = {'network': name, 'variant': variant, 'width': size.width, 'height': size.height,
               'instances': count, 'batch': batch, **timing.summary(), 'gflop': flop / 1e9}
        if variant != BASELINE and 'network' in timing.stage_ms:
            network_s = row['stage_ms']['network']['median'] / 1e3
            row['tflop_per_s'] = batch * flop / network_s / 1e12
            row['share_of_peak'] = batch * flop / network_s / peaks[variant.split()[1]]
            row['network_share'] = float(np.median(np.divide(
                timing.stage_ms['network'], timing.frame_ms)))
        if BASELINE in timings and variant != BASELINE:
            row['speedup'] = speedup(timings[BASELINE], timing)
        yield row


def predictor_work(predictor: Predictor, rgb: np.ndarray, batch: int) -> Work:
    """Return the work of predicting a batch of one picture."""
    return lambda: _stages(predictor, lambda: predictor.predict_batch([rgb] * batch))


def _stages(predictor: Predictor | PlainPredictor, call) -> dict[str, float]:
    """Return the milliseconds by stage of a call."""
    call()
    return predictor.stage_ms


def noise_picture(size: ImageSize) -> np.ndarray:
    """Return a picture that no cache or shortcut can know, (H, W, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)


def measure_node(args: argparse.Namespace, device: torch.device) -> dict:
    """
    Return timings of the way from an image message to a published result.

    :raises ImportError: where ROS is not installed.
    """
    try:
        # By name: this package must not depend on the one with the ROS adapters.
        messages = importlib.import_module('yolact_ros.ros.message_benchmark')
    except ImportError as error:
        raise ImportError(f'--node needs ROS 2 and this package built with colcon ({error}); '
                          'source install/setup.bash first') from error
    model = open_network(args.networks[0])
    backend = make_backend(model, device, args.backends[0], args.precisions[-1])
    predictor = Predictor(ScriptedBackend(backend, args.instances[-1]), PostprocessConfig())
    return messages.measure_messages(predictor, noise_picture(args.sizes[0]), measure,
                                     args.rounds, args.warmup)


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
    """Return picture sizes between commas."""
    sizes = []
    for word in _split(text):
        match = re.fullmatch(r'(\d+)x(\d+)', word)
        if not match:
            raise argparse.ArgumentTypeError(f'must be like 1280x720,3840x2160, got {text!r}')
        sizes.append(ImageSize(int(match[2]), int(match[1])))
    return sizes
