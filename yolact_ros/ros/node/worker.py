"""The working thread: newest images in, results out; a bad one is reported and forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable

from yolact_ros.devices import is_device_failure
from yolact_ros.ros.node.camera.camera import Arrival, Camera
from yolact_ros.ros.node.camera.turns import Turn, Turns
from yolact_ros.ros.node.on_demand import Order
from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.ros.node.processing import Frame, Job, predict
from yolact_ros.ros.reason import reason_of
from yolact_ros.structures import Instances


class Worker:
    """
    A thread that serves the cameras in turn; parameters and model change between images.

    :ivar device_failure: how the network's device failed, '' while it has not.
    """

    def __init__(self, job: Callable[[], Job | None], batch: Callable[[], int],
                 device_failed: Callable[[], None], wake: Callable[[], None]) -> None:
        """
        Prepare; `start` starts the thread.

        :param job: asked once for every turn; None when nothing is to be done.
        :param batch: how many images, of as many cameras, are best worked on together.
        :param device_failed: called when the network's device failed; images are lost from then
            on, until `resume`.
        :param wake: wakes the executor to an order that was answered.
        """
        self._job, self._batch = job, batch
        self._device_failed, self._wake = device_failed, wake
        self.turns: Turns[Camera, Arrival, Order] = Turns()
        self._stopping, self._paused = threading.Event(), False
        self.device_failure = ''
        # A daemon: a network that computes for minutes must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='segmentation', daemon=True)

    def start(self) -> None:
        """Begin to take turns."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Publish nothing from now on; return whether the current image ended in time."""
        self._stopping.set()
        left = self.turns.close()
        for camera, _ in left.images:
            camera.metrics.drop('unwanted')
        for order in left.orders:
            order.refuse('the node is just being taken down')
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def resume(self) -> None:
        """Take images again after a failure of the device."""
        self._paused = False

    def _run(self) -> None:
        """Work until the turns are closed."""
        while (turn := self.turns.take(self._batch)) is not None:
            if self._paused:
                self._refuse(turn)
                continue
            self._serve(turn.images)
            for order in turn.orders:
                self._answer(order)
            if self._paused:  # only here: the error's frames held memory of the device
                self._device_failed()

    def _refuse(self, turn: Turn[Camera, Arrival, Order]) -> None:
        """Do nothing with a turn but tell so."""
        for camera, _ in turn.images:
            camera.metrics.drop('failed')
        for order in turn.orders:
            order.refuse(f"the network's device failed ({self.device_failure}) and the model is "
                         'being loaded again; call again')
        if turn.orders:
            self._wake()

    def _answer(self, order: Order) -> None:
        """Work on what somebody asked for."""
        job = self._job()
        try:
            if job is None:
                raise RuntimeError('the node was deactivated meanwhile')
            order.answered.set_result(order.work(job))
        except Exception as error:
            order.refuse(reason_of(error))
            self._note(error)
        self._wake()

    def _serve(self, images: tuple[tuple[Camera, Arrival], ...]) -> None:
        """Take images of different cameras through the network together."""
        job = self._job()
        frames = [frame for camera, arrival in images
                  if (frame := self._begin(camera, arrival, job)) is not None]
        if frames and job is not None:
            self._work(job, frames)

    def _work(self, job: Job, frames: list[Frame]) -> None:
        """Find and publish; where images fail together each gets another chance alone."""
        try:
            found = predict(job, [frame.rgb for frame in frames])
        except Exception as error:  # whatever one image does, the next is served
            if len(frames) > 1 and not is_device_failure(error):
                for frame in frames:
                    self._work(job, [frame])
                return
            for frame in frames:
                self._lose(frame.camera, error)
            return
        for frame, instances in zip(frames, found):
            self._end(frame, instances)

    def _begin(self, camera: Camera, arrival: Arrival, job: Job | None) -> Frame | None:
        """Return the decoded image; None when it is not worth it or damaged, in the books."""
        if job is None or not job.parameters.enabled or not camera.has_listeners:
            camera.metrics.drop('unwanted')
            return None
        if _is_too_old(camera, arrival, job.parameters):
            camera.metrics.drop('too_old')
            return None
        try:
            return Frame(camera, arrival, job)
        except Exception as error:
            self._lose(camera, error)
            return None

    def _end(self, frame: Frame, instances: Instances) -> None:
        """Publish the result of an image."""
        if self._stopping.is_set():
            frame.camera.metrics.drop('unwanted')
            return
        try:
            frame.publish(instances)
        except Exception as error:
            self._lose(frame.camera, error)

    def _lose(self, camera: Camera, error: Exception) -> None:
        """Report a lost image and note when the device is gone; not while all is taken down."""
        if self._stopping.is_set():
            camera.metrics.drop('unwanted')
            return
        camera.lose(error)
        self._note(error)

    def _note(self, error: Exception) -> None:
        """Pause when an error means that the network's device is gone."""
        if is_device_failure(error):
            self._paused, self.device_failure = True, reason_of(error)


def _is_too_old(camera: Camera, arrival: Arrival, parameters: Parameters) -> bool:
    """Return True when an image is not worth working on any more."""
    if parameters.max_image_age == 0.0:
        return False
    # NaN, the age of an image without a stamp, is never above.
    return camera.age_s(arrival.message.header) > parameters.max_image_age
