"""The data of `yolact train`: opened, checked, brought to a size that is quick to read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from yolact_ros.checking.check import check_lists, find_series
from yolact_ros.checking.contact_sheet import write_contact_sheet
from yolact_ros.checking.findings import NOTE, Finding, is_clean
from yolact_ros.config import ModelConfig
from yolact_ros.data.classes import parse_classes
from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.datasets import open_dataset
from yolact_ros.data.sample import SampleSource
from yolact_ros.data.shrink import shrink_large
from yolact_ros.data.split import choose_val, split, split_share, write_part
from yolact_ros.progress import progress_interval
from yolact_ros.structures import InputSize, input_shape
from yolact_ros.training.anchors import report_anchors
from yolact_ros.training.config import TrainConfig
from yolact_ros.training.processes import Processes

logger = logging.getLogger(__name__)


def open_data(config: TrainConfig, size: InputSize, processes: Processes,
              ) -> tuple[SampleSource, SampleSource | None]:
    """
    Return what to learn from and what to measure on, None for no measurement.

    :param size: of synthetic images [px].
    :raises FileNotFoundError: when a file is missing.
    :raises ValueError: when data is broken, or the two do not fit each other.
    """
    source = open_dataset(config.train, config.train_images, parse_classes(config.classes),
                         config.scenes, size)
    return _open_val(config, source, size, processes)


def _open_val(config: TrainConfig, source: SampleSource, size: InputSize, processes: Processes,
              ) -> tuple[SampleSource, SampleSource | None]:
    """Return what to learn from and what to measure on: of its own, a share, or None."""
    share, name = choose_val(config.train, config.val)
    if share is not None:
        with processes.one_first():  # the images are then read already
            series = find_series(source) if isinstance(source, CocoDataset) else ()
        learnt, val = split(source, share, config.seed, series)
        logger.info('%d photos to learn from, %d to measure on (seed %d)', len(learnt), len(val),
                    config.seed)
        return learnt, val
    if not name:
        return source, None
    if config.val and name != config.val:
        logger.info('%s has a part val of its own, which is measured on instead of a share of %s',
                    name, config.val)
    choice = replace(parse_classes(config.classes), names=tuple(source.class_names))
    return source, open_dataset(name, config.val_images, choice, size=size, split='val')


def check_data(source: SampleSource, val: SampleSource | None, model_config: ModelConfig,
               config: TrainConfig, processes: Processes) -> None:
    """
    Find what is wrong with the data, leave out what can be left out, and say so.

    :raises ValueError: when nothing can be learnt; when anything is wrong and that is an error.
    """
    files = [data for data in (source, val) if isinstance(data, CocoDataset)]
    if config.ignore_exif:
        for data in files:
            data.ignore_exif()
    findings: list[Finding] = []
    with processes.one_first():
        if isinstance(source, CocoDataset):
            findings = check_lists(source, val if isinstance(val, CocoDataset) else None,
                                   model_config.input_size)
    if processes.is_main:
        _log_findings(source, val, findings)
        for line in report_anchors(model_config, source, config.loss.positive_iou).lines():
            logger.info(line)
    if not is_clean(findings, config.strict):
        raise ValueError('the data is not fit to be learnt: ' + '; '.join(
            ' '.join(' '.join(finding.lines()).split()) for finding in findings
            if not is_clean([finding], config.strict)))


def use_of_source(val: SampleSource | None) -> str:
    """Return what the source is for, '' where it is the whole that val is a share of."""
    return '' if isinstance(val, CocoDataset) and val.report is None else 'to learn from'


def _log_findings(source: SampleSource, val: SampleSource | None,
                  findings: Sequence[Finding]) -> None:
    """Say what there is to learn from, and what is wrong with it."""
    for data, use in ((source, use_of_source(val)), (val, 'to measure on')):
        if isinstance(data, CocoDataset) and data.report:
            for line in data.report.lines(use)[:2]:
                logger.info(line)
    for finding in findings:
        level = logging.INFO if finding.kind == NOTE else logging.WARNING
        logger.log(level, '%s', '\n'.join(finding.lines()))


def prepare_images(source: SampleSource, val: SampleSource | None, config: TrainConfig,
                   input_size: InputSize) -> None:
    """
    Put what belongs to the data into the folder of the training.

    A contact sheet, lists of what is learnt and measured on where there is none to name, large
    photos shrunk.
    """
    folder = Path(config.out)
    if isinstance(val, CocoDataset) and (not config.val or split_share(config.val) is not None):
        for name, part in (('train.json', source), ('val.json', val)):
            if isinstance(part, CocoDataset):
                write_part(folder / name, part)
    sheet = folder / 'contact_sheet.jpg'
    if isinstance(source, CocoDataset) and not sheet.is_file():
        write_contact_sheet(sheet, source)
    shape = input_shape(input_size)
    side = round(config.shrink * max(shape.height, shape.width))
    for data in (source, val):
        if side and isinstance(data, CocoDataset):
            count = shrink_large(data, side, folder / 'pictures', partial(
                tqdm, desc='shrinking large pictures', unit='picture', leave=False,
                mininterval=progress_interval()))
            if count:
                logger.info('%d large pictures of %s are read at %d px, %g times the input',
                            count, data.path.name, side, config.shrink)
