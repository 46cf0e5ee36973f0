"""Post-training int8 quantisation of converted networks, by NNCF."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from yolact_ros.export.network import SOURCE_KEY
from yolact_ros.export.signal_stack import keep_signal_stack
from yolact_ros.extras import require
from yolact_ros.files import sha256_of

# Every layer that NNCF may leave in float is ranked on so few images, or a big network takes
# hours.
RANKING_IMAGES = 16


@dataclass(frozen=True)
class Calibration:
    """
    What shows the range of every layer's numbers.

    :param examples: anything that prepare understands, images for instance, at least one.
    :param prepare: one example -> the network's input, float32 with a batch of one.
    """

    examples: Sequence[Any]
    prepare: Callable[[Any], np.ndarray]


def require_quantizer() -> ModuleType:
    """
    Return NNCF, which speaks of errors only.

    :raises ImportError: when it or OpenVINO is not installed.
    """
    require('openvino', 'int8')
    nncf = require('nncf', 'int8')
    # Not nncf.set_log_level: that also silences the handlers of the whole process.
    logging.getLogger('nncf').setLevel(logging.ERROR)
    return nncf


def quantize(model: Any, calibration: Calibration) -> Any:
    """
    Return an openvino.Model whose convolutions compute in int8; every layer is quantised.

    :param model: of convert_network or convert_rescoring, with a free batch; not modified.
    """
    nncf = require_quantizer()
    with keep_signal_stack():
        found = nncf.quantize(_with_batch(model, 1), _dataset(calibration),
                              subset_size=len(calibration.examples), preset=_preset())
    return _with_batch(found, -1)


def quantize_within(model: Any, calibration: Calibration, score: Callable[[Any], float],
                    max_drop: float) -> Any:
    """
    Return a quantised model that leaves those layers in float which cost most accuracy.

    The layers are ranked by the error that they bring to the network's outputs, and go back to
    float one after the other until the score is good enough or none is left.

    :param model: as quantize takes it.
    :param score: an openvino.CompiledModel -> its score, above 0 (NNCF divides by the float
        model's), the larger the better.
    :param max_drop: how much less than the float model's the score may be.
    """
    nncf = require_quantizer()
    with keep_signal_stack():
        found = nncf.quantize_with_accuracy_control(
            _with_batch(model, 1), _dataset(calibration), _dataset(calibration),
            lambda compiled, _: (score(compiled), None), max_drop=max_drop,
            drop_type=nncf.DropType.ABSOLUTE, subset_size=len(calibration.examples),
            preset=_preset(),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=RANKING_IMAGES))
    return _with_batch(found, -1)


def mark_int8(network: Any, rescoring: Any | None, source: Path,
              calibration: Calibration) -> None:
    """Write into models which weights they were made from, into the network that it is int8."""
    digest = sha256_of(source)
    for model in (network, rescoring):
        if model is not None:
            model.set_rt_info(source.name, ['yolact_ros', 'source'])
            model.set_rt_info(digest, ['yolact_ros', SOURCE_KEY])
    network.set_rt_info('int8', ['yolact_ros', 'precision'])
    network.set_rt_info(f'{len(calibration.examples)} pictures', ['yolact_ros', 'calibration'])


def float_layers(model: Any) -> list[str]:
    """Return the names of the convolutions whose weights are not stored as int8."""
    return [op.get_friendly_name() for op in model.get_ops()
            if op.get_type_name() == 'Convolution' and not _has_int8_weights(op)]


def _has_int8_weights(convolution: Any) -> bool:
    """Return whether the constant behind a convolution's second input is of int8."""
    node = convolution.input_value(1).get_node()
    while node.get_type_name() != 'Constant':
        node = node.input_value(0).get_node()
    return node.get_element_type().get_type_name() in ('i8', 'u8')


def _dataset(calibration: Calibration) -> Any:
    """Return NNCF's view of the examples, prepared one at a time."""
    return require_quantizer().Dataset(calibration.examples, calibration.prepare)


def _preset() -> Any:
    """Return symmetric weights and activations, asymmetric ones where they are negative too."""
    return require_quantizer().QuantizationPreset.MIXED


def _with_batch(model: Any, batch: int) -> Any:
    """Return a copy for batches of that size; -1 for any. OpenVINO is faster with a fixed one."""
    copy = model.clone()
    copy.reshape([batch, *(size.get_length() for size in list(model.inputs[0].partial_shape)[1:])])
    return copy
