"""ONNX files by onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from yolact_ros.extras import require
from yolact_ros.inference.backends.protocol import Runner


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
