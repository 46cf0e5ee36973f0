"""What a training learnt from, in few numbers: a resumed one tells whether that has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from yolact_ros.data.sample import SampleSource


def fingerprint(source: SampleSource) -> dict[str, Any]:
    """
    Return counts for people and a hash of everything: names, sizes, boxes, masks, classes.

    Folders do not count: a data set may move. Images drawn on demand have no records.
    """
    digest = hashlib.sha256()
    counts = dict.fromkeys(source.class_names, 0)
    for record in getattr(source, 'records', ()):
        digest.update(repr((record.path.name, record.size)).encode())
        if record.unlabelled:
            digest.update(repr(record.unlabelled).encode())
        for item in record.objects:
            truth = item.truth
            digest.update(repr((item.box, truth.class_id, truth.crowd,
                                truth.rle['counts'])).encode())
            counts[source.class_names[truth.class_id]] += 1
    return {'pictures': len(source), 'objects': counts, 'hash': digest.hexdigest()}


def check_same_data(before: Mapping[str, Any], now: Mapping[str, Any],
                    new_data: bool = False) -> None:
    """
    Refuse to resume with other data than a training began with.

    :param new_data: other images and labels are meant; the classes have to stay.
    :raises ValueError: naming the difference and what to do.
    """
    old_names, names = tuple(before['objects']), tuple(now['objects'])
    if old_names != names:
        raise ValueError(
            f'this training began with the classes {", ".join(old_names)}, the data now has '
            f'{", ".join(names)}; a network cannot change its classes. With the same names in '
            'another order give --classes in the old one; else begin a new training in another '
            '--out with --weights of this one')
    if new_data or before['hash'] == now['hash']:
        return
    changes = [f'{name} {old} -> {new}' for name, old, new in (
        ('pictures', before['pictures'], now['pictures']),
        *((name, before['objects'][name], now['objects'][name]) for name in names)) if old != new]
    raise ValueError(
        'the data is not what this training began with: '
        f'{", ".join(changes) or "the same counts, but other file names, boxes or masks"}; '
        'restore it, or add --new-data to go on with what is there now')
