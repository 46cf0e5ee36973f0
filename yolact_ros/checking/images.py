"""Faults of the image files: damaged, of another size, turned, the same twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from yolact_ros.checking.findings import LEFT_OUT, LOOK, NOTE, Finding
from yolact_ros.checking.image_facts import ImageFacts
from yolact_ros.data.coco import CocoDataset, CocoImage
from yolact_ros.media.headers import ON_ITS_SIDE, UPSIDE_DOWN
from yolact_ros.media.images import IMAGE_SUFFIXES
from yolact_ros.media.near_duplicates import BITS, SHARE

Facts = Mapping[Path, ImageFacts]
BLOCK = 512  # images that are compared with all others at a time


def leave_out_unreadable(data: CocoDataset, facts: Facts) -> Iterator[Finding]:
    """Take images out of the data set that cannot be learnt from, and yield why."""
    damaged = [record for record in data.records if facts[record.path].problem]
    if damaged:
        yield Finding(LEFT_OUT, f'{len(damaged)} pictures cannot be read '
                                f'({facts[damaged[0].path].problem})',
                      'copy them again, or take them out of the labels', damaged[0].path)
    other = [record for record in data.records
             if not facts[record.path].problem and not _fits(record, facts[record.path])]
    if other:
        first, fact = other[0], facts[other[0].path]
        yield Finding(LEFT_OUT, f'{len(other)} pictures have another size than their labels '
                                f'({fact.width}x{fact.height} instead of '
                                f'{first.size.width}x{first.size.height})',
                      'label them again, or restore the labelled pictures', first.path)
    gone = {id(record) for record in (*damaged, *other)}
    data.records = [record for record in data.records if id(record) not in gone]


def set_orientation(data: CocoDataset, facts: Facts) -> Iterator[Finding]:
    """
    Decide whether labels were made with the EXIF orientation, and yield what is uncertain.

    Images on their side tell by their size; those upside down follow them.
    """
    turned = [record for record in data.records if facts[record.path].orientation in UPSIDE_DOWN]
    if not turned:
        return
    sides = [_is_stored(record, facts[record.path]) for record in data.records
             if facts[record.path].orientation in ON_ITS_SIDE
             and record.size.height != record.size.width]
    if sides and all(sides):
        for record in turned:
            record.upright = False
        yield Finding(NOTE, f'{len(turned)} pictures are upside down by their EXIF, which their '
                            'labels ignore like those of pictures on their side', '',
                      turned[0].path)
    elif not sides and all(record.upright for record in turned):
        yield Finding(LOOK, f'{len(turned)} pictures are upside down or mirrored by their EXIF; '
                            'sizes cannot tell whether their labels know',
                      'look at the contact sheet; if masks are on the other side: --ignore-exif',
                      turned[0].path)


def bit_findings(data: CocoDataset, facts: Facts) -> Iterator[Finding]:
    """Yield images of which only a part of the bits is used."""
    dark = [record for record in data.records if facts[record.path].bits == 12]
    if dark:
        yield Finding(NOTE, f'{len(dark)} pictures use 12 of their 16 bits and are scaled', '',
                      dark[0].path)


def leftover_findings(data: CocoDataset, facts: Facts) -> Iterator[Finding]:
    """Yield JPEGs of which bytes are left that no pixel took; libjpeg says no more of them."""
    garbled = [record for record in data.records if facts[record.path].leftover]
    if garbled:
        yield Finding(LOOK, f'{len(garbled)} JPEGs have bytes left over behind their last pixel: '
                            'they were garbled in the middle, or their camera fills them up',
                      'look at them: shifted or discoloured ones copy again, or take them out of '
                      'the labels', garbled[0].path)


def duplicate_findings(train: CocoDataset, val: CocoDataset | None,
                       facts: Facts) -> Iterator[Finding]:
    """Yield images that are in a list twice, or in both lists, by name, content or look."""
    pairs = _alike(train.records, train.records, facts)
    pairs = [(one, two) for one, two in pairs if one < two]
    if pairs:
        one, two = (train.records[index].path for index in pairs[0])
        yield Finding(LOOK, f'{len(pairs)} pairs of pictures to learn from are (nearly) the same, '
                            f'such as {two.name}', 'keep one of each; videos: yolact extract', one)
    if val is None:
        return
    shared = dict(_alike(val.records, train.records, facts))
    if shared:
        measured, learnt = next(iter(shared.items()))
        yield Finding(LOOK, f'{len(shared)} of {len(val.records)} pictures to measure on are '
                            f'(nearly) learnt, such as {train.records[learnt].path.name}',
                      'AP then tells what is remembered: take them out of one of the lists',
                      val.records[measured].path)


def series_of(data: CocoDataset, facts: Facts) -> list[int]:
    """Return a number for each image, equal for those that look alike, be it one by one."""
    rows = [row for row, record in enumerate(data.records) if not facts[record.path].problem]
    pairs = _alike([data.records[row] for row in rows], [data.records[row] for row in rows], facts)
    ones, twos = np.array(rows, np.int64)[np.array(pairs, np.int64).reshape(-1, 2)].T
    count = len(data.records)
    links = coo_array((np.ones(len(pairs), bool), (ones, twos)), shape=(count, count))
    return connected_components(links, directed=False)[1].tolist()


def unlisted_findings(lists: Sequence[CocoDataset]) -> Iterator[Finding]:
    """Yield images that lie beside the listed ones, but are in no list."""
    listed = {path.resolve() for data in lists for path in data.paths.values()}
    beside = [path for folder in sorted({path.parent for path in listed})
              for path in sorted(folder.iterdir())
              if path.suffix.lower() in IMAGE_SUFFIXES and path.resolve() not in listed]
    if beside:
        yield Finding(NOTE, f'{len(beside)} pictures lie beside the listed ones, but are in no '
                            'list', 'label them too, or let them be', beside[0])


def _fits(record: CocoImage, fact: ImageFacts) -> bool:
    """Return whether an image has the size of its labels, upright or as it is stored."""
    wanted = record.size.height, record.size.width
    if fact.orientation in ON_ITS_SIDE:
        return wanted in ((fact.height, fact.width), (fact.width, fact.height))
    return wanted == (fact.height, fact.width)


def _is_stored(record: CocoImage, fact: ImageFacts) -> bool:
    """Return whether the labels are for the image as it is stored, not as it is shown."""
    return (record.size.height, record.size.width) == (fact.height, fact.width)


def _alike(ones: Sequence[CocoImage], twos: Sequence[CocoImage],
           facts: Facts) -> list[tuple[int, int]]:
    """
    Return index pairs of images that are the same file, or look the same.

    Of two hashes of signs the product is the bits that agree less those that differ.
    """
    signs = [_signs(records, facts) for records in (ones, twos)]
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(ones), BLOCK):
        agreement = signs[0][start:start + BLOCK] @ signs[1].T
        rows, columns = np.nonzero(agreement >= BITS - 2 * SHARE * BITS)
        pairs += zip((rows + start).tolist(), columns.tolist())
    return pairs


def _signs(records: Sequence[CocoImage], facts: Facts) -> np.ndarray:
    """Return (N, BITS) float32, the difference hashes with -1 for 0."""
    looks = b''.join(bytes.fromhex(facts[record.path].look) for record in records)
    bits = np.unpackbits(np.frombuffer(looks, np.uint8)).reshape(len(records), BITS)
    return bits * np.float32(2) - 1
