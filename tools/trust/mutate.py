"""Damage bytes and JSON in the ways that transports, disks and foreign programs do."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

Random = np.random.Generator

BYTES = (0x00, 0x01, 0x7f, 0x80, 0xff)
# Lengths and sizes at which arithmetic goes wrong.
NUMBERS = (0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff)
WORDS = (None, True, False, 0, 1, -1, 0.5, 1e8, -1e300, 2 ** 31, 2 ** 63, 10 ** 30, float('nan'),
         float('inf'), '', '0', 'nan', '²', 'Fußball', '../../etc', '\x00', 'x' * 5000, [], {},
         [[]], [[], []], [None], {'counts': []}, {'size': [1, 1], 'counts': [1]},
         {'size': [2 ** 31, 2 ** 31], 'counts': 'abc'}, [[1, 2], [3, 4]], [[1, 2, 3]])


def mutate_bytes(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """
    Return data with one to four damages.

    :param others: other good inputs, for splicing.
    """
    damaged = bytearray(data)
    for _ in range(random.integers(1, 5)):
        damage = DAMAGES[random.integers(len(DAMAGES))]
        damaged = damage(damaged, others, random) if damaged else bytearray(b'\0')
    return bytes(damaged)


def mutate_tree(tree: Any, random: Random) -> Any:
    """Return a copy of plain JSON in which one to three values are replaced, lost or doubled."""
    tree = copy.deepcopy(tree)
    for _ in range(random.integers(1, 4)):
        places = list(_places(tree))
        if not places:
            return tree
        holder, key = places[random.integers(len(places))]
        action = random.integers(4)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif action == 2:
            other, other_key = places[random.integers(len(places))]
            holder[key] = copy.deepcopy(other[other_key]) if other_key in _keys(other) else None
        else:
            holder[key] = copy.deepcopy(WORDS[random.integers(len(WORDS))])
    return tree


def _places(tree: Any):
    """Yield (list or dict, key) of everything in a tree."""
    for key in _keys(tree):
        yield tree, key
        yield from _places(tree[key])


def _keys(tree: Any) -> list:
    """Return what a list or dict can be asked for."""
    if isinstance(tree, dict):
        return list(tree)
    return list(range(len(tree))) if isinstance(tree, list) else []


def _place(data: bytearray, random: Random, width: int = 1) -> int:
    """Return an index; every second one lies near the start, where headers are."""
    most = max(len(data) - width + 1, 1)
    return int(random.integers(min(most, 64) if random.random() < 0.5 else most))


def _flip_bit(data: bytearray, _others: Sequence[bytes], random: Random) -> bytearray:
    data[_place(data, random)] ^= 1 << random.integers(8)
    return data


def _set_byte(data: bytearray, _others: Sequence[bytes], random: Random) -> bytearray:
    data[_place(data, random)] = BYTES[random.integers(len(BYTES))]
    return data


def _set_number(data: bytearray, _others: Sequence[bytes], random: Random) -> bytearray:
    width = int(random.choice((2, 4, 8)))
    start = _place(data, random, width)
    number = NUMBERS[random.integers(len(NUMBERS))] & (1 << 8 * width) - 1
    order = 'little' if random.random() < 0.5 else 'big'
    data[start:start + width] = number.to_bytes(width, order)
    return data


def _cut_off(data: bytearray, _others: Sequence[bytes], random: Random) -> bytearray:
    return data[:int(random.integers(len(data)))]


def _lose(data: bytearray, _others: Sequence[bytes], random: Random) -> bytearray:
    start = _place(data, random)
    del data[start:start + int(random.integers(1, 64))]
    return data


def _repeat(data: bytearray, _others: Sequence[bytes], random: Random) -> bytearray:
    start = _place(data, random)
    piece = data[start:start + int(random.integers(1, 64))]
    data[start:start] = piece * int(random.integers(1, 8))
    return data


def _splice(data: bytearray, others: Sequence[bytes], random: Random) -> bytearray:
    other = others[random.integers(len(others))]
    return data[:_place(data, random)] + other[int(random.integers(len(other) + 1)):]


DAMAGES = (_flip_bit, _flip_bit, _set_byte, _set_number, _set_number, _cut_off, _lose, _repeat,
           _splice)
