"""
Networks as OpenVINO models: in memory, or written as IR files.

Deformable convolution is decomposed into an embedding bag and a 1x1 convolution, which can compute
in int8: OpenVINO's own operator cannot, and GridSample takes longer (docs/benchmarks.md).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from yolact_ros.export.deform_conv import deform_by_embedding_bag
from yolact_ros.export.network import (
    OUTPUT_NAMES,
    ExportableNetwork,
    ExportableRescoring,
    describe,
    rescoring_path,
)
from yolact_ros.extras import require
from yolact_ros.files import replacing
from yolact_ros.model.yolact import Yolact, prototype_grid


def convert_network(model: Yolact, batch: int | None = None) -> Any:
    """
    Return the network as an openvino.Model.

    :param batch: images in a batch, None for any number.
    :raises ImportError: when OpenVINO is not installed.
    """
    shape = model.config.input_shape
    return _convert(ExportableNetwork(model, deform_by_embedding_bag),
                    torch.zeros(batch or 1, 3, shape.height, shape.width), batch, OUTPUT_NAMES,
                    describe(model.config))


def convert_rescoring(model: Yolact) -> Any | None:
    """Return the re-scoring net as an openvino.Model, None where the network has none."""
    if model.maskiou_net is None:
        return None
    grid = prototype_grid(model.config)
    return _convert(ExportableRescoring(model.maskiou_net), torch.zeros(1, 1, *grid), None,
                    ('mask_iou',), describe(model.config))


def write_openvino(model: Yolact, path: Path, batch: int | None) -> list[Path]:
    """
    Write network and re-scoring net as OpenVINO IR.

    :param path: of the network's .xml; the .bin and the re-scoring net go beside it.
    :param batch: images in a batch, None for any number.
    :returns: the .xml files, the network's first.
    """
    return write_ir(convert_network(model, batch), convert_rescoring(model), path)


def write_ir(network: Any, rescoring: Any | None, path: Path) -> list[Path]:
    """
    Write an openvino.Model and, where there is one, its re-scoring net.

    :returns: as write_openvino.
    """
    written = [path]
    if rescoring is not None:
        written.append(rescoring_path(path))
        _write(rescoring, written[1])
    # The network last: where it exists, everything does.
    _write(network, path)
    return written


def _convert(module: nn.Module, example: torch.Tensor, batch: int | None, names: tuple[str, ...],
             description: dict[str, str]) -> Any:
    """Return a module with names of its outputs and a description."""
    openvino = require('openvino', 'openvino')
    shape = [batch or -1, *example.shape[1:]]
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing warns of the check of the input's size, whose outcome is fixed here, and that
        # it will be replaced one day: OpenVINO's concern.
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        warnings.simplefilter('ignore', DeprecationWarning)
        converted = openvino.convert_model(module, example_input=example, input=[shape])
    for port, name in zip(converted.outputs, names):
        port.get_tensor().set_names({name})
    for key, value in description.items():
        converted.set_rt_info(value, ['yolact_ros', key])
    return converted


def _write(converted: Any, path: Path) -> None:
    """Write a converted module, so that a reader never sees half a file."""
    openvino = require('openvino', 'openvino')
    with replacing(path) as part, replacing(path.with_suffix('.bin')) as weights:
        openvino.save_model(converted, part, compress_to_fp16=False)
        assert weights == part.with_suffix('.bin')  # where OpenVINO puts it
