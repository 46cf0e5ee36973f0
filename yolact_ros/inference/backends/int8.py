"""int8 networks: the packaged one, and what a processor gains by them."""

from __future__ import annotations

import importlib.util
import logging
import platform
from pathlib import Path

from yolact_ros.files import sha256_of

# Instructions that multiply bytes and sum them up in one step: x86 and ARM.
INT8_FLAGS = frozenset({'avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp', 'i8mm'})

logger = logging.getLogger(__name__)


def tell_gain_of_int8() -> None:
    """Say it where the processor computes int8 without instructions of its own."""
    if has_int8_instructions(Path('/proc/cpuinfo')) is False:
        logger.info('%s has no VNNI instructions: int8 works, but gains less (up to two times '
                    'float32 instead of three to four)', platform.machine())


def has_int8_instructions(cpuinfo: Path) -> bool | None:
    """
    Return whether the processor has instructions for int8; None where the system does not tell.

    :param cpuinfo: /proc/cpuinfo of Linux.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return None
    flags = next((line.partition(':')[2].split() for line in lines
                  if line.startswith(('flags', 'Features'))), None)
    return None if flags is None else not INT8_FLAGS.isdisjoint(flags)


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
