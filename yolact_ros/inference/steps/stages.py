"""The stages of a frame in their order: preprocess, network; detect, assemble, rescore, pixels."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.steps.operators import Operators
from yolact_ros.inference.steps.select import Detections
from yolact_ros.model.yolact import RawPredictions

Mark = Callable[[str], None]  # is told the name of a stage at its end


class StageClock:
    """
    Adds up the host's time by stage.

    :ivar stage_ms: milliseconds of each stage since the clock was made.
    """

    def __init__(self) -> None:
        self.stage_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, stage: str) -> None:
        """Note the end of a stage."""
        before, self._last = self._last, time.perf_counter()
        self._add(stage, (self._last - before) * 1e3)

    def skip(self, measured_ms: dict[str, float]) -> None:
        """Add stages that were measured otherwise; the time since the last mark is theirs."""
        for stage, duration in measured_ms.items():
            self._add(stage, duration)
        self._last = time.perf_counter()

    def _add(self, stage: str, duration_ms: float) -> None:
        self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + duration_ms


def look(images: Any, backend: Backend, operators: Operators, mark: Mark) -> RawPredictions:
    """Return what the network says about images, in the form that the operators take."""
    x = operators.preprocess(images, backend)
    mark('preprocess')
    raw = backend(x)
    mark('network')
    return raw


def segment(raw: RawPredictions, detect: Callable[[RawPredictions], Detections], images: Any,
            backend: Backend, operators: Operators, mark: Mark) -> Any:
    """
    Return the masks of what is detected, as operators.to_pixels does.

    :param detect: chooses the detections, see steps.select.
    :param images: in the form that the operators take.
    """
    found = detect(raw)
    mark('detect')
    soft = operators.assemble(raw.prototypes, found.coefficients, found.boxes, found.counts)
    mark('assemble')
    mask_scores = _rescore(backend, soft, found)
    mark('rescore')
    result = operators.to_pixels(found, soft, mask_scores, images)
    mark('pixels')
    return result


def _rescore(backend: Backend, soft: Tensor, found: Detections) -> Tensor:
    """
    Return the predicted IoU of masks (Bolya et al. 2020, section 3.4), (B, N), NaN without a net.

    :param soft: (B, N, Hp, Wp) cropped soft masks.
    """
    if not backend.has_rescoring:
        return torch.full_like(found.class_scores, torch.nan)
    ious = backend.rescore(soft.flatten(0, 1)[:, None]).float()               # (B * N, C)
    return ious.gather(1, found.class_ids.reshape(-1, 1)).view(found.class_ids.shape)
