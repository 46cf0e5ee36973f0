"""
How fast this machine segments, beside the plain way to do it.

All variants of a network take turns in one process. Networks have seeded weights unless
checkpoints are given: speed does not depend on them, and the number of objects is scripted.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterable

import numpy as np
import torch

from yolact_ros.benchmark.accuracy import measure_accuracy
from yolact_ros.benchmark.baseline import PlainPredictor
from yolact_ros.benchmark.busy import busy_neighbours, with_neighbours
from yolact_ros.benchmark.measure import Timing, Work, count_flop, measure, speedup
from yolact_ros.benchmark.paced import measure_paced
from yolact_ros.benchmark.scripted import ScriptedBackend
from yolact_ros.checkpoint import load_model, resolve_weights
from yolact_ros.config import MODEL_PRESETS, ModelConfig, PostprocessConfig
from yolact_ros.inference.backends.exported import open_exported
from yolact_ros.inference.backends.int8 import int8_twin
from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.opening import openvino_backend
from yolact_ros.inference.predictor import Predictor
from yolact_ros.model.yolact import Yolact
from yolact_ros.structures import ImageSize

BASELINE = 'baseline'


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


def int8_backend(name: str) -> Backend:
    """
    Return the backend of the int8 network beside a checkpoint.

    :raises ValueError: where there is none.
    """
    twin = int8_twin(resolve_weights(name)) if name not in MODEL_PRESETS else None
    if twin is None:
        raise ValueError(f'{name} has no int8 network beside it, or OpenVINO is missing; make one '
                         f'with: yolact quantize {name}')
    return open_exported(twin, 'float32')


def measure_frames(args: argparse.Namespace, device: torch.device,
                   peaks: dict[str, float]) -> Iterable[dict]:
    """Yield one row for each network, image size, number of instances, batch and variant."""
    for name in args.networks:
        model = open_network(name)
        flop = count_flop(model)
        backends = {f'{backend} {precision}': make_backend(model, device, backend, precision)
                    for backend in args.backends for precision in args.precisions
                    if precision != 'int8'}
        if 'int8' in args.precisions:
            backends['openvino int8'] = int8_backend(name)
        accuracy = measure_accuracy(backends, args.accuracy, args.max_images)
        for size in args.sizes:
            for count in args.instances:
                for batch in args.batches:
                    for row in _measure_case(args, device, name, model, backends, size, count,
                                             batch, flop, peaks):
                        if of_variant := accuracy.get(row['variant']):
                            row['mask_ap'] = of_variant
                        yield row


def _measure_case(args: argparse.Namespace, device: torch.device, name: str, model: Yolact,
                  backends: dict[str, Backend], size: ImageSize, count: int, batch: int,
                  flop: int, peaks: dict[str, float]) -> Iterable[dict]:
    """Yield the rows of all variants of one case, measured in turns."""
    rgb = noise_image(size)
    works: dict[str, Work] = {}
    if not args.no_baseline:
        plain = PlainPredictor(copy.deepcopy(model), device, count)
        works[BASELINE] = lambda: _stages(plain, lambda: [plain.predict(rgb)
                                                          for _ in range(batch)])
    for variant, backend in backends.items():
        works[variant] = predictor_work(
            Predictor(ScriptedBackend(backend, count), PostprocessConfig()), rgb, batch)
    timings = _measure_works(works, args)
    for variant, timing in timings.items():
        row = {'network': name, 'variant': variant, 'width': size.width, 'height': size.height,
               'instances': count, 'batch': batch, **timing.summary(), 'gflop': flop / 1e9}
        if not variant.startswith(BASELINE) and 'network' in timing.stage_ms:
            network_s = row['stage_ms']['network']['median'] / 1e3
            row['tflop_per_s'] = batch * flop / network_s / 1e12
            peak = peaks.get(_precision_of(variant))
            if peak:
                row['share_of_peak'] = batch * flop / network_s / peak
            row['network_share'] = float(np.median(np.divide(
                timing.stage_ms['network'], timing.frame_ms)))
        if BASELINE in timings and variant != BASELINE:
            row['speedup'] = speedup(timings[BASELINE], timing)
        quiet, _, busy = variant.partition(', ')
        if busy:
            row['busy_ratio'] = float(np.median(np.divide(timing.frame_ms,
                                                          timings[quiet].frame_ms)))
        elif args.rate:
            row['paced'] = measure_paced(works[variant], args.rate, args.rounds)
        yield row


def _measure_works(works: dict[str, Work], args: argparse.Namespace) -> dict[str, Timing]:
    """Return the timings of all works, beside busy processes too where that is asked for."""
    if not args.busy:
        return measure(works, args.rounds, args.warmup)
    with busy_neighbours(args.busy) as switch:
        return measure(with_neighbours(works, switch, args.busy), args.rounds, args.warmup)


def _precision_of(variant: str) -> str:
    """Return the precision in a variant's name: 'torch float32' or 'torch float32, 1 busy'."""
    return variant.partition(',')[0].split()[1]


def predictor_work(predictor: Predictor, rgb: np.ndarray, batch: int) -> Work:
    """Return the work of predicting a batch of one image."""
    return lambda: _stages(predictor, lambda: predictor.predict_batch([rgb] * batch))


def _stages(predictor: Predictor | PlainPredictor, call) -> dict[str, float]:
    """Return the milliseconds by stage of a call."""
    call()
    return predictor.stage_ms


def noise_image(size: ImageSize) -> np.ndarray:
    """Return an image that no cache or shortcut can know, (H, W, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)
