"""
Pictures to Instances by captured frames, the fast way on CUDA.

A frame of one picture is shorter than launching its kernels one by one takes. It is captured once
for a number of pictures and the room they need; how large the pictures are, how many objects they
show and all thresholds are numbers in device memory, so changing those captures nothing anew.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from yolact_ros.config import PostprocessConfig
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.captured.buffers import (
    FrameLimits,
    make_request,
    make_result,
    mask_bytes,
    read_result,
    write_request,
)
from yolact_ros.inference.captured.cuda_graphs import Mark, Replay, Work
from yolact_ros.inference.captured.pipeline import run_frame
from yolact_ros.inference.steps.select import ClassRules
from yolact_ros.structures import ImageSize, Instances

logger = logging.getLogger(__name__)

# Room for 1920x1080 from the start, so that the usual cameras share one captured frame.
FEWEST_PIXELS = 1 << 21
FEWEST_SLOTS = 100  # what a frame of the default configuration takes
MOST_SLOTS = 1024
# For all masks of a picture, two bits for each of FEWEST_PIXELS; grows when masks need more.
FEWEST_MASK_BYTES = 1 << 19
MOST_PICTURES = 16
KEPT_FRAMES = 4


class Capture(Protocol):
    """What inference.captured.cuda_graphs.CudaGraphs offers."""

    def current(self) -> AbstractContextManager[None]:
        """Make its stream the current one."""

    def capture(self, work: Work) -> Replay:
        """Return a function that runs the work again."""


class Frames:
    """
    Captured frames for the numbers and sizes of pictures that came lately.

    :param backend: on the device.
    :param capture: of the device.
    :ivar stage_ms: milliseconds of the last call by stage; those between upload and unpack are
        the device's own.
    """

    def __init__(self, backend: TorchBackend, capture: Capture) -> None:
        self.stage_ms: dict[str, float] = {}
        self._backend, self._capture = backend, capture
        self._kept: OrderedDict[tuple[FrameLimits, str], _Frame] = OrderedDict()
        self._mask_bytes = FEWEST_MASK_BYTES

    @staticmethod
    def serves(config: PostprocessConfig) -> bool:
        """Return whether detections can be chosen this way."""
        return config.nms in ('fast', 'cross_class') and config.max_instances <= MOST_SLOTS

    def predict(self, pictures: Sequence[np.ndarray], rules: ClassRules,
                config: PostprocessConfig) -> list[Instances | None]:
        """
        Return the objects in each picture, None where all candidates must be compared to tell.

        :param pictures: (H, W, 3) uint8 RGB each, at least one.
        :raises GraphsUnavailable: where frames cannot be captured.
        """
        self.stage_ms = {}
        results: list[Instances | None] = []
        for start in range(0, len(pictures), MOST_PICTURES):
            results += self._predict(pictures[start:start + MOST_PICTURES], rules, config)
        return results

    def _predict(self, pictures: Sequence[np.ndarray], rules: ClassRules,
                 config: PostprocessConfig) -> list[Instances | None]:
        """Return the objects in as many pictures as a frame takes."""
        while True:
            frame = self._frame_for(pictures, config)
            stage_ms = frame.run(pictures, rules, config)
            needed = max(mask_bytes(frame.result, index) for index in range(len(pictures)))
            if needed <= frame.limits.mask_bytes:
                break
            self._mask_bytes = _room(needed, FEWEST_MASK_BYTES)
            logger.info('masks need %d kB, room is made for %d kB', needed >> 10,
                        self._mask_bytes >> 10)
        start = time.perf_counter()
        results = [read_result(frame.result, index, ImageSize(*rgb.shape[:2]))
                   if frame.result.complete[index] else None
                   for index, rgb in enumerate(pictures)]
        stage_ms['unpack'] = (time.perf_counter() - start) * 1e3
        for stage, duration in stage_ms.items():
            self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + duration
        return results

    def _frame_for(self, pictures: Sequence[np.ndarray], config: PostprocessConfig) -> _Frame:
        """Return a frame with room for the pictures."""
        pixels = max(rgb.shape[0] * rgb.shape[1] for rgb in pictures)
        limits = FrameLimits(len(pictures), _room(config.max_instances, FEWEST_SLOTS),
                             _room(pixels, FEWEST_PIXELS), self._mask_bytes)
        key = limits, config.nms
        if key not in self._kept:
            while len(self._kept) >= KEPT_FRAMES:
                self._kept.popitem(last=False)
            self._kept[key] = _Frame(self._backend, self._capture, limits, config.nms)
        self._kept.move_to_end(key)
        return self._kept[key]


class _Frame:
    """
    Memory and captured work for some pictures.

    :ivar result: on the host, of the last run.
    """

    def __init__(self, backend: TorchBackend, capture: Capture, limits: FrameLimits,
                 nms: str) -> None:
        self.limits, self._nms = limits, nms
        with capture.current():  # its stream clears the memory before it fills it
            self._request = make_request(limits, backend.config.num_classes, backend.device)
            self._result = make_result(limits, backend.device)
        self.result = self._result.host
        self._backend, self._capture = backend, capture
        self._replay: Replay | None = None

    def run(self, pictures: Sequence[np.ndarray], rules: ClassRules,
            config: PostprocessConfig) -> dict[str, float]:
        """Fill the result and return milliseconds by stage."""
        start = time.perf_counter()
        with self._capture.current():
            self._request.send(write_request(self._request.host, pictures, rules, config))
            uploaded = time.perf_counter()
            if self._replay is None:
                # Only now: trying it out needs pictures.
                self._replay = self._capture.capture(self._work)
            return {'upload': (uploaded - start) * 1e3, **self._replay()}

    def _work(self, mark: Mark) -> None:
        """Answer the request and send the result to the host."""
        run_frame(self._backend, self._nms, self._request.device, self._result.device, mark)
        self._result.fetch()
        mark('download')


def _room(needed: int, fewest: int) -> int:
    """Return what to make room for: the usual, or else the next power of two."""
    return fewest if needed <= fewest else 1 << (needed - 1).bit_length()
