"""Which backend runs a file: decided by what the file is, what is asked for and what is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from yolact_ros.checkpoint import load_model, resolve_weights
from yolact_ros.config import BACKENDS, ModelConfig
from yolact_ros.devices import choose_device, choose_precision
from yolact_ros.export.openvino import convert_network, convert_rescoring
from yolact_ros.inference.backends.exported import (
    RUNTIME_OF_SUFFIX,
    ExportedBackend,
    open_exported,
)
from yolact_ros.inference.backends.int8 import int8_twin
from yolact_ros.inference.backends.openvino import run_openvino
from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.model.yolact import Yolact

logger = logging.getLogger(__name__)


def kind_of(weights: str | Path) -> str:
    """Return what weights are, on which the choice of what runs them depends."""
    if str(weights) == 'demo':
        return 'the packaged demo model'
    return 'an exported file' if Path(weights).suffix in RUNTIME_OF_SUFFIX else 'a checkpoint'


def open_backend(weights: str | Path, config: ModelConfig | str | None, device: str,
                 backend: str, precision: str, class_names: Sequence[str]) -> Backend:
    """
    Return the backend that the options of open_predictor ask for.

    :raises ValueError: and others, as open_predictor.
    """
    if backend not in BACKENDS:
        raise ValueError(f'backend {backend!r} is unknown; known: {", ".join(BACKENDS)}')
    if (weights, config, backend, precision) == ('demo', None, 'auto', 'auto'):
        twin = _demo_in_int8(device)
        if twin is not None:
            return twin
    runtime = RUNTIME_OF_SUFFIX.get(Path(weights).suffix)
    if (runtime or backend == 'openvino') and device not in ('auto', 'cpu'):
        raise ValueError(f'{runtime or backend} runs on the cpu; device {device!r} needs a '
                         'checkpoint and backend torch')
    if runtime:
        return _open_file(weights, config, runtime, backend, precision)
    if backend == 'onnx':
        raise ValueError(f'backend onnx runs exported files, not {weights}; write one with: '
                         f'yolact export {weights} --format onnx')
    chosen_device = torch.device('cpu') if backend == 'openvino' else choose_device(device)
    chosen_precision = choose_precision(precision, chosen_device)
    model, _ = load_model(weights, config, class_names)
    if backend == 'openvino':
        return openvino_backend(model, chosen_precision)
    return TorchBackend(model, chosen_device, chosen_precision)


def _open_file(weights: str | Path, config: ModelConfig | str | None, runtime: str, backend: str,
               asked: str) -> Backend:
    """Return the backend of a file that yolact export or yolact quantize wrote."""
    # ONNX Runtime has its own say about precision.
    precision = asked if runtime == 'onnx' else choose_precision(asked, torch.device('cpu'))
    if backend not in ('auto', runtime):
        raise ValueError(f'{weights} is run by {runtime}; choose backend auto, or give a '
                         f'checkpoint for {backend}')
    exported = open_exported(weights, precision)
    if asked == 'float32' and exported.precision == 'int8':
        raise ValueError(f'{weights} holds int8; choose precision auto, or give the '
                         'checkpoint that it was made from')
    if config not in (None, exported.config, exported.config.name):
        raise ValueError(f'{weights} carries its own configuration ({exported.config.name}); '
                         'leave config out')
    return exported


def _demo_in_int8(device: str) -> Backend | None:
    """Return the packaged model as int8 on a CPU that has OpenVINO, else None."""
    if choose_device(device).type != 'cpu':
        return None
    twin = int8_twin(resolve_weights('demo'))
    if twin is None:
        return None
    try:
        backend = open_exported(twin, 'float32')
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        # Of another version, or broken: the exact network needs none of it.
        logger.warning('the demo model runs in torch, several times slower, because OpenVINO '
                       'cannot open its int8 network: %s', error)
        return None
    logger.info('the demo model runs in int8 by OpenVINO, which finds the same in less time; ask '
                'for precision float32 or backend torch to have the exact network')
    return backend


def openvino_backend(model: Yolact, precision: str) -> ExportedBackend:
    """
    Return a backend that runs a model by OpenVINO on the CPU.

    :param precision: 'float32' or 'bfloat16'.
    :raises ImportError: when OpenVINO is not installed.
    """
    rescoring = convert_rescoring(model)
    return ExportedBackend(model.config, run_openvino(convert_network(model), precision),
                           rescoring and run_openvino(rescoring, precision), precision,
                           'openvino')
