"""Networks by OpenVINO: files, or models converted in memory."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from yolact_ros.export.network import SOURCE_KEY
from yolact_ros.extras import require
from yolact_ros.inference.backends.protocol import Runner


class OpenVinoRunner:
    """
    A network compiled for each batch size that is asked for, at most a few at a time.

    With a fixed shape OpenVINO is twice as fast as with one that it learns at every call.

    :param core: openvino.Core.
    :param model: openvino.Model with one input.
    :param options: for compiling.
    """

    kept_sizes = 3

    def __init__(self, core: Any, model: Any, options: dict[str, Any]) -> None:
        self._core, self._model, self._options = core, model, options
        self._outputs = len(model.outputs)
        self._requests: dict[tuple[int, ...], Any] = {}
        # Re-scoring has another number of masks in every image: not worth compiling for.
        self._fixed = len(model.outputs) > 1

    def __call__(self, array: np.ndarray) -> list[np.ndarray]:
        """Return the outputs for one input array."""
        key = array.shape if self._fixed else ()
        if key not in self._requests:
            if len(self._requests) == self.kept_sizes:
                del self._requests[next(iter(self._requests))]
            self._requests[key] = self._compile(array.shape).create_infer_request()
        results = self._requests[key].infer({0: array})
        # The request's memory is written again by the next image.
        return [results[index].copy() for index in range(self._outputs)]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        """Return the network compiled for a shape of the input."""
        model = self._model
        if self._fixed:
            batch = model.inputs[0].partial_shape[0]
            if batch.is_static and batch.get_length() != shape[0]:
                raise ValueError(f'the exported network takes batches of {batch.get_length()}, '
                                 f'got {shape[0]}; export it with --batch dynamic')
            model = model.clone()
            model.reshape(list(shape))
        return self._core.compile_model(model, 'CPU', self._options)


def run_openvino(model: Any, precision: str) -> OpenVinoRunner:
    """
    Return a function that runs an openvino.Model.

    :param precision: 'float32' or 'bfloat16'.
    """
    return OpenVinoRunner(_openvino_core(), model, {
        'INFERENCE_PRECISION_HINT': 'bf16' if precision == 'bfloat16' else 'f32',
        'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': torch.get_num_threads()})


def open_openvino(path: Path, precision: str) -> tuple[dict[str, str], Runner, list]:
    """
    Return metadata, runner, and the shapes of the input and the outputs of an OpenVINO IR.

    :param precision: 'float32' or 'bfloat16'.
    """
    openvino = require('openvino', 'openvino')
    try:
        model = _openvino_core().read_model(path)
    except RuntimeError as error:
        raise ValueError(f'{path} is no OpenVINO IR that openvino {openvino.__version__} can '
                         f'read ({str(error).strip().splitlines()[-1]}); its .bin must lie beside '
                         'it') from error
    run = run_openvino(model, precision)
    shapes = [[dim.get_length() if dim.is_static else None for dim in port.partial_shape]
              for port in (*model.inputs, *model.outputs)]
    metadata = {key: model.get_rt_info(['yolact_ros', key]).astype(str)
                for key in ('format', 'export_version', 'config', 'precision', SOURCE_KEY)
                if model.has_rt_info(['yolact_ros', key])}
    return metadata, run, shapes


@lru_cache(maxsize=1)
def _openvino_core() -> Any:
    """
    Return OpenVINO's core, one for the process.

    One that goes may leave a stack for signals that is gone too (export/signal_stack.py).
    """
    return require('openvino', 'openvino').Core()
