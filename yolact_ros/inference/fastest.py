"""Torch or OpenVINO for a checkpoint on this CPU: measured once, then remembered on disk."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from yolact_ros.inference.backends import Backend, TorchBackend
from yolact_ros.inference.measure import Machine, measure
from yolact_ros.inference.openvino_backend import model_digest, openvino_backend, openvino_cache
from yolact_ros.model.yolact import Yolact

logger = logging.getLogger(__name__)

CPU = torch.device('cpu')
ROUNDS, WARMUP = 5, 2
# A busy machine makes two equal times differ by a few per cent; torch needs no conversion.
LEAST_GAIN = 1.05

# Backends by name -> milliseconds that each needs for one picture.
Timer = Callable[[Mapping[str, Backend]], Mapping[str, float]]


@dataclass(frozen=True)
class Times:
    """
    How long the network of one picture takes by either backend.

    :param torch_ms: [ms].
    :param openvino_ms: [ms].
    :raises ValueError: when one is no positive number.
    """

    torch_ms: float
    openvino_ms: float

    def __post_init__(self) -> None:
        """Refuse what no measurement gives."""
        for value in (self.torch_ms, self.openvino_ms):
            if not isinstance(value, (int, float)) or not 0 < value < float('inf'):
                raise ValueError(f'times must be positive numbers, got {value!r}')

    @property
    def winner(self) -> str:
        """Return openvino where it is clearly faster, else torch."""
        return 'openvino' if self.torch_ms > LEAST_GAIN * self.openvino_ms else 'torch'


def fastest_cpu_backend(model: Yolact, precision: str, timer: Timer | None = None) -> Backend:
    """
    Return the faster of torch and OpenVINO for this model on this CPU.

    Both run a few pictures at the first start with a model; later starts read the two times from
    a file beside OpenVINO's conversion. Without OpenVINO, or where it fails, it is torch.

    :param model: in eval mode; it is taken over and changed.
    :param precision: 'float32' or 'bfloat16'.
    :param timer: measures; None for measure_backends.
    """
    if not openvino_installed():
        return TorchBackend(model, CPU, precision)
    name = model.config.name
    try:
        path, times, openvino = _open_openvino(model, precision)
    except Exception as error:  # OpenVINO's exceptions share no other base
        logger.warning('torch runs %s, because OpenVINO, though installed, cannot: %s', name,
                       str(error).strip() or type(error).__name__)
        return TorchBackend(model, CPU, precision)
    backends = {'openvino': openvino}
    if times is None or times.winner == 'torch':
        # Not before: torch takes the model over that OpenVINO converts.
        backends['torch'] = TorchBackend(model, CPU, precision)
    if times is None:
        measured = (timer or measure_backends)(backends)
        times = Times(measured['torch'], measured['openvino'])
        write_times(path, times)
    logger.info('%s runs by %s: torch %.1f ms, OpenVINO %.1f ms a picture', name, times.winner,
                times.torch_ms, times.openvino_ms)
    return backends[times.winner]


def openvino_installed() -> bool:
    """Return whether there is an OpenVINO to try, without loading it."""
    return importlib.util.find_spec('openvino') is not None


def _open_openvino(model: Yolact, precision: str) -> tuple[Path, Times | None, Backend | None]:
    """
    Return where the times of the model are kept, the times, and OpenVINO if it may be needed.

    :raises Exception: of any kind, when OpenVINO or its cache does not work.
    """
    path = times_path(model, precision)
    times = read_times(path)
    if times is not None and times.winner == 'torch':
        return path, times, None
    if times is None:
        logger.info('%s: trying torch and OpenVINO, once for this model and machine; this takes '
                    '10 to 60 seconds', model.config.name)
    openvino = openvino_backend(model, precision)
    with torch.inference_mode():
        # The first picture compiles the network, which can fail as well.
        openvino(blank_input(model.config.input_size))
    return path, times, openvino


def blank_input(size: int) -> Tensor:
    """Return (1, 3, size, size) zeros; the time does not depend on the numbers."""
    return torch.zeros(1, 3, size, size)


def measure_backends(backends: Mapping[str, Backend]) -> dict[str, float]:
    """Return the milliseconds of one picture's network by backend, the least of a few turns."""
    x = blank_input(backends['torch'].config.input_size)

    def work(backend: Backend) -> dict[str, float]:
        backend(x)
        return {}

    with torch.inference_mode():
        timings = measure({name: lambda backend=backend: work(backend)
                           for name, backend in backends.items()}, ROUNDS, WARMUP)
    return {name: min(timing.frame_ms) for name, timing in timings.items()}


def times_path(model: Yolact, precision: str) -> Path:
    """Return where the times of a model are kept: one file for each way to run it here."""
    machine = Machine.here(CPU)
    way = f'{precision} {machine.threads} {machine.processor}'
    way_digest = hashlib.sha256(way.encode()).hexdigest()[:8]
    return openvino_cache() / f'{model.config.name}-{model_digest(model)}-{way_digest}.times.json'


def read_times(path: Path) -> Times | None:
    """Return the times that a file remembers, None where it is missing or damaged."""
    try:
        return Times(**json.loads(path.read_text(encoding='utf-8')))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning('%s is damaged and will be measured again (%s)', path, error)
        return None


def write_times(path: Path, times: Times) -> None:
    """
    Remember times, so that a reader never sees half a file.

    Where the folder cannot be written, a warning says so and the next start measures again.
    """
    part = path.with_suffix(f'.part{os.getpid()}')
    try:
        part.write_text(json.dumps(asdict(times)) + '\n', encoding='utf-8')
        os.replace(part, path)
    except OSError as error:
        logger.warning('the times cannot be kept, so the next start measures again (%s)', error)
