"""The way of one image through the stages, from its message to the published results."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from yolact_ros.config import PostprocessConfig
from yolact_ros.messages.images import doubt_about
from yolact_ros.overlay import TrackMarks
from yolact_ros.ros.image_codec import decode_image
from yolact_ros.ros.instance_codec import encode_array
from yolact_ros.ros.node.camera.camera import Arrival, Camera
from yolact_ros.ros.node.outputs.publishers import Result
from yolact_ros.ros.node.outputs.usable import usable_rows
from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.structures import Instances


class Predictor(Protocol):
    """What the node needs of yolact_ros.inference.predictor.Predictor."""

    stage_ms: dict[str, float]
    postprocess: PostprocessConfig

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names, in the order of class ids."""

    @property
    def description(self) -> str:
        """Return model and device for people."""

    def predict(self, rgb: np.ndarray) -> Instances:
        """Return the instances in a (H, W, 3) uint8 RGB image."""

    def predict_batch(self, images: list[np.ndarray]) -> list[Instances]:
        """Return those in several images; the node asks for it on a GPU only."""


@dataclass(frozen=True)
class Job:
    """What is fixed while one image is worked on: a model, and parameters checked for it."""

    predictor: Predictor
    parameters: Parameters
    description: str


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


class Frame:
    """
    An image of a camera that is being worked on; it ends in the books of its camera.

    :ivar rgb: (H, W, 3) uint8.
    """

    def __init__(self, camera: Camera, arrival: Arrival, job: Job) -> None:
        """
        Decode the image.

        :raises ImageError: when it is damaged or of an unknown kind.
        """
        self.camera, self._arrival, self._job = camera, arrival, job
        self.watch = Stopwatch()
        if camera.depth is not None:
            camera.depth.expect(arrival.message.header)
        self.rgb = decode_image(arrival.message, job.parameters.max_image_pixels)
        camera.doubt(doubt_about(arrival.message, self.rgb))
        self.watch.lap('decode')

    def publish(self, instances: Instances) -> None:
        """Give the objects their numbers and publish everything that is wanted."""
        self.watch.lap('model')
        self.watch.stage_ms.update(self._job.predictor.stage_ms)
        outputs = self.camera.opened
        wanted = outputs.wanted()
        result = self._located(self._identified(instances))
        if 'instances' in wanted:
            self._publish_array(result)
        latency = time.monotonic() - self._arrival.time
        outputs.publish_views(result, self._job.parameters.overlay_style,
                              self._job.parameters.jpeg_quality, wanted)
        outputs.publish_places(result, self._job.parameters.overlay_style,
                               self._job.parameters.points_background, wanted)
        self.watch.lap('views')
        self.camera.metrics.processed(latency, self.watch.stage_ms)

    def _identified(self, instances: Instances) -> Result:
        """Return the objects with the numbers of their tracks."""
        header, job, marks = self._arrival.message.header, self._job, None
        if job.parameters.tracking:
            instances, marks = self.camera.identity.follow(
                instances, header, self._arrival.time, job.predictor)
            self.watch.lap('tracks')
        else:
            self.camera.identity.forget()
        return self._usable(Result(header, self.rgb, instances, job.predictor.class_names, marks))

    def _usable(self, result: Result) -> Result:
        """Return the result without the objects that the parameters leave out."""
        parameters, marks = self._job.parameters, result.marks
        rows = usable_rows(result.instances, parameters.min_mask_area, parameters.edge_margin)
        if rows.all():
            return result
        if marks is not None:
            trails = tuple(trail for trail, keep in zip(marks.trails, rows) if keep)
            marks = TrackMarks(marks.ids[rows], trails)
        return replace(result, instances=result.instances.select(rows), marks=marks)

    def _located(self, result: Result) -> Result:
        """Return the objects with their places, where the camera has depth."""
        if self.camera.depth is None:
            return result
        found = self.camera.depth.locate(result.instances, result.header, self._arrival.time,
                                         self._job.parameters.depth_slop)
        self.watch.lap('places')
        return replace(result, places=found.places, view=found.view)

    def _publish_array(self, result: Result) -> None:
        """Publish the instances, with how many images were skipped for it."""
        stages = self.watch.stage_ms
        sequence, dropped = self.camera.count_array()
        array = encode_array(
            result.instances, result.class_names, result.header,
            self._job.parameters.mask_encoding, model=self._job.description,
            sequence=sequence, dropped=dropped,
            processing_time_s=1e-3 * (stages['decode'] + stages['model']),
            track_ids=result.track_ids, places=result.places)
        self.watch.lap('encode')
        self.camera.opened.publish_array(array)
        self.watch.lap('publish')


def predict(job: Job, images: list[np.ndarray]) -> list[Instances]:
    """Return the objects in each image, together if there are several."""
    if job.predictor.postprocess != job.parameters.postprocess:
        job.predictor.postprocess = job.parameters.postprocess
    if len(images) == 1:
        return [job.predictor.predict(images[0])]
    return job.predictor.predict_batch(images)
