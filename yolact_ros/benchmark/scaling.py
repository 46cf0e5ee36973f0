"""How time and memory of a frame grow with the work."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from yolact_ros.benchmark.measure import measure, peak_memory_mb
from yolact_ros.benchmark.scripted import ScriptedBackend
from yolact_ros.config import NMS_KINDS, PostprocessConfig
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.predictor import Predictor
from yolact_ros.model.yolact import Yolact

SIZES = ((854, 480), (1280, 720), (1920, 1080), (3840, 2160), (4000, 3000))
INSTANCES = (0, 1, 10, 20, 50, 100)
CLASSES = (1, 20, 80, 365)
BATCHES = (1, 2, 4, 8, 16)
USUAL_SIZE, USUAL_INSTANCES = (1280, 720), 20


def measure_scaling(model: Yolact, device: torch.device, precision: str, rounds: int,
                    warmup: int) -> list[dict]:
    """
    Return a row for every value of every axis; what is not varied is usual.

    :returns: rows with axis, value, frame_ms and cpu_ms (of one image) and peak_mb.
    """
    rows = []
    for axis, value, predictor, size, batch in _cases(model, device, precision):
        width, height = size
        rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)

        def work(predictor=predictor, images=(rgb,) * batch) -> dict[str, float]:
            predictor.predict_batch(images)
            return predictor.stage_ms

        summary = measure({'': work}, rounds, warmup)[''].summary()
        for clock in ('frame_ms', 'cpu_ms'):
            summary[clock] = {key: round(ms / batch, 3) for key, ms in summary[clock].items()}
        rows.append({'axis': axis, 'value': value, 'network': model.config.name,
                     'precision': precision, **summary, 'peak_mb': peak_memory_mb(work, device)})
    return rows


def _cases(model: Yolact, device: torch.device,
           precision: str) -> Iterator[tuple[str, str | int, Predictor, tuple[int, int], int]]:
    """Yield axis, value, predictor, image size and batch."""
    def predictor(count: int, backend: TorchBackend, nms: str = 'fast') -> Predictor:
        return Predictor(ScriptedBackend(backend, count), PostprocessConfig(nms=nms))

    # One backend for all, so that the memory of one case is not that of the cases before.
    shared = TorchBackend(copy.deepcopy(model), device, precision)
    usual = predictor(USUAL_INSTANCES, shared)
    for width, height in SIZES:
        yield 'picture', f'{width}x{height}', usual, (width, height), 1
    for batch in BATCHES:
        yield 'batch', batch, usual, USUAL_SIZE, batch
    for count in INSTANCES:
        yield 'instances', count, predictor(count, shared), USUAL_SIZE, 1
    width, height = SIZES[-1]
    yield 'instances', f'100 at {width}x{height}', predictor(100, shared), (width, height), 1
    for nms in NMS_KINDS:
        yield 'nms', nms, predictor(100, shared, nms), USUAL_SIZE, 1
    for classes in CLASSES:
        names = tuple(f'class_{index}' for index in range(classes))
        net = Yolact(replace(model.config, class_names=names))
        net.initialize(torch.Generator().manual_seed(0))
        backend = TorchBackend(net.eval(), device, precision)
        yield 'classes', classes, predictor(USUAL_INSTANCES, backend), USUAL_SIZE, 1
