"""Write networks as ONNX."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import nn

from yolact_ros.export.deform_conv import deform_by_grid_sample, deform_operator
from yolact_ros.export.network import (
    OUTPUT_NAMES,
    ExportableNetwork,
    ExportableRescoring,
    describe,
    rescoring_path,
)
from yolact_ros.extras import require
from yolact_ros.files import replace_file
from yolact_ros.model.yolact import Yolact, prototype_grid

# torch's exporter starts at 18; DeformConv came with 19.
OPSETS = range(18, 24)
DEFORM_CONV_OPSET = 19


def write_onnx(model: Yolact, path: Path, batch: int | None,
               opset: int = DEFORM_CONV_OPSET) -> list[Path]:
    """
    Write network and re-scoring net as ONNX files.

    From opset 19 deformable convolution is the standard operator DeformConv, before it is
    GridSample and a 1x1 convolution.

    :param path: of the network; the re-scoring net goes beside it.
    :param batch: images in a batch, None for any number.
    :returns: the files, the network's first.
    :raises ImportError: when onnx or onnxscript is not installed.
    """
    config, written = model.config, []
    shape = config.input_shape
    # Two examples where the number is free: one would be taken for a constant.
    if model.maskiou_net is not None:
        grid = prototype_grid(config)
        written.append(_write(ExportableRescoring(model.maskiou_net),
                              torch.zeros(2, 1, *grid), True, opset, ('masks',),
                              ('mask_iou',), describe(config), rescoring_path(path)))
    network = ExportableNetwork(
        model, deform_operator if opset >= DEFORM_CONV_OPSET else deform_by_grid_sample)
    image = torch.zeros(batch or 2, 3, shape.height, shape.width)
    written.append(_write(network, image, batch is None, opset, ('image',), OUTPUT_NAMES,
                          describe(config), path))
    return written[::-1]


def _write(module: nn.Module, example: torch.Tensor, dynamic: bool, opset: int,
           inputs: tuple[str, ...], outputs: tuple[str, ...], description: dict[str, str],
           path: Path) -> Path:
    """Export one module and write it, so that a reader never sees half a file."""
    onnx = require('onnx', 'onnx')
    require('onnxscript', 'onnx')
    shapes = ({0: torch.export.Dim('batch', min=1, max=1024)},) if dynamic else None
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module, (example,), dynamo=True, opset_version=opset, verbose=False,
            input_names=list(inputs), output_names=list(outputs), dynamic_shapes=shapes,
            custom_translation_table={
                torch.ops.yolact_ros.deform_conv2d.default: _deform_conv_node()})
    proto = program.model_proto
    onnx.helper.set_model_props(proto, description)
    replace_file(path, proto.SerializeToString())
    return path


def _deform_conv_node():
    """Return how onnxscript writes this project's operator."""
    assert deform_operator is not None   # its import registers the operator
    from onnxscript import opset19

    def deform_conv(x, weight, offset, bias, mask, stride: int):
        return opset19.DeformConv(x, weight, offset, bias, mask, kernel_shape=[3, 3],
                                  pads=[1, 1, 1, 1], strides=[stride, stride])

    return deform_conv


@contextlib.contextmanager
def _quiet():
    """Keep the progress of the exporter and of its optimiser off the terminal."""
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnxscript', 'onnx_ir')]
    levels = [talker.level for talker in loggers]
    for talker in loggers:
        talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        for talker, level in zip(loggers, levels):
            talker.setLevel(level)
