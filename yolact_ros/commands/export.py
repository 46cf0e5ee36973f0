"""`yolact export`: write a network for other runtimes."""

from __future__ import annotations

import argparse
from pathlib import Path

from yolact_ros.checkpoint import load_model
from yolact_ros.config import MODEL_PRESETS
from yolact_ros.export.onnx import DEFORM_CONV_OPSET, OPSETS, write_onnx
from yolact_ros.export.openvino import write_openvino
from yolact_ros.model.yolact import Yolact

SUFFIXES = {'onnx': '.onnx', 'openvino': '.xml'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('weights', metavar='WEIGHTS', help='checkpoint, published name, or demo')
    parser.add_argument('--format', choices=SUFFIXES, default='onnx', help='default: onnx')
    parser.add_argument('-o', '--output', type=Path, metavar='FILE',
                        help='default: the name of the model in the current folder')
    parser.add_argument('--batch', type=_batch, default=1, metavar='N',
                        help='pictures in a batch, or dynamic for any number (default: 1)')
    parser.add_argument('--opset', type=int, default=DEFORM_CONV_OPSET,
                        help=f'ONNX operator set, {OPSETS[0]} to {OPSETS[-1]} (default: '
                             f'{DEFORM_CONV_OPSET}, which has deformable convolution)')
    parser.add_argument('--config', choices=sorted(MODEL_PRESETS), metavar='PRESET',
                        help='network of a checkpoint that does not tell it itself')


def run(args: argparse.Namespace) -> int:
    """Write the files and name them."""
    model, config = load_model(args.weights, args.config)
    output = args.output or Path(config.name + SUFFIXES[args.format])
    for path in export_model(model, output, args.format, args.batch, args.opset):
        print(f'{path}  {path.stat().st_size / 1e6:.1f} MB')
    return 0


def export_model(model: Yolact, path: Path, format: str, batch: int | None = 1,
                 opset: int = DEFORM_CONV_OPSET) -> list[Path]:
    """
    Write network and, for YOLACT++, re-scoring net; open_predictor reads them by the first path.

    :param path: ends in .onnx or .xml as the format says.
    :param format: 'onnx' or 'openvino'.
    :param batch: images in a batch, None for any number.
    :param opset: of ONNX.
    :returns: the files, the network's first; weights of OpenVINO are in a .bin beside each.
    :raises ValueError: for an unknown format, operator set or ending.
    :raises ImportError: when the format's package is not installed.
    """
    if format not in SUFFIXES:
        raise ValueError(f'format {format!r} is unknown; known: {", ".join(SUFFIXES)}')
    if path.suffix != SUFFIXES[format]:
        raise ValueError(f'an {format} file ends in {SUFFIXES[format]}, got {path.name}')
    if opset not in OPSETS:
        raise ValueError(f'opset must be {OPSETS[0]} to {OPSETS[-1]}, got {opset}')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'folder {path.parent} does not exist; make it first')
    if format == 'onnx':
        return write_onnx(model, path, batch, opset)
    return write_openvino(model, path, batch)


def _batch(text: str) -> int | None:
    """Return the number of images, None for dynamic."""
    if text == 'dynamic':
        return None
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'must be dynamic or a number above 0, got {text!r}')
    return int(text)
