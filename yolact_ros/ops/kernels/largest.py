"""The largest of many numbers, most of which are zero."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

MOST_AT_ONCE = 16384  # numbers that a program looks at in one step
COLUMNS = 16          # numbers ranked by one program
ROWS = 256            # others it compares them with at once


def largest(values: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """
    Return the largest numbers of each row, best first, equal ones in their order.

    :param values: (B, M) float32 in [0, 1], contiguous.
    :returns: numbers and places (B, most), zeros behind the last number that is not zero.
    """
    chosen, places, counts, _ = choose_largest(values, most)
    best, order = torch.empty_like(chosen), torch.empty_like(places)
    _sort[triton.cdiv(most, COLUMNS), len(values)](chosen, places, counts, best, order, most,
                                                   rows=ROWS, columns=COLUMNS)
    return best, order


def choose_largest(values: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """
    Return the largest numbers of each row in their own order; of equal ones the first.

    A program looks at a whole row. Few of the numbers are not zero, and torch's sort of all of
    them, or of two thousand, takes several times as long.

    :param values: (B, M) float32 in [0, 1], contiguous.
    :returns: numbers and places (B, most), zeros behind the last number that is not zero; how
        many are not (B,) int32; the largest number left out or 0 (B,).
    """
    assert values.is_contiguous()
    batch, length = values.shape
    chosen = values.new_empty((batch, most))
    places = torch.empty((batch, most), dtype=torch.int64, device=values.device)
    counts = torch.empty(batch, dtype=torch.int32, device=values.device)
    left_out = values.new_empty(batch)
    block = _block(length)
    # The bits of numbers that are not negative have the order of the numbers.
    _choose[batch,](values.view(torch.int32), chosen.view(torch.int32), places, counts,
                    left_out.view(torch.int32), length, most, block=block,
                    num_warps=_warps(block))
    return chosen, places, counts, left_out


def first_kept(keep: Tensor, most: int) -> Tensor:
    """
    Return the places of the first that are True, and zeros.

    :param keep: (B, M) bool, contiguous.
    :returns: (B, most) int64.
    """
    assert keep.is_contiguous()
    batch, length = keep.shape
    places = torch.empty((batch, most), dtype=torch.int64, device=keep.device)
    block = _block(length)
    _first_kept[batch,](keep, places, length, most, block=block, num_warps=_warps(block))
    return places


def _block(length: int) -> int:
    """Return how many numbers a program looks at in one step."""
    return min(triton.next_power_of_2(max(length, 1)), MOST_AT_ONCE)


def _warps(block: int) -> int:
    """Return the warps that have 16 numbers a thread in one step."""
    return min(max(block // 512, 1), 32)


@triton.jit
def _count(bits, least, length, block: tl.constexpr):
    """Return how many numbers are at least so large."""
    total = tl.zeros((block,), tl.int32)
    for start in range(0, length, block):
        place = start + tl.arange(0, block)
        total += (tl.load(bits + place, mask=place < length, other=0) >= least).to(tl.int32)
    return tl.sum(total, 0)


@triton.jit
def _choose(bits, chosen, places, counts, left_out, length, most, block: tl.constexpr):
    """Choose among the numbers of one row."""
    row = tl.program_id(0).to(tl.int64)
    bits, chosen, places = bits + row * length, chosen + row * most, places + row * most
    cut, spare = tl.zeros((), tl.int32), tl.zeros((), tl.int32)
    if _count(bits, 1, length, block) > most:
        # The largest number that more than most reach, bit by bit; 1.0 has its first at 29.
        for step in range(30):
            trial = cut + (1 << (29 - step))
            if _count(bits, trial, length, block) > most:
                cut = trial
        spare = most - _count(bits, cut + 1, length, block)
    taken, equal = tl.zeros((), tl.int32), tl.zeros((), tl.int32)
    for start in range(0, length, block):
        place = start + tl.arange(0, block)
        value = tl.load(bits + place, mask=place < length, other=0)
        kept = value > cut
        if spare > 0:
            level = ((value == cut) & (value > 0)).to(tl.int32)
            kept = kept | ((level > 0) & (equal + tl.cumsum(level, 0) <= spare))
            equal += tl.sum(level, 0)
        target = taken + tl.cumsum(kept.to(tl.int32), 0) - 1
        tl.store(chosen + target, value, mask=kept)
        tl.store(places + target, place.to(tl.int64), mask=kept)
        taken += tl.sum(kept.to(tl.int32), 0)
    tl.store(counts + row, taken)
    tl.store(left_out + row, cut)
    _fill(chosen, taken, most, block)
    _fill(places, taken, most, block)


@triton.jit
def _fill(target, start, stop, block: tl.constexpr):
    """Write zeros from start on."""
    for at in range(start, stop, block):
        index = at + tl.arange(0, block)
        tl.store(target + index, tl.zeros((block,), tl.int32), mask=index < stop)


@triton.jit
def _first_kept(keep, places, length, most, block: tl.constexpr):
    """Look through one row."""
    row = tl.program_id(0).to(tl.int64)
    keep, places = keep + row * length, places + row * most
    taken = tl.zeros((), tl.int32)
    for start in range(0, length, block):
        place = start + tl.arange(0, block)
        kept = (tl.load(keep + place, mask=place < length, other=0) != 0).to(tl.int32)
        target = taken + tl.cumsum(kept, 0) - 1
        tl.store(places + target, place.to(tl.int64), mask=(kept > 0) & (target < most))
        taken += tl.sum(kept, 0)
    _fill(places, taken, most, block)


@triton.jit
def _sort(chosen, places, counts, best, order, most, rows: tl.constexpr, columns: tl.constexpr):
    """Put some of the chosen numbers of one row where they belong."""
    row = tl.program_id(1).to(tl.int64)
    chosen, places = chosen + row * most, places + row * most
    count = tl.load(counts + row)
    start = tl.program_id(0) * columns
    own = start + tl.arange(0, columns)
    value = tl.load(chosen + own, mask=own < most, other=0.0)
    ahead = tl.zeros((columns,), tl.int32)
    for at in range(0, tl.where(start < count, count, 0), rows):
        other = at + tl.arange(0, rows)
        rival = tl.load(chosen + other, mask=other < count, other=0.0)
        better = (rival[:, None] > value[None, :]) \
            | ((rival[:, None] == value[None, :]) & (other[:, None] < own[None, :]))
        ahead += tl.sum(better.to(tl.int32), 0)
    target = row * most + tl.where(own < count, ahead, own)
    tl.store(best + target, value, mask=own < most)
    tl.store(order + target, tl.load(places + own, mask=own < most, other=0), mask=own < most)
