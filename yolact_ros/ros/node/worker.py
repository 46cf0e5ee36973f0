"""The working thread: newest image in, results out; a bad image is reported and forgotten."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from yolact_ros.coded_images import ImageError
from yolact_ros.config import PostprocessConfig
from yolact_ros.devices import is_device_failure
from yolact_ros.ros.health.metrics import Metrics
from yolact_ros.ros.image_codec import decode_image
from yolact_ros.ros.instance_codec import encode_array
from yolact_ros.ros.node.identity import Identity
from yolact_ros.ros.node.mailbox import Mailbox
from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.ros.node.publishers import Publishers, Result
from yolact_ros.structures import Instances

REMEMBERED_KINDS = 100


class Predictor(Protocol):
    """What the node needs of yolact_ros.inference.predictor.Predictor."""

    class_names: tuple[str, ...]
    description: str
    stage_ms: dict[str, float]
    postprocess: PostprocessConfig

    def predict(self, rgb: np.ndarray) -> Instances:
        """Return the instances in a (H, W, 3) uint8 RGB image."""


@dataclass(frozen=True)
class Job:
    """What is fixed while one image is worked on: a model, and parameters checked for it."""

    predictor: Predictor
    parameters: Parameters


@dataclass(frozen=True)
class Arrival:
    """An image message and when it came [s, monotonic]."""

    message: Image | CompressedImage
    time: float


class Stopwatch:
    """Milliseconds of one stage after the other."""

    def __init__(self) -> None:
        """Start."""
        self._last = time.perf_counter()
        self.stage_ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Note the time since the previous lap as that of a stage."""
        now = time.perf_counter()
        self.stage_ms[stage], self._last = 1e3 * (now - self._last), now


class Worker:
    """A thread that works on one image at a time; parameters and model change between images."""

    def __init__(self, job: Callable[[], Job | None], publishers: Publishers,
                 now_ns: Callable[[], int], metrics: Metrics, complain: Callable[[str], None],
                 device_failed: Callable[[], None],
                 log: Callable[[str], None] = lambda line: None) -> None:
        """
        Prepare; `start` starts the thread.

        :param job: asked once for every image; None when nothing is to be done.
        :param publishers: where results go.
        :param now_ns: the clock that stamps are of [ns].
        :param complain: called once for every kind of fault that costs images, with the cure.
        :param device_failed: called when the network's device failed; images are lost from then
            on, until `resume`.
        :param log: takes a line when the tracks start anew.
        """
        self._job, self._publishers, self._now_ns = job, publishers, now_ns
        self._metrics, self._complain = metrics, complain
        self.mailbox: Mailbox[Arrival] = Mailbox()
        self._stopping = threading.Event()
        # A daemon: a network that computes for minutes must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='segmentation', daemon=True)
        self._known: set[Hashable] = set()
        self._identity = Identity(log)
        self._device_failed, self._paused = device_failed, False
        self._sequence = 0
        self._reported_drops = 0

    def start(self) -> None:
        """Begin to take images out of the mailbox."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Publish nothing from now on; return whether the current image ended in time."""
        self._stopping.set()
        self.mailbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def resume(self) -> None:
        """Take images again after a failure of the device."""
        self._paused = False

    def receive(self, message: Image | CompressedImage) -> None:
        """Leave an image for the thread; one that it did not get to yet is dropped."""
        self._metrics.arrived(age_s(message.header, self._now_ns()))
        if self.mailbox.put(Arrival(message, time.monotonic())):
            self._metrics.drop('overtaken')

    def _run(self) -> None:
        """Work until the mailbox closes."""
        while (arrival := self.mailbox.take()) is not None:
            if self._paused:
                self._metrics.drop('failed')
                continue
            try:
                self._process(arrival)
            except Exception as error:  # whatever one image does, the next is served
                if not self._stopping.is_set():
                    self._lose(error)
                    self._paused = is_device_failure(error)
            if self._paused:  # only here: the error's frames held memory of the device
                self._device_failed()

    def _process(self, arrival: Arrival) -> None:
        """Take one image through all stages."""
        job = self._job()
        wanted = self._publishers.wanted() if job else frozenset()
        if not wanted:
            return
        if self._too_old(arrival, job.parameters):
            self._metrics.drop('too_old')
            return
        watch = Stopwatch()
        result = self._segment(arrival, job, watch)
        if self._stopping.is_set():
            return
        if 'instances' in wanted:
            self._publish_array(result, job, watch)
        latency = time.monotonic() - arrival.time
        self._publishers.publish_views(result, job.parameters, wanted)
        watch.lap('views')
        self._metrics.processed(latency, watch.stage_ms)

    def _segment(self, arrival: Arrival, job: Job, watch: Stopwatch) -> Result:
        """Return what is in an image."""
        message, marks = arrival.message, None
        rgb = decode_image(message, job.parameters.max_image_pixels)
        watch.lap('decode')
        if job.predictor.postprocess != job.parameters.postprocess:
            job.predictor.postprocess = job.parameters.postprocess
        instances = job.predictor.predict(rgb)
        watch.lap('model')
        watch.stage_ms.update(job.predictor.stage_ms)
        if job.parameters.tracking:
            instances, marks = self._identity.follow(instances, message.header, arrival.time,
                                                     job.predictor)
            watch.lap('tracks')
        else:
            self._identity.forget()
        return Result(message.header, rgb, instances, job.predictor.class_names, marks)

    def _publish_array(self, result: Result, job: Job, watch: Stopwatch) -> None:
        """Publish the instances, with how many images were skipped for it."""
        dropped = self._metrics.dropped
        array = encode_array(
            result.instances, result.class_names, result.header, job.parameters.mask_encoding,
            model=job.predictor.description, sequence=self._sequence,
            dropped=dropped - self._reported_drops,
            processing_time_s=1e-3 * (watch.stage_ms['decode'] + watch.stage_ms['model']),
            track_ids=() if result.marks is None else result.marks.ids.tolist())
        watch.lap('encode')
        self._publishers.publish_array(array)
        watch.lap('publish')
        self._sequence += 1
        self._reported_drops = dropped

    def _too_old(self, arrival: Arrival, parameters: Parameters) -> bool:
        """Return True when an image is not worth working on any more."""
        if parameters.max_image_age == 0.0:
            return False
        # NaN, the age of an image without a stamp, is never above.
        return age_s(arrival.message.header, self._now_ns()) > parameters.max_image_age

    def _lose(self, error: Exception) -> None:
        """Count a lost image and report it if it is of a new kind."""
        text = str(error)
        if not isinstance(error, (ValueError, RuntimeError, OSError)) or not text:
            text = f'{type(error).__name__}: {text}'
        self._metrics.drop('failed', text)
        kind = kind_of(error)
        if kind not in self._known and len(self._known) < REMEMBERED_KINDS:
            self._known.add(kind)
            self._complain(text)


def age_s(header: Header, now_ns: int) -> float:
    """Return the seconds since a stamp, NaN for the stamp 0 of cameras without a clock."""
    stamp_ns = header.stamp.sec * 10 ** 9 + header.stamp.nanosec
    return 1e-9 * (now_ns - stamp_ns) if stamp_ns else math.nan


def kind_of(error: Exception) -> Hashable:
    """Return what errors of the same fault have in common, whatever numbers are in their text."""
    if isinstance(error, ImageError):
        return error.cause
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else None
    return type(error), place
