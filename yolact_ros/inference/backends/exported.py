"""Exported files as backends: ONNX by onnxruntime, OpenVINO IR by OpenVINO, both on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from yolact_ros.config import ModelConfig
from yolact_ros.export.network import SOURCE_KEY, read_description, rescoring_path
from yolact_ros.extras import require
from yolact_ros.inference.backends.int8 import tell_gain_of_int8
from yolact_ros.model.priors import make_priors
from yolact_ros.model.yolact import RawPredictions, level_sizes

# An input array -> the output arrays, in the order of the file.
Runner = Callable[[np.ndarray], list[np.ndarray]]

RUNTIME_OF_SUFFIX = {'.onnx': 'onnx', '.xml': 'openvino'}


class ExportedBackend:
    """
    A network that another runtime runs.

    :param network: image (B, 3, S, S) -> the arrays of OUTPUT_NAMES.
    :param rescoring: masks (N, 1, Hp, Wp) -> [(N, C)], or None.
    :param runtime: name for people.
    """

    def __init__(self, config: ModelConfig, network: Runner, rescoring: Runner | None,
                 precision: str, runtime: str) -> None:
        self.config = config
        self.device, self.dtype = torch.device('cpu'), torch.float32
        self.precision = precision
        self.description = f'cpu, {precision}, {runtime}'
        self.has_rescoring = rescoring is not None
        self.priors = make_priors(level_sizes(config.input_size), config.anchor_scales,
                                  config.anchor_ratios, config.input_size, config.square_anchors)
        self._network, self._rescoring = network, rescoring

    def __call__(self, x: Tensor) -> RawPredictions:
        """Return raw predictions of (B, 3, S, S)."""
        outputs = self._network(x.contiguous().numpy())
        return RawPredictions(*(torch.from_numpy(output) for output in outputs))

    def rescore(self, masks: Tensor) -> Tensor:
        """Return (N, C) mask IoU of (N, 1, Hp, Wp) cropped soft masks."""
        if len(masks) == 0:
            return masks.new_zeros(0, self.config.num_classes)
        return torch.from_numpy(self._rescoring(masks.contiguous().numpy())[0])


def open_exported(path: str | Path, precision: str) -> ExportedBackend:
    """
    Return the backend of a file that yolact export wrote.

    :param path: .onnx or .xml; a YOLACT++ network's re-scoring net is looked for beside it.
    :param precision: 'auto' and 'float32' are the exact numbers; 'bfloat16' is for OpenVINO.
    :raises FileNotFoundError: when the file or its re-scoring net is missing.
    :raises ValueError: when the file is of another version, model or precision.
    :raises ImportError: when the runtime is not installed.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'exported network {path} not found; write one with: '
                                'yolact export WEIGHTS -o ' + str(path))
    precision = 'float32' if precision == 'auto' else precision
    if path.suffix == '.onnx':
        if precision != 'float32':
            raise ValueError(f'{path} holds float32 and onnxruntime runs it as such; got '
                             f'precision {precision!r}, choose auto or float32')
        return _assemble(path, open_onnx, precision, 'onnxruntime')
    return _assemble(path, lambda file: open_openvino(file, precision), precision, 'openvino')


def _assemble(path: Path, open_file: Callable[[Path], tuple[dict[str, str], Runner, list]],
              precision: str, runtime: str) -> ExportedBackend:
    """Open network and re-scoring net and check that they belong together."""
    metadata, network, shapes = open_file(path)
    config = read_description(metadata, path)
    _check_shapes(config, shapes, path)
    if metadata.get('precision') == 'int8':
        precision = 'int8'
        tell_gain_of_int8()
    rescoring = None
    if config.mask_rescoring:
        companion = rescoring_path(path)
        if not companion.is_file():
            raise FileNotFoundError(f'{path} needs its re-scoring net {companion.name} in the '
                                    'same folder; copy it there or export again')
        companion_metadata, rescoring, _ = open_file(companion)
        if (read_description(companion_metadata, companion) != config
                or companion_metadata.get(SOURCE_KEY) != metadata.get(SOURCE_KEY)):
            raise ValueError(f'{companion} belongs to another model than {path.name}; export '
                             'both again with: yolact export')
    return ExportedBackend(config, network, rescoring, precision, runtime)


def _check_shapes(config: ModelConfig, shapes: Sequence[Sequence[object]], path: Path) -> None:
    """Compare a file's input and outputs with what its configuration says."""
    anchors = sum(h * w for h, w in level_sizes(config.input_size)) * config.anchors_per_cell
    wanted = [(3, config.input_size, config.input_size), (anchors, 4),
              (anchors, config.num_classes + 1), (anchors, config.num_prototypes)]
    found = [tuple(shape[1:]) for shape in shapes[:4]]
    if found != wanted:
        raise ValueError(f'{path} does not fit the configuration {config.name} it carries: its '
                         f'input and outputs are {found}, wanted {wanted}; export it again')


def open_onnx(path: Path) -> tuple[dict[str, str], Runner, list]:
    """Return metadata, runner, and the shapes of the input and the outputs of an ONNX file."""
    onnxruntime = require('onnxruntime', 'onnx')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # 3: errors; the rest is about operators it places elsewhere.
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options,
                                               providers=['CPUExecutionProvider'])
    except Exception as error:  # its exceptions share no other base
        raise ValueError(f'{path} is no ONNX file that onnxruntime {onnxruntime.__version__} '
                         f'can run ({str(error).splitlines()[0]}); export it again') from error
    name = session.get_inputs()[0].name
    shapes = [list(node.shape) for node in (*session.get_inputs(), *session.get_outputs())]
    metadata = session.get_modelmeta().custom_metadata_map
    fixed = shapes[0][0]

    def run(array: np.ndarray) -> list[np.ndarray]:
        if isinstance(fixed, int) and len(array) != fixed:
            raise ValueError(f'{path} takes batches of {fixed}, got {len(array)}; export it with '
                             '--batch dynamic')
        return session.run(None, {name: array})

    return metadata, run, shapes


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

    On CPUs with AMX its plugin gives the calling thread a stack for signals, and takes the memory
    back when the last core goes: the next Ctrl-C would then end the process without a word.
    """
    return require('openvino', 'openvino').Core()
