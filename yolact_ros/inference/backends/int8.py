"""int8 networks: the packaged one, and what a processor gains by them."""

from __future__ import annotations

import importlib.util
import logging
import platform
from functools import lru_cache
from pathlib import Path

from yolact_ros.devices import cpu_flags
from yolact_ros.files import sha256_of

# Instructions that multiply bytes and sum them up in one step: x86 and ARM.
INT8_FLAGS = frozenset({'avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp', 'i8mm'})

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def tell_gain_of_int8() -> None:
    """Say it, once, where the processor computes int8 without instructions of its own."""
    flags = cpu_flags()
    if flags and INT8_FLAGS.isdisjoint(flags):
        logger.info('%s has no VNNI instructions: int8 works, but gains less (up to two times '
                    'float32 instead of three to four)', platform.machine())


def int8_twin(weights: Path) -> Path | None:
    """
    Return the int8 network beside a checkpoint; None where it or OpenVINO is missing.

    :param weights: a.safetensors has its twin in a.int8.xml.
    """
    twin = weights.with_suffix('.int8.xml')
    if not twin.is_file() or importlib.util.find_spec('openvino') is None:
        return None
    if sha256_of(weights) not in twin.read_text(encoding='utf-8'):
        logger.warning('%s was made from other weights than %s and is left alone; make it again '
                       'with: yolact quantize', twin, weights.name)
        return None
    return twin
