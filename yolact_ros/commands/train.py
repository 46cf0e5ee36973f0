"""`yolact train`: learn from a COCO-format data set or synthetic scenes."""

from __future__ import annotations

import argparse
import logging
from contextlib import nullcontext
from dataclasses import asdict, fields
from typing import Any

import torch

from yolact_ros.checkpoint import LoadReport, load_backbone, load_matching
from yolact_ros.commands.jobs.train_data import check_data, open_data, prepare_images
from yolact_ros.config import MODEL_PRESETS, ModelConfig
from yolact_ros.model.yolact import Yolact
from yolact_ros.structures import parse_input_size
from yolact_ros.training.config import TrainConfig
from yolact_ros.training.config_file import (
    add_flags,
    load_train_config,
    overrides_of,
    write_train_config,
)
from yolact_ros.training.optimizer import freeze
from yolact_ros.training.processes import Processes, default_threads, joined_processes
from yolact_ros.training.run_folder import RunFolder
from yolact_ros.training.trainer import Trainer
from yolact_ros.weights.checkpoint_file import config_from_dict

logger = logging.getLogger(__name__)

INTERRUPTED = 130
RECIPE = 'photos'  # for data without more words
SHOWN_KEYS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('data', nargs='?', metavar='DATA', help='photos to learn from: a COCO '
                        'JSON, data.yaml of YOLO, or a folder that a labelling tool wrote; its '
                        f'part val is measured on; short for --config {RECIPE} --train DATA')
    parser.add_argument('--config', metavar='FILE', help='YAML file, or a recipe of the package: '
                        'photos, coco, coco_plus, pascal, demo_lite; flags override it')
    parser.add_argument('--resume', action='store_true',
                        help='continue the training in the folder --out')
    parser.add_argument('--new-data', action='store_true', help='resume although pictures or '
                        'labels have changed since the training began')
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Train as told; return the exit code."""
    config = read_config(args)
    if not config.train:
        raise ValueError('nothing to learn from; give a data set, yolact train DATA, or with '
                         '--resume the folder to go on in, --out')
    with joined_processes(config.device) as processes:
        threads = config.threads or default_threads(config.workers, processes)
        torch.set_num_threads(threads)
        if not processes.is_main:
            logging.disable(logging.INFO)
        complete = train(config, processes, args.resume, args.new_data)
    return 0 if complete else INTERRUPTED


def read_config(args: argparse.Namespace) -> TrainConfig:
    """Return the configuration of file and flags; resuming falls back on the folder's own."""
    overrides = overrides_of(args)
    if args.data:
        overrides.setdefault('train', args.data)
    path = args.config
    if args.resume and path is None and 'out' in overrides:
        folder = RunFolder(overrides['out'])
        folder.check(resume=True)  # before a mistyped folder is blamed on its absent values
        stored = folder.config
        path = stored if stored.is_file() else None
    if args.data and path is None:
        path = RECIPE
    config = load_train_config(path, overrides)
    if args.resume:
        _warn_of_changes(config)
    return config


def _warn_of_changes(config: TrainConfig) -> None:
    """Say what differs from the configuration that a resumed training began with."""
    stored = RunFolder(config.out).config
    if not stored.is_file():
        return
    before = load_train_config(stored)
    changed = [f'{item.name} {getattr(before, item.name)} -> {getattr(config, item.name)}'
               for item in fields(TrainConfig)
               if getattr(before, item.name) != getattr(config, item.name)]
    if changed:
        logger.warning('resuming with other values, so the result will differ from that of an '
                       'uninterrupted training: %s', '; '.join(changed))


def train(config: TrainConfig, processes: Processes, resume: bool = False,
          new_data: bool = False) -> bool:
    """
    Train as the configuration says.

    :param resume: go on with the training in the folder.
    :param new_data: also where images or labels have changed.
    :returns: False when the training was interrupted; it can be resumed.
    """
    torch.manual_seed(config.seed)
    folder = RunFolder(config.out)
    if processes.is_main:
        folder.check(resume)
    model_config = build_model_config(config, ())
    source, val = open_data(config, model_config.input_size, processes)
    model_config = build_model_config(config, source.class_names)
    check_data(source, val, model_config, config, processes)
    model = build_model(config, model_config, from_files=not resume)
    # After everything that can be wrong with data and weights.
    with folder.locked() if processes.is_main else nullcontext():
        if processes.is_main:
            folder.prepare(resume)
            prepare_images(source, val, config, model_config.input_size)
        processes.wait()
        if not processes.is_main:  # what the first process has written is taken as it is
            prepare_images(source, val, config, model_config.input_size)
        trainer = Trainer(model, config, source, val, processes, resume, new_data)
        if processes.is_main:  # not that of a training that was refused
            write_train_config(config, folder.config)
        return _run_trainer(trainer)


def _run_trainer(trainer: Trainer) -> bool:
    """Train, with a word before and after; return whether the training is complete."""
    config, folder = trainer.config, trainer.folder
    logger.info('training %s: %.1f million weights, %d steps of %d pictures (%.1f epochs), '
                'results in %s', trainer.model.config.name,
                sum(weight.numel() for weight in trainer.model.parameters()) / 1e6, config.steps,
                config.batch_size, config.steps * config.batch_size / trainer.order.length,
                config.out)
    complete = trainer.run()
    if complete:
        logger.info('done; checkpoints: %s%s', folder.last,
                    f', {folder.best}' if folder.best.is_file() else '')
    else:
        logger.warning('interrupted after %d of %d steps; continue with --resume',
                       trainer.progress.step, config.steps)
    return complete


def build_model_config(config: TrainConfig, class_names: tuple[str, ...]) -> ModelConfig:
    """
    Return the network's configuration: the preset with the fields of the model section.

    :param class_names: empty for the preset's own.
    :raises ValueError: for a field that does not exist, cannot be changed or is of another type.
    """
    preset = MODEL_PRESETS[config.preset](class_names=class_names or None)
    allowed = [item.name for item in fields(ModelConfig) if item.name != 'class_names']
    for key in config.model:
        if key not in allowed:
            raise ValueError(f'unknown key model.{key}; allowed: {", ".join(allowed)}'
                             + (' (classes come from the data)' if key == 'class_names' else ''))
    values: dict[str, Any] = {**asdict(preset), **config.model}
    values['input_size'] = parse_input_size(values['input_size'])
    try:
        return config_from_dict(values)
    except TypeError as error:
        raise ValueError(f'model.{error}') from error


def build_model(config: TrainConfig, model_config: ModelConfig, from_files: bool) -> Yolact:
    """
    Return the network with fresh weights and those of the files that the configuration names.

    :param from_files: False leaves the files alone; a resumed training has its own weights.
    :raises ValueError: when boxes are frozen that no file brought.
    """
    model = Yolact(model_config)
    model.initialize(torch.Generator().manual_seed(config.seed))
    if not from_files:
        return model
    loaded: set[str] = set()
    if config.weights:
        loaded |= _report_load(load_matching(model, config.weights), config.weights)
    if config.backbone_weights:
        loaded |= _report_load(load_backbone(model, config.backbone_weights),
                               config.backbone_weights)
    _check_frozen(model, config.freeze, loaded)
    return model


def _check_frozen(model: Yolact, part: str, loaded: set[str]) -> None:
    """Refuse to keep boxes and classes that nobody has learnt; warn of such a backbone."""
    freeze(model, part, batch_norm=False)
    fresh = [name for name, weight in model.named_parameters() if not weight.requires_grad
             and name not in loaded and not name.startswith('semantic_seg_conv')]
    if not fresh:
        return
    message = (f'freeze: {part} keeps weights as they are that no file brought, such as '
               f'{fresh[0]}; they would never learn. Choose freeze: none, or --weights of a model '
               'with these classes')
    if part == 'boxes':
        raise ValueError(message)
    logger.warning(message)


def _report_load(report: LoadReport, path: str) -> set[str]:
    """Say what of a file went into the model; return the keys."""
    logger.info('%s: loaded %d tensors', path, len(report.loaded))
    for what, keys in (('of another shape, start fresh', report.mismatched),
                       ('missing, start fresh', report.missing),
                       ('not used', report.unused)):
        if keys:
            shown = ', '.join(keys[:SHOWN_KEYS]) + (', ...' if len(keys) > SHOWN_KEYS else '')
            logger.info('  %d %s: %s', len(keys), what, shown)
    return set(report.loaded)
