"""All checks of the lists of a training, in one call."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from yolact_ros.checking.findings import ERROR, Finding, order
from yolact_ros.checking.image_facts import ImageFacts, read_all_facts
from yolact_ros.checking.images import (
    bit_findings,
    duplicate_findings,
    leave_out_unreadable,
    leftover_findings,
    series_of,
    set_orientation,
    unlisted_findings,
)
from yolact_ros.checking.labels import book_findings, class_findings, object_findings
from yolact_ros.checking.sizes import size_findings
from yolact_ros.data.coco import CocoDataset
from yolact_ros.progress import progress_interval
from yolact_ros.structures import InputSize


def check_lists(train: CocoDataset, val: CocoDataset | None,
                input_size: InputSize) -> list[Finding]:
    """
    Return everything that is wrong with what is learnt and measured, the worst first.

    Images that cannot be read or do not fit their labels are taken out of both lists (modified).

    :param val: None where nothing is measured; a share of train is a list of its own here.
    :param input_size: of the network [px].
    """
    lists = [train] if val is None else [train, val]
    findings: list[Finding] = []
    facts: dict[Path, ImageFacts] = {}
    for data in lists:
        facts |= _read(data)
        if data.report is not None:  # that of a share is with the whole
            findings += book_findings(data)
        findings += leave_out_unreadable(data, facts)
        findings += set_orientation(data, facts)
        findings += bit_findings(data, facts)
        findings += leftover_findings(data, facts)
        findings += object_findings(data)
    if not any(item for record in train.records for item in record.objects
               if not item.truth.crowd):
        findings.append(Finding(ERROR, 'nothing is left to learn from', '', train.path))
        return order(findings)
    findings += class_findings(train, val)
    findings += duplicate_findings(train, val, facts)
    findings += size_findings(train, input_size)
    findings += unlisted_findings(lists)
    return order(findings)


def find_series(data: CocoDataset) -> list[int]:
    """Return a number for each image, equal for those of one series: they look alike."""
    return series_of(data, _read(data))


def _read(data: CocoDataset) -> dict[Path, ImageFacts]:
    """Return the facts of all images of a list."""
    return read_all_facts([record.path for record in data.records], str(data.path),
                          partial(_progress, data))


def _progress(data: CocoDataset, results: Iterable[ImageFacts]) -> Iterable[ImageFacts]:
    """Return the results with a bar on the terminal."""
    return tqdm(results, desc=f'reading the pictures of {data.path.name}', unit='picture',
                total=len(data), mininterval=progress_interval(), leave=False)
