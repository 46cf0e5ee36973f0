"""`yolact eval`: how good a model, or a file of its results, is on a labelled data set."""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from yolact_ros.config import BACKENDS, NMS_KINDS, PostprocessConfig
from yolact_ros.data.classes import parse_classes
from yolact_ros.data.datasets import PREFIX, SCENE_SIDE, open_dataset
from yolact_ros.data.image_files import read_sized_image
from yolact_ros.data.sample import SampleSource
from yolact_ros.devices import PRECISIONS, choose_device
from yolact_ros.evaluation.confusion import Confusion, confusion
from yolact_ros.evaluation.detections import Detection, read_results, write_results
from yolact_ros.evaluation.evaluate import (
    EvalResult,
    evaluate_detections,
    evaluate_predictor,
    evaluate_source,
    image_paths,
)
from yolact_ros.evaluation.ground_truth import GroundTruth, ImageId, read_truth
from yolact_ros.evaluation.html_report import write_html_report
from yolact_ros.evaluation.plots import (
    plot_confusion,
    plot_precision_recall,
    save_worst,
)
from yolact_ros.evaluation.report import report_lines
from yolact_ros.files import replace_file
from yolact_ros.progress import progress_interval
from yolact_ros.threads import THREADS_HELP

logger = logging.getLogger(__name__)

DEFAULTS = PostprocessConfig()
ReadImage = Callable[[ImageId], np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('--data', required=True, metavar='FILE',
                        help='COCO annotation file, a folder of a labelling tool (its part '
                        'val), or synthetic:easy, synthetic:hard, '
                        'synthetic:mixed for the fixed synthetic scenes')
    parser.add_argument('--classes', nargs='+', default=(), metavar='NAME|OLD=NEW',
                        help='classes to measure, others are ignored (default: all)')
    parser.add_argument('--ignore-exif', action='store_true',
                        help='labels were made without the EXIF orientation of the pictures')
    parser.add_argument('--images', metavar='DIR', help='folder of the pictures (default: near '
                        'the annotation file)')
    parser.add_argument('--weights', default='demo', metavar='FILE',
                        help='checkpoint or known name (default: demo, the packaged model)')
    parser.add_argument('--config', metavar='NAME', help='preset, where the checkpoint does not '
                        'tell')
    parser.add_argument('--class-names', nargs='+', default=(), metavar='NAME',
                        help='of a checkpoint that does not tell them')
    parser.add_argument('--results', nargs='+', metavar='FILE', help='score these detections '
                        'instead of a model: COCO result lists or the original\'s web JSON')
    parser.add_argument('--out', default='eval', metavar='DIR',
                        help='folder for result.json, plots and the worst pictures '
                        '(default: eval)')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='use at most N pictures, always the same ones')
    parser.add_argument('--size', type=int, default=SCENE_SIDE, metavar='PX',
                        help='side of synthetic pictures (default: %(default)s)')
    parser.add_argument('--nms', default='fast', choices=NMS_KINDS,
                        help='how double detections are removed (default: %(default)s)')
    parser.add_argument('--iou', type=float, default=DEFAULTS.iou_threshold, metavar='T',
                        help='boxes of IoU above it suppress each other '
                        f'(default: {DEFAULTS.iou_threshold})')
    parser.add_argument('--top-k', type=int, default=DEFAULTS.top_k, metavar='N',
                        help='boxes per class that enter NMS (default: 200, more with fewer '
                        'than ten classes)')
    parser.add_argument('--max-instances', type=int, default=DEFAULTS.max_instances, metavar='N',
                        help='detections kept in a picture '
                        f'(default: {DEFAULTS.max_instances})')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--backend', default='auto', choices=BACKENDS,
                        help='what runs the network (default: auto, what a file was made for; '
                             'the demo model is measured by torch)')
    parser.add_argument('--precision', default='auto', choices=('auto', *PRECISIONS),
                        help='default: the exact float32 on a CPU, float16 on CUDA')
    parser.add_argument('--threads', type=int, default=0, metavar='N', help=THREADS_HELP)
    parser.add_argument('--original-ap', action='store_true',
                        help='also the AP of the original\'s own evaluator')
    parser.add_argument('--save-detections', metavar='FILE', help='write a COCO result list')
    parser.add_argument('--score', type=float, default=0.3, metavar='S',
                        help='score from which detections enter the confusion plot and the '
                        'overlays (default: 0.3); AP always uses all')
    parser.add_argument('--worst', type=int, default=8, metavar='N',
                        help='overlays of the N worst pictures (default: 8)')
    parser.add_argument('--report', metavar='FILE.html', help='write all of it as one HTML page: '
                        'tables, curves, confusion, the worst pictures, settings')
    parser.add_argument('--no-plots', action='store_true', help='write numbers only')


def run(args: argparse.Namespace) -> int:
    """Evaluate as told, print the table, write the files; return the exit code."""
    _check(args)
    result, read = _score_results(args) if args.results else _score_model(args)
    if not args.results:
        _warn_of_limit(result.truth, args.max_instances)
    matrix = confusion(result.truth, result.detections, args.score)
    out = Path(args.out)
    content = {'data': args.data, 'model': args.results or str(args.weights), **result.to_json(),
               'worst_images': [errors.image_id for errors in matrix.worst(args.worst)]}
    replace_file(out / 'result.json', json.dumps(content, indent=1).encode())
    if args.save_detections:
        write_results(args.save_detections, result.detections, result.truth)
    print('\n'.join(report_lines(result)))
    print(f'\nwrote {", ".join(_write_images(result, matrix, read, out, args))}')
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse options that make no sense before anything slow begins."""
    if args.max_images is not None and args.max_images < 1:
        raise ValueError(f'--max-images must be at least 1, got {args.max_images}')
    if not 0 <= args.score <= 1:
        raise ValueError(f'--score must be in [0, 1], got {args.score}')
    if args.worst < 0:
        raise ValueError(f'--worst must be at least 0, got {args.worst}')
    if args.results and args.data.startswith(PREFIX):
        raise ValueError('--results needs --data FILE.json: synthetic scenes have no image ids; '
                         'write them to files with yolact synth')


def _score_model(args: argparse.Namespace) -> tuple[EvalResult, ReadImage | None]:
    """Return the scores of a checkpoint and a function that reads an image."""
    from yolact_ros.inference.predictor import open_predictor
    # The data first: a typing error in its path should not cost loading a model.
    source = open_dataset(args.data, size=args.size) if args.data.startswith(PREFIX) else None
    if source is None:
        truth = read_truth(args.data, args.images,
                           parse_classes(args.classes)).limited(args.max_images)
        image_paths(truth, args.data, args.images)
    # The exact numbers, also where the demo model would run in int8.
    backend = 'torch' if (args.weights, args.backend) == ('demo', 'auto') else args.backend
    # An .xml may hold int8, which is then what is measured.
    precision = 'float32' if args.precision == 'auto' and not args.weights.endswith('.xml') \
        and choose_device(args.device).type == 'cpu' else args.precision
    predictor = open_predictor(args.weights, args.config, args.device, backend,
                               precision, PostprocessConfig(
                                   score_threshold=0.0, nms=args.nms, iou_threshold=args.iou,
                                   top_k=args.top_k, max_instances=args.max_instances),
                               args.class_names, threads=args.threads)
    progress = partial(tqdm, desc='evaluating', unit='image', mininterval=progress_interval())
    if source is not None:
        return (evaluate_source(predictor, source, args.max_images, args.original_ap, progress),
                partial(_read_sample, source))
    result = evaluate_predictor(predictor, args.data, args.images, args.max_images,
                                args.original_ap, progress, parse_classes(args.classes),
                                not args.ignore_exif)
    return result, _file_reader(result, args)


def _warn_of_limit(truth: GroundTruth, limit: int) -> None:
    """Say when images hold more objects than can be found in them."""
    counts = Counter(item.image_id for item in truth.objects)
    crowded = [count for count in counts.values() if count > limit]
    if crowded:
        logger.warning('%d pictures hold more than --max-instances %d objects (up to %d), so '
                       'some cannot be found', len(crowded), limit, max(crowded))


def _score_results(args: argparse.Namespace) -> tuple[EvalResult, ReadImage | None]:
    """Return the scores of result files, and a function that reads an image if there are any."""
    truth = read_truth(args.data, args.images, parse_classes(args.classes))
    detections: list[Detection] = []
    for path in args.results:
        results = read_results(path, truth)
        if results.image_ids is not None:
            truth = truth.subset([image_id for image_id in truth.sizes
                                  if image_id in set(results.image_ids)])
        truth = replace(truth, notes=truth.notes + results.notes)
        detections += results.detections
    truth = truth.limited(args.max_images)
    detections = [item for item in detections if item.image_id in truth.sizes]
    result = evaluate_detections(truth, detections, args.original_ap)
    try:
        return result, _file_reader(result, args)
    except FileNotFoundError as error:
        if args.images:
            raise
        logger.warning('no overlays of the worst pictures: %s', error)
        return result, None


def _file_reader(result: EvalResult, args: argparse.Namespace) -> ReadImage:
    """Return a function that reads the image of an image id from its file."""
    images = image_paths(result.truth, args.data, args.images)

    def read(image_id: ImageId) -> np.ndarray:
        return read_sized_image(images[image_id], result.truth.sizes[image_id],
                                not args.ignore_exif)

    return read


def _read_sample(source: SampleSource, image_id: int) -> np.ndarray:
    """Return the image of a sample source; image ids count from 1."""
    return source.sample(image_id - 1, np.random.default_rng((7, image_id - 1))).image


def _write_images(result: EvalResult, matrix: Confusion, read: ReadImage | None, out: Path,
                    args: argparse.Namespace) -> list[str]:
    """Write plots and overlays; return the paths of all that lies in the folder now."""
    written: list[Any] = [out / 'result.json']
    if args.save_detections:
        written.append(args.save_detections)
    if args.report:
        write_html_report(Path(args.report), result, matrix, read, args.worst, _settings(args))
        written.append(args.report)
    if not args.no_plots:
        written += [out / 'precision_recall.png', out / 'confusion.png']
        plot_precision_recall(result, written[-2])
        plot_confusion(matrix, result.truth.class_names, written[-1])
        if read is not None and args.worst:
            worst = save_worst(result, matrix, read, out / 'worst', args.worst)
            written += [f'{out / "worst"} ({len(worst)} pictures)']
    return [str(path) for path in written]


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures of a report depend on, by name."""
    model = ', '.join(args.results) if args.results else args.weights
    names = ['images', 'max_images', 'score']
    if not args.results:
        names += ['config', 'nms', 'iou', 'top_k', 'max_instances', 'device', 'backend',
                  'precision']
    if args.data.startswith(PREFIX):
        names.append('size')
    options = {f'--{name.replace("_", "-")}': getattr(args, name) for name in names}
    return {'model': model, 'data': args.data,
            **{name: value for name, value in options.items() if value is not None}}
