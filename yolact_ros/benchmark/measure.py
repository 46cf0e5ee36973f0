"""Timing, arithmetic and memory: the numbers behind `yolact benchmark`."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import device as Device  # torch is a field of Machine

from yolact_ros.inference.backends.onednn import OneDnnConv, onednn_operators
from yolact_ros.memory import release_freed_memory
from yolact_ros.model.backbone import DeformConv
from yolact_ros.model.yolact import Yolact

# One call: does the work, returns milliseconds by stage.
Work = Callable[[], Mapping[str, float]]
# What runs, and its floating-point operations.
Kernel = tuple[Callable[[], Tensor], int]


@dataclass
class Timing:
    """
    Every measured call of one variant.

    :param frame_ms: wall time of the whole call.
    :param cpu_ms: processor time of the call, over all threads; does not count waiting, so it
        is steadier than frame_ms where others use the machine.
    :param stage_ms: wall time by stage.
    """

    frame_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    stage_ms: dict[str, list[float]] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return median and p95 of everything, rounded to a microsecond."""
        def of(values: list[float]) -> dict[str, float]:
            return {'median': round(float(np.median(values)), 3),
                    'p95': round(float(np.percentile(values, 95)), 3)}
        return {'frame_ms': of(self.frame_ms), 'cpu_ms': of(self.cpu_ms),
                'stage_ms': {stage: of(values) for stage, values in self.stage_ms.items()},
                'calls': len(self.frame_ms)}


def measure(works: Mapping[str, Work], rounds: int, warmup: int) -> dict[str, Timing]:
    """
    Time several variants in turns, so that a busy moment of the machine hits all of them.

    :param rounds: measured calls of each variant.
    :param warmup: calls before.
    """
    timings = {name: Timing() for name in works}
    for turn in range(warmup + rounds):
        for name, work in works.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            stages = dict(work())
            elapsed = time.perf_counter() - start, time.process_time() - start_cpu
            if turn < warmup:
                continue
            timing = timings[name]
            timing.frame_ms.append(elapsed[0] * 1e3)
            timing.cpu_ms.append(elapsed[1] * 1e3)
            for stage, stage_ms in stages.items():
                timing.stage_ms.setdefault(stage, []).append(stage_ms)
    return timings


def speedup(baseline: Timing, timing: Timing) -> dict[str, float]:
    """Return the median over the rounds of how many times as fast a variant was."""
    return {'wall': round(float(np.median(np.divide(baseline.frame_ms, timing.frame_ms))), 2),
            'cpu': round(float(np.median(np.divide(baseline.cpu_ms, timing.cpu_ms))), 2)}


def count_flop(model: Yolact) -> int:
    """
    Return the floating-point operations of the network for one image, multiply and add as two.

    Convolutions count, deformable ones with four reads of each sample; the rest is below 1 %.
    """
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        total += 2 * output[0, 0].numel() * weight.numel()
        if isinstance(module, DeformConv):
            total += 2 * 4 * output[0, 0].numel() * weight[0].numel()

    hooks = [module.register_forward_hook(count) for module in model.modules()
             if isinstance(module, (nn.Conv2d, DeformConv))]
    shape = model.config.input_shape
    try:
        with torch.inference_mode():
            model(torch.zeros(1, 3, shape.height, shape.width, device=model.priors.device))
    finally:
        for hook in hooks:
            hook.remove()
    return total


def measured_peak(dtype: torch.dtype, device: torch.device) -> float:
    """
    Return the most floating-point operations per second that a simple kernel reaches here.

    More than one is tried, because different libraries are behind them: on an AMD EPYC oneDNN's
    convolution is about 10 % faster than MKL's matrix product.
    """
    with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
        return max(_rate(*kernel(dtype, device)) for kernel in PEAK_KERNELS)


def _matrix_product(dtype: torch.dtype, device: torch.device) -> Kernel:
    """Return a product of matrices that keep the device busy."""
    size = 8192 if device.type == 'cuda' else 2048
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return lambda: a @ b, 2 * size ** 3


def _convolution(dtype: torch.dtype, device: torch.device) -> Kernel:
    """Return a 3x3 convolution as in the middle of the network, as fast as the device has it."""
    batch, channels, size = (32 if device.type == 'cuda' else 1), 256, 64
    x = torch.randn(batch, channels, size, size, device=device)
    x = x.to(dtype, memory_format=torch.channels_last)
    conv: nn.Module = nn.Conv2d(channels, channels, 3, padding=1).to(
        device, dtype, memory_format=torch.channels_last)
    if device.type == 'cpu' and onednn_operators() is not None:
        conv = OneDnnConv(conv)  # packs the weight once
    return lambda: conv(x), 2 * batch * size ** 2 * channels ** 2 * 9


PEAK_KERNELS = _matrix_product, _convolution


def _rate(work: Callable[[], Tensor], flop: int) -> float:
    """Return the operations per second of the fastest of several calls."""
    best = float('inf')
    for _ in range(6):
        start = time.perf_counter()
        result = work()
        result[(0,) * result.ndim].item()   # waits for a GPU
        best = min(best, time.perf_counter() - start)
    return flop / best


def peak_memory_mb(work: Callable[[], object], device: torch.device) -> float | None:
    """
    Return the largest memory while work runs [MB]: what torch holds of a GPU, or the process.

    None where the system does not tell (Linux does).
    """
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_reserved(device) / 1e6
    release_freed_memory()
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        return None
    work()
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) / 1e3
    return None


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on."""

    processor: str
    threads: int
    load: float
    python: str
    torch: str
    device: str

    @classmethod
    def here(cls, device: Device) -> Machine:
        """Return this machine."""
        name = platform.processor()
        cpuinfo = Path('/proc/cpuinfo')
        if cpuinfo.exists():
            name = next((line.split(':', 1)[1].strip() for line in cpuinfo.open()
                         if line.startswith('model name')), name)
        load = os.getloadavg()[0] if hasattr(os, 'getloadavg') else float('nan')
        shown = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'cpu'
        return cls(name, torch.get_num_threads(), round(load, 2), platform.python_version(),
                   torch.__version__, shown)

    def as_dict(self) -> dict[str, object]:
        """Return the fields for JSON."""
        return asdict(self)
