"""
Images to Instances by captured frames, the fast way on CUDA.

A frame of one image is shorter than launching its kernels one by one takes. It is captured once
for a number of images and the room they need; how large the images are, how many objects they
show and all thresholds are numbers in device memory, so changing those captures nothing anew.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from yolact_ros.config import PostprocessConfig
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.captured.buffers import (
    FrameLimits,
    FrameResult,
    make_request,
    make_result,
    mask_bytes,
    read_result,
    write_request,
)
from yolact_ros.inference.captured.cuda_graphs import Replay, Work
from yolact_ros.inference.captured.operators import TRITON, FrameMemory
from yolact_ros.inference.steps.eager import EagerFrames, image_of
from yolact_ros.inference.steps.select import FINAL_KINDS, select_best
from yolact_ros.inference.steps.stages import Mark, StageClock, look, segment
from yolact_ros.inference.steps.thresholds import Thresholds
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.structures import ImageSize, Instances

logger = logging.getLogger(__name__)

# Room for 1920x1080 from the start, so that the usual cameras share one captured frame.
FEWEST_PIXELS = 1 << 21
FEWEST_DETECTIONS = 100  # what a frame of the default configuration takes
MOST_DETECTIONS = 1024
# For all masks of an image, two bits for each of FEWEST_PIXELS; grows when masks need more.
FEWEST_MASK_BYTES = 1 << 19
MOST_IMAGES = 16
MOST_IMAGE_BYTES = 1 << 30  # of a batch; int32 counts where each image begins
KEPT_FRAMES = 4


class Capture(Protocol):
    """What inference.captured.cuda_graphs.CudaGraphs offers."""

    def current(self) -> AbstractContextManager[None]:
        """Make its stream the current one."""

    def capture(self, work: Work) -> Replay:
        """Return a function that runs the work again."""


class CapturedFrames:
    """
    Captured graphs for the numbers and sizes of images that came lately.

    :param backend: on the device.
    :param capture: of the device.
    """

    def __init__(self, backend: TorchBackend, capture: Capture) -> None:
        self._backend, self._capture = backend, capture
        self._eager = EagerFrames(backend)
        self._kept: OrderedDict[tuple[FrameLimits, str], _Frame] = OrderedDict()
        self._mask_bytes = FEWEST_MASK_BYTES

    def predict(self, images: Sequence[np.ndarray], thresholds: Thresholds,
                config: PostprocessConfig, clock: StageClock) -> list[Instances]:
        """
        Return the objects in each image.

        :param images: (H, W, 3) uint8 RGB each, at least one.
        :param clock: is told of every stage; of those on the device, their own time.
        :raises GraphsUnavailable: where frames cannot be captured.
        """
        if config.nms not in FINAL_KINDS or \
                config.max_instances > min(MOST_DETECTIONS, len(self._backend.priors)):
            return self._eager.predict(images, thresholds, config, clock)
        step = max(min(MOST_IMAGES, MOST_IMAGE_BYTES // (3 * _pixel_capacity(images))), 1)
        results: list[Instances] = []
        for start in range(0, len(images), step):
            results += self._predict(images[start:start + step], thresholds, config, clock)
        return results

    def _predict(self, images: Sequence[np.ndarray], thresholds: Thresholds,
                 config: PostprocessConfig, clock: StageClock) -> list[Instances]:
        """Return the objects in as many images as a graph takes."""
        frame = self._run(images, thresholds, config, clock)
        results = []
        for index, rgb in enumerate(images):
            if frame.result.complete[index]:
                results.append(read_result(frame.result, index, ImageSize(*rgb.shape[:2])))
                clock.mark('unpack')
            else:
                results.append(self._eager.settle(image_of(frame.raw, index), rgb, thresholds,
                                                  config, clock))
        return results

    def _run(self, images: Sequence[np.ndarray], thresholds: Thresholds,
             config: PostprocessConfig, clock: StageClock) -> _Frame:
        """Return a frame whose result holds all masks."""
        while True:
            frame = self._frame_for(images, config)
            frame.run(images, thresholds, clock)
            needed = max(mask_bytes(frame.result, index) for index in range(len(images)))
            if needed <= frame.limits.mask_bytes:
                return frame
            self._mask_bytes = round_up_capacity(needed, FEWEST_MASK_BYTES)
            logger.info('masks need %d kB, room is made for %d kB', needed >> 10,
                        self._mask_bytes >> 10)

    def _frame_for(self, images: Sequence[np.ndarray], config: PostprocessConfig) -> _Frame:
        """Return a frame with room for the images."""
        # A tiny network has fewer anchors than the usual room.
        room = min(round_up_capacity(config.max_instances, FEWEST_DETECTIONS),
                   len(self._backend.priors))
        limits = FrameLimits(len(images), room, _pixel_capacity(images), self._mask_bytes)
        key = limits, config.nms
        if key not in self._kept:
            while len(self._kept) >= KEPT_FRAMES:
                self._kept.popitem(last=False)
            self._kept[key] = _Frame(self._backend, self._capture, limits, config.nms)
        self._kept.move_to_end(key)
        return self._kept[key]


class _Frame:
    """
    Memory and captured work for some images.

    :ivar raw: the network's predictions on the device, of the last run.
    """

    def __init__(self, backend: TorchBackend, capture: Capture, limits: FrameLimits,
                 nms: str) -> None:
        self.limits, self._nms = limits, nms
        with capture.current():  # its stream clears the memory before it fills it
            self._request = make_request(limits, backend.config.num_classes, backend.device)
            self._result = make_result(limits, backend.device)
        self._backend, self._capture = backend, capture
        self._replay: Replay | None = None
        self.raw: RawPredictions

    @cached_property
    def result(self) -> FrameResult:
        """Return the memory on the host, as arrays, that every run fills anew."""
        return FrameResult(*(part.numpy() for part in self._result.host))

    def run(self, images: Sequence[np.ndarray], thresholds: Thresholds,
            clock: StageClock) -> None:
        """Fill the result."""
        with self._capture.current():
            self._request.send(write_request(self._request.host, images, thresholds))
            clock.mark('upload')
            if self._replay is None:
                # Only now: trying it out needs images.
                self._replay = self._capture.capture(self._work)
            clock.skip(self._replay())

    def _work(self, mark: Mark) -> None:
        """Answer the request and send the result to the host."""
        memory = FrameMemory(self._request.device, self._result.device)
        detect = partial(select_best, priors=self._backend.priors,
                         thresholds=Thresholds(*memory.request[:5]), nms=self._nms,
                         room=self.limits.room, operators=TRITON)
        self.raw = look(memory, self._backend, TRITON, mark)
        segment(self.raw, detect, memory, self._backend, TRITON, mark)
        self._result.fetch()
        mark('download')


def _pixel_capacity(images: Sequence[np.ndarray]) -> int:
    """Return the pixels that there is room for in every image of a batch."""
    return round_up_capacity(max(rgb.shape[0] * rgb.shape[1] for rgb in images), FEWEST_PIXELS)


def round_up_capacity(needed: int, fewest: int) -> int:
    """Return what to make room for: the usual, or else the next power of two."""
    return fewest if needed <= fewest else 1 << (needed - 1).bit_length()
