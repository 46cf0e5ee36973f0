"""What can be fuzzed: a kind of input, good examples of it, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.trust.mutate import Random, mutate_bytes

Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]


@dataclass(frozen=True)
class Target:
    """
    A kind of input and its reader.

    :param name: for people and for file names.
    :param corpus: makes good inputs.
    :param consume: reads an input; checks by assert what it must have become.
    :param refusals: errors that are right for a damaged input.
    :param mutate: damages an input.
    :param slow_s: an input that takes more processor time is a finding [s].
    """

    name: str
    corpus: Callable[[], list[bytes]]
    consume: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = (ValueError, OSError)
    mutate: Mutation = mutate_bytes
    slow_s: float = 5.0
