"""What a device can compute in, which one is meant, and how to tell that it failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch is imported where it is needed: the node asks before it loads a model
    import torch

PRECISIONS = ('float32', 'float16', 'bfloat16')
# Instructions that multiply in bfloat16: x86 and ARM.
BFLOAT16_FLAGS = frozenset({'avx512_bf16', 'amx_bf16', 'bf16', 'svebf16'})

# Told by name, since torch may be absent. Sticky errors of CUDA are AcceleratorError in new
# releases of torch and RuntimeError with one of these texts in older ones.
_FAILURES = ('OutOfMemoryError', 'AcceleratorError')
_FAILURE = re.compile(r'CUDA (driver )?error|CUDA failure|CUDA out of memory|Triton Error \[CUDA\]'
                      r'|cuDNN error|CU(BLAS|DNN|SOLVER)_STATUS|NVML_')
# What a library refuses, or a graph cannot capture, is computed another way: the device is well.
_REFUSAL = re.compile(r'captur|CU(BLAS|DNN)_STATUS_(NOT_SUPPORTED|ARCH_MISMATCH|BAD_PARAM)', re.I)


def choose_device(device: str) -> torch.device:
    """
    Return the torch device of that name; 'auto' takes CUDA where there is one.

    :raises ValueError: for a name that torch does not know.
    :raises RuntimeError: when a CUDA device is asked for and absent.
    """
    import torch
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f'device {device!r} is unknown; known: auto, cpu, cuda, '
                         'cuda:N') from error
    if chosen.type == 'cuda' and (chosen.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise RuntimeError(f'device {device!r} was asked for, but torch {torch.__version__} sees '
                           f'{found} CUDA devices; check nvidia-smi and that this torch is a CUDA '
                           'build, or choose auto or cpu')
    return chosen


def choose_precision(precision: str, device: torch.device) -> str:
    """
    Return the name of the precision.

    'auto' is float16 on CUDA, bfloat16 on a CPU that multiplies in it, float32 elsewhere.

    :raises ValueError: for an unknown one, or one that a CPU does not compute in.
    """
    if precision == 'auto':
        if device.type == 'cuda':
            return 'float16'
        return quick_precision(cpu_flags(), fast_precisions(device))
    if precision not in PRECISIONS:
        raise ValueError(f'precision {precision!r} is unknown; known: auto, '
                         f'{", ".join(PRECISIONS)}')
    if precision == 'float16' and device.type == 'cpu':
        raise ValueError('precision float16 is for CUDA; on the CPU choose float32 or bfloat16')
    if precision not in fast_precisions(device):
        raise ValueError(f'precision {precision} needs a CPU with AVX-512, AVX-NE-CONVERT or '
                         'BF16 instructions, which this one lacks (lscpu lists its flags); '
                         'choose float32')
    return precision


def quick_precision(flags: frozenset[str], computable: Sequence[str]) -> str:
    """
    Return the precision in which a CPU is quickest without losing accuracy that matters.

    Computing in bfloat16 is not enough: with AVX-512 alone it is emulated, which gains nothing.

    :param flags: of cpu_flags; without any float32 is the safe answer.
    :param computable: what the libraries accept, see fast_precisions.
    """
    multiplies = not BFLOAT16_FLAGS.isdisjoint(flags)
    return 'bfloat16' if multiplies and 'bfloat16' in computable else 'float32'


def cpu_flags(cpuinfo: Path = Path('/proc/cpuinfo')) -> frozenset[str]:
    """
    Return the names of the processor's instruction sets; none where the system does not tell.

    :param cpuinfo: as Linux writes it, for x86 or ARM.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(':')[2].split() for line in lines
                           if line.startswith(('flags', 'Features'))), ()))


def fast_precisions(device: torch.device) -> tuple[str, ...]:
    """Return the precisions that the device has instructions for, the exact one first."""
    if device.type == 'cuda':
        return PRECISIONS
    import torch
    # oneDNN refuses bfloat16 weights on a CPU without these instructions, it does not emulate.
    name = '_is_mkldnn_bf16_supported'
    bfloat16 = hasattr(torch.ops.mkldnn, name) and getattr(torch.ops.mkldnn, name)()
    return ('float32', 'bfloat16') if bfloat16 else ('float32',)


def has_bfloat16_units(device: torch.device) -> bool:
    """Return whether bfloat16 is faster than float32 there, not merely possible."""
    if device.type == 'cuda':
        import torch
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return not BFLOAT16_FLAGS.isdisjoint(cpu_flags())


def dtype_of(precision: str) -> torch.dtype:
    """Return torch's type for one of PRECISIONS."""
    import torch
    return getattr(torch, precision)


def is_device_failure(error: BaseException) -> bool:
    """
    Return True when the device failed or its memory is full, so that no image is to blame.

    An operation that a CUDA graph cannot capture, or that a library has no kernel for, is no
    failure: other calls still serve.
    """
    kind, text = type(error).__name__, str(error)
    if not isinstance(error, RuntimeError):  # a text that only quotes one
        return False
    if _REFUSAL.search(text):
        return kind == 'OutOfMemoryError'
    return kind in _FAILURES or _FAILURE.search(text) is not None
