"""Exported files as backends on the CPU: network and re-scoring net of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from yolact_ros.config import ModelConfig
from yolact_ros.export.network import SOURCE_KEY, read_description, rescoring_path
from yolact_ros.inference.backends.int8 import tell_gain_of_int8
from yolact_ros.inference.backends.onnxruntime import open_onnx
from yolact_ros.inference.backends.openvino import open_openvino
from yolact_ros.inference.backends.protocol import Runner
from yolact_ros.model.priors import make_priors
from yolact_ros.model.yolact import RawPredictions, level_sizes

RUNTIME_OF_SUFFIX = {'.onnx': 'onnx', '.xml': 'openvino'}


class ExportedBackend:
    """
    A network that another runtime runs.

    :param network: image (B, 3, H, W) -> the arrays of OUTPUT_NAMES.
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
        """Return raw predictions of (B, 3, H, W)."""
        outputs = self._network(x.contiguous().numpy())
        return RawPredictions(*(torch.from_numpy(output) for output in outputs))

    def rescore(self, masks: Tensor) -> Tensor:
        """Return (N, C) mask IoU of (N, 1, Hp, Wp) cropped soft masks."""
        if len(masks) == 0:
            return masks.new_zeros(0, self.config.num_classes)
        assert self._rescoring is not None, 'nothing to rescore with'
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
    shape = config.input_shape
    wanted = [(3, shape.height, shape.width), (anchors, 4),
              (anchors, config.num_classes + 1), (anchors, config.num_prototypes)]
    found = [tuple(each[1:]) for each in shapes[:4]]
    if found != wanted:
        raise ValueError(f'{path} does not fit the configuration {config.name} it carries: its '
                         f'input and outputs are {found}, wanted {wanted}; export it again')
