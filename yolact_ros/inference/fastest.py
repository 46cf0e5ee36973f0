"""
Torch or OpenVINO for a checkpoint on this CPU: what `yolact benchmark` found faster here.

Converting and trying out would make the first start with a model up to a minute longer, so a start
only looks up what was measured before.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from yolact_ros.config import ModelConfig
from yolact_ros.inference.backends import Backend, TorchBackend
from yolact_ros.inference.measure import Machine
from yolact_ros.inference.openvino_backend import openvino_backend, openvino_cache
from yolact_ros.model.yolact import Yolact

logger = logging.getLogger(__name__)

CPU = torch.device('cpu')
# A busy machine makes two equal times differ by a few per cent; torch needs no conversion.
LEAST_GAIN = 1.05


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


def fastest_cpu_backend(model: Yolact, precision: str) -> Backend:
    """
    Return OpenVINO where it is installed and was measured to be faster, else torch.

    :param model: in eval mode; it is taken over and changed.
    :param precision: 'float32' or 'bfloat16'.
    """
    name, version = model.config.name, openvino_version()
    if version is None:
        return TorchBackend(model, CPU, precision)
    times = read_times(times_path(model.config, precision))
    if times is None:
        logger.info('torch runs %s; whether OpenVINO %s is faster here tells: yolact benchmark '
                    'WEIGHTS --backends torch,openvino; backend auto then takes it', name,
                    version)
        return TorchBackend(model, CPU, precision)
    logger.info('%s runs by %s: torch %.1f ms, OpenVINO %.1f ms a picture', name, times.winner,
                times.torch_ms, times.openvino_ms)
    if times.winner == 'torch':
        return TorchBackend(model, CPU, precision)
    try:
        return _working_openvino(model, precision)
    except Exception as error:  # OpenVINO's exceptions share no other base
        logger.warning('torch runs %s, because OpenVINO, though faster, cannot: %s', name,
                       str(error).strip() or type(error).__name__)
        return TorchBackend(model, CPU, precision)


def openvino_version() -> str | None:
    """Return the version of the OpenVINO that is installed, if any, without loading it."""
    try:
        return importlib.metadata.version('openvino')
    except importlib.metadata.PackageNotFoundError:
        return None


def _working_openvino(model: Yolact, precision: str) -> Backend:
    """
    Return OpenVINO's backend after its first picture, which compiles the network.

    :raises Exception: of any kind, when OpenVINO or its cache does not work.
    """
    backend = openvino_backend(model, precision)
    size = model.config.input_size
    with torch.inference_mode():
        backend(torch.zeros(1, 3, size, size))
    return backend


def times_path(config: ModelConfig, precision: str) -> Path:
    """Return where the times of networks of this shape are kept, for each way to run them here."""
    # Speed depends neither on the name nor on those of the classes.
    shape = replace(config, name='', class_names=tuple(map(str, range(config.num_classes))))
    machine = Machine.here(CPU)
    way = (f'{shape} {precision} {machine.threads} {machine.processor} {torch.__version__} '
           f'{openvino_version()}')
    digest = hashlib.sha256(way.encode()).hexdigest()[:16]
    return openvino_cache() / f'{config.backbone}-{digest}.times.json'


def read_times(path: Path) -> Times | None:
    """Return the times that a file remembers, None where it is missing or damaged."""
    try:
        return Times(**json.loads(path.read_text(encoding='utf-8')))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning('%s is damaged and will not be used (%s); measure again', path, error)
        return None


def write_times(path: Path, times: Times) -> None:
    """
    Remember times, so that a reader never sees half a file.

    :raises OSError: when the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f'.part{os.getpid()}')
    part.write_text(json.dumps(asdict(times)) + '\n', encoding='utf-8')
    os.replace(part, path)
