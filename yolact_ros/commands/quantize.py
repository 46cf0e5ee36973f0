"""`yolact quantize`: an int8 network for OpenVINO, with what it gains and what it costs."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from yolact_ros.benchmark.frames import predictor_work
from yolact_ros.benchmark.measure import measure
from yolact_ros.checkpoint import load_model, resolve_weights
from yolact_ros.commands.jobs.calibration import calibration_images
from yolact_ros.config import MODEL_PRESETS, ModelConfig, PostprocessConfig
from yolact_ros.evaluation.agreement import agreement
from yolact_ros.evaluation.evaluate import EvalResult, evaluate_data
from yolact_ros.export.openvino import convert_network, convert_rescoring, write_ir
from yolact_ros.export.quantize import (
    Calibration,
    float_layers,
    mark_int8,
    quantize,
    quantize_within,
    require_quantizer,
)
from yolact_ros.inference.backends.exported import RUNTIME_OF_SUFFIX, ExportedBackend
from yolact_ros.inference.backends.openvino import run_openvino
from yolact_ros.inference.predictor import Predictor
from yolact_ros.inference.steps.preprocess import preprocess

SHOWN_IMAGES = 32
# AP is measured once for each group of layers while sensitive ones are looked for.
SEARCH_IMAGES = 64
ROUNDS, WARMUP = 20, 3

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('weights', metavar='WEIGHTS', help='checkpoint, published name, or demo')
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument('--images', type=Path, metavar='FOLDER',
                       help='pictures like those that the camera will send, without labels')
    shown.add_argument('--data', metavar='FILE', help='take them from a COCO annotation file, or '
                       'synthetic:easy, synthetic:hard, synthetic:mixed')
    parser.add_argument('-o', '--output', type=Path, metavar='OUT.xml',
                        help='default: the name of the model in the current folder, .int8.xml')
    parser.add_argument('--count', type=int, default=200, metavar='N',
                        help='use at most N of the pictures (default: 200)')
    parser.add_argument('--val', metavar='FILE', help='measure AP before and after on this COCO '
                        'annotation file or on synthetic:easy, synthetic:hard, synthetic:mixed')
    parser.add_argument('--val-count', type=int, metavar='N', help='of its pictures use N')
    parser.add_argument('--max-drop', type=float, default=0.01, metavar='AP',
                        help='how much box or mask AP may fall (default: 0.01)')
    parser.add_argument('--config', choices=sorted(MODEL_PRESETS), metavar='PRESET',
                        help='network of a checkpoint that does not tell it itself')


def run(args: argparse.Namespace) -> int:
    """Quantise, compare, and write the files unless accuracy falls too much."""
    _check(args)
    require_quantizer()
    model, config = load_model(args.weights, args.config)
    output = args.output or Path(config.name + '.int8.xml')
    if not output.parent.is_dir():
        raise FileNotFoundError(f'folder {output.parent} does not exist; make it first')
    images = calibration_images(args, config.input_size)
    calibration = Calibration(images, lambda rgb: preprocess(
        rgb, config, torch.device('cpu')).contiguous().numpy())
    # The re-scoring net stays as it is: in int8 it was no faster and cost mask AP.
    network, rescoring = convert_network(model), convert_rescoring(model)
    job = _Comparison(config, rescoring and run_openvino(rescoring, 'float32'), args)
    logger.info('quantising %s by %d pictures', config.name, len(images))
    quantised = job.accept(network, quantize(network, calibration), calibration)
    job.print_speed_and_agreement(network, quantised, images)
    mark_int8(quantised, rescoring, resolve_weights(args.weights), calibration)
    for path in write_ir(quantised, rescoring, output):
        size = path.stat().st_size + path.with_suffix('.bin').stat().st_size
        print(f'{path}  {size / 1e6:.1f} MB with its .bin')
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what makes no sense before anything slow begins."""
    if Path(args.weights).suffix in RUNTIME_OF_SUFFIX:
        raise ValueError(f'{args.weights} is an exported file; quantise the checkpoint that it '
                         'was made from')
    if args.output and args.output.suffix != '.xml':
        raise ValueError(f'an OpenVINO file ends in .xml, got {args.output.name}')
    for name, value in (('--count', args.count), ('--val-count', args.val_count)):
        if value is not None and value < 1:
            raise ValueError(f'{name} must be at least 1, got {value}')
    if not 0 <= args.max_drop <= 1:
        raise ValueError(f'--max-drop must be in [0, 1], got {args.max_drop}')


class _Comparison:
    """
    The float network beside its quantised one.

    :param rescoring: what runs the re-scoring net of both, or None.
    :param args: with val, val_count and max_drop.
    """

    def __init__(self, config: ModelConfig, rescoring: Callable | None,
                 args: argparse.Namespace) -> None:
        self._config, self._rescoring, self._args = config, rescoring, args

    def accept(self, network: Any, quantised: Any, calibration: Calibration) -> Any:
        """
        Return a quantised network whose AP is near enough; any, when nothing was given to tell.

        :raises RuntimeError: with the figures, when none is.
        """
        if not self._args.val:
            return quantised
        before = self._score('float32', run_openvino(network, 'float32'))
        drop = _drop(before, self._score('int8', run_openvino(quantised, 'float32')))
        if drop <= self._args.max_drop:
            return quantised
        logger.warning('AP falls by %.4f, more than --max-drop %g: looking for the layers that '
                       'should stay in float; this takes a while', drop, self._args.max_drop)
        quantised = self._search(network, calibration)
        kept = float_layers(quantised)
        drop = _drop(before, self._score(f'int8, {len(kept)} layers in float',
                                         run_openvino(quantised, 'float32')))
        if drop > self._args.max_drop:
            raise RuntimeError(
                f'AP falls by {drop:.4f}, more than --max-drop {self._args.max_drop:g}, also with '
                f'{len(kept)} layers left in float; nothing was written. Calibrate on more '
                'pictures that resemble the validation ones, allow more with --max-drop, or '
                'stay with float32 or bfloat16')
        return quantised

    def _search(self, network: Any, calibration: Calibration) -> Any:
        """Return a network with sensitive layers in float, by AP on a part of the images."""
        count = min(SEARCH_IMAGES, self._args.val_count or SEARCH_IMAGES)
        before = self._evaluate(run_openvino(network, 'float32'), count)

        def score(compiled: Any) -> float:
            return 1 - _drop(before, self._evaluate(
                lambda array: list(compiled(array).to_tuple()), count))
        return quantize_within(network, calibration, score, self._args.max_drop)

    def print_speed_and_agreement(self, network: Any, quantised: Any,
                                  images: Sequence[np.ndarray]) -> None:
        """Print what the quantised network gains here, and how far it finds the same objects."""
        predictors = {
            name: self._predictor(run_openvino(model, 'float32'), PostprocessConfig())
            for name, model in (('float32', network), ('int8', quantised))}
        timings = measure({name: predictor_work(predictor, images[0], 1)
                           for name, predictor in predictors.items()}, ROUNDS, WARMUP)
        before, after = (float(np.median(timings[name].frame_ms)) for name in predictors)
        height, width = images[0].shape[:2]
        print(f'a {width}x{height} picture took {before:.1f} ms in float32, {after:.1f} ms in '
              f'int8: {before / after:.2f} times as fast')
        shown = images[:SHOWN_IMAGES]
        same = agreement(*([predictor.predict(rgb) for rgb in shown]
                           for predictor in predictors.values()))
        print(f'in {len(shown)} pictures {same.line("float32", "int8")}')

    def _predictor(self, runner: Callable, postprocess: PostprocessConfig) -> Predictor:
        """Return a predictor around what runs a network."""
        return Predictor(ExportedBackend(self._config, runner, self._rescoring, 'float32',
                                         'openvino'), postprocess)

    def _score(self, name: str, runner: Callable) -> EvalResult:
        """Return and print the AP of a network."""
        result = self._evaluate(runner, self._args.val_count)
        print(f'{name}: box AP {result.box_ap:.4f}, mask AP {result.mask_ap:.4f}', flush=True)
        return result

    def _evaluate(self, runner: Callable, count: int | None) -> EvalResult:
        """Return the AP of a network on so many images, None for all."""
        predictor = self._predictor(runner, PostprocessConfig(score_threshold=0.0))
        return evaluate_data(predictor, self._args.val, count)


def _drop(before: EvalResult, after: EvalResult) -> float:
    """Return by how much AP fell, box or mask, whichever more."""
    return max(before.box_ap - after.box_ap, before.mask_ap - after.mask_ap)
