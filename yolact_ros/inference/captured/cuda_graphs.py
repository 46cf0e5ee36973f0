"""Captured CUDA graphs: work that is launched as one, whatever number of kernels it has."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from yolact_ros.devices import is_device_failure

logger = logging.getLogger(__name__)

# Kernels are compiled, and cuDNN tries its algorithms, before anything is captured.
WARM_UP_CALLS = 3
# torch allows one capture at a time in a process.
_capturing = threading.Lock()

# Work that marks the end of its stages by their names, and how to run it again: milliseconds by
# stage.
Mark = Callable[[str], None]
Work = Callable[[Mark], None]
Replay = Callable[[], dict[str, float]]


class GraphsUnavailable(RuntimeError):
    """This device, driver or torch cannot compile or capture the work; eager calls still can."""


class CudaGraphs:
    """Captures work on one device; all graphs share a stream and their memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        # Weights were copied in another stream.
        torch.cuda.synchronize(device)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the device and the stream those that torch and Triton use."""
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            yield

    def capture(self, work: Work) -> Replay:
        """
        Run work a few times, then capture it.

        :param work: in fixed shapes, without a look at the device's results.
        :returns: runs it again in the stream of `current` and waits for the end.
        :raises GraphsUnavailable: where that is not possible; the device is usable still.
        """
        try:
            with _capturing, self.current():
                return self._capture(work)
        except Exception as error:  # Triton, its compiler, cuDNN and CUDA share no other base
            if is_device_failure(error):
                raise
            raise GraphsUnavailable(f'{type(error).__name__}: {error}') from error

    def _capture(self, work: Work) -> Replay:
        """Capture in the current stream."""
        graph, clock = torch.cuda.CUDAGraph(), _DeviceClock()
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            for _ in range(WARM_UP_CALLS):
                work(lambda stage: None)
            # Another thread may load a model or serve with one meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream,
                                  capture_error_mode='thread_local'):
                clock.mark('start')
                work(clock.mark)

        def replay() -> dict[str, float]:
            start = time.perf_counter()
            graph.replay()
            self._stream.synchronize()
            return clock.stage_ms() or {'device': (time.perf_counter() - start) * 1e3}

        return replay


class _DeviceClock:
    """Events between the stages of a captured graph; none where torch cannot capture them."""

    def __init__(self) -> None:
        self._events: dict[str, torch.cuda.Event] = {}

    def mark(self, stage: str) -> None:
        """Note the end of a stage in the current stream."""
        try:
            event = torch.cuda.Event(enable_timing=True, external=True)
        except TypeError:  # torch before 2.9
            return
        event.record()
        self._events[stage] = event

    def stage_ms(self) -> dict[str, float]:
        """Return the device's milliseconds of each stage of the last replay."""
        events = list(self._events.items())
        return {stage: before.elapsed_time(event)
                for (_, before), (stage, event) in zip(events, events[1:])}
