"""
A checkpoint by OpenVINO, converted once and then read from a cache on disk.

Deformable convolution is decomposed into grid_sample and a 1x1 convolution: OpenVINO's own
operator was measured no faster (docs/benchmarks.md).
"""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from pathlib import Path

import torch
from torch import nn

from yolact_ros.inference.backends import require
from yolact_ros.inference.exportable import (
    EXPORT_VERSION,
    OUTPUT_NAMES,
    ExportableNetwork,
    ExportableRescoring,
    describe,
)
from yolact_ros.inference.exported import ExportedBackend, open_openvino, rescoring_path
from yolact_ros.model.yolact import Yolact
from yolact_ros.published import cache_dir

logger = logging.getLogger(__name__)


def openvino_backend(model: Yolact, precision: str) -> ExportedBackend:
    """
    Return a backend that runs the model by OpenVINO on the CPU.

    The converted and the compiled network are kept in openvino_cache(); a later start with the
    same weights reads them.

    :param precision: 'float32' or 'bfloat16'.
    :raises ImportError: when OpenVINO is not installed.
    :raises OSError: when the cache cannot be written.
    """
    require('openvino', 'openvino')
    cache = openvino_cache()
    path = cache / f'{model.config.name}-{_digest(model)}.xml'
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        logger.info('converting %s for OpenVINO, once; kept in %s', model.config.name, cache)
        write_openvino(model, path, batch=None)
    _, network, _ = open_openvino(path, precision, cache)
    rescoring = None
    if model.config.mask_rescoring:
        _, rescoring, _ = open_openvino(rescoring_path(path), precision, cache)
    return ExportedBackend(model.config, network, rescoring, precision, 'openvino')


def openvino_cache() -> Path:
    """Return the folder of converted and compiled networks; it may not exist yet."""
    return cache_dir() / 'openvino'


def write_openvino(model: Yolact, path: Path, batch: int | None) -> list[Path]:
    """
    Write network and re-scoring net as OpenVINO IR.

    :param path: of the network's .xml; the .bin and the re-scoring net go beside it.
    :param batch: pictures in a batch, None for any number.
    :returns: the .xml files, the network's first.
    """
    config, written = model.config, []
    size = config.input_size
    if model.maskiou_net is not None:
        grid = 2 * ((size + 7) // 8)
        written.append(_write(ExportableRescoring(model.maskiou_net),
                              torch.zeros(1, 1, grid, grid), None, ('mask_iou',),
                              describe(config), rescoring_path(path)))
    image = torch.zeros(batch or 1, 3, size, size)
    # The network last: where it exists, everything does.
    written.append(_write(ExportableNetwork(model, operator=False), image, batch, OUTPUT_NAMES,
                          describe(config), path))
    return written[::-1]


def _write(module: nn.Module, example: torch.Tensor, batch: int | None, names: tuple[str, ...],
           description: dict[str, str], path: Path) -> Path:
    """Convert one module and write it, so that a reader never sees half a file."""
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
    part = path.with_name(f'{path.stem}.part{os.getpid()}.xml')
    try:
        openvino.save_model(converted, part, compress_to_fp16=False)
        os.replace(part.with_suffix('.bin'), path.with_suffix('.bin'))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        part.with_suffix('.bin').unlink(missing_ok=True)
    return path


def _digest(model: Yolact) -> str:
    """Return a name that differs for other weights, configurations and versions."""
    openvino = require('openvino', 'openvino')
    digest = hashlib.sha256(
        f'{EXPORT_VERSION} {openvino.__version__} {torch.__version__} {model.config!r}'.encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
