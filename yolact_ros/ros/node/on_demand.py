"""One image segmented because somebody asked for it: from request to answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image

from yolact_ros.overlay import draw_instances
from yolact_ros.ros.image_codec import decode_image, encode_jpeg
from yolact_ros.ros.instance_codec import encode_array
from yolact_ros.ros.node.camera.depth_input import DepthInput, Located
from yolact_ros.ros.node.outputs.usable import usable_rows
from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.ros.node.processing import Job, predict
from yolact_ros.srv import Segment
from yolact_ros.structures import Instances


@dataclass(frozen=True, eq=False)
class Order:
    """
    One call of ~/segment on its way to the worker.

    :param message: the image to work on.
    :param answered: takes the response, from any thread.
    :param depth: of the camera that the image is from; None for an image of the request.
    :param arrival: when the camera's image came [s, monotonic].
    """

    request: Segment.Request
    message: Image | CompressedImage
    answered: Future
    depth: DepthInput | None = None
    arrival: float = 0.0

    def refuse(self, reason: str) -> None:
        """Answer that there is no result."""
        self.answered.set_result(Segment.Response(message=reason))

    def work(self, job: Job) -> Segment.Response:
        """
        Return the answer.

        :raises Exception: whatever a damaged image, an unknown class or the network raises.
        """
        start = time.perf_counter()
        job = replace(job, parameters=asked_for(self.request, job.parameters))
        if self.depth is not None:
            self.depth.expect(self.message.header)
        rgb = decode_image(self.message, job.parameters.max_image_pixels)
        found = predict(job, [rgb])[0]
        instances = found.select(usable_rows(found, job.parameters.min_mask_area,
                                             job.parameters.edge_margin))
        names, header = job.predictor.class_names, self.message.header
        located = self._located(instances, job.parameters.depth_slop)
        count = len(instances)
        response = Segment.Response(success=True,
                                    message=f'{count} object{"" if count == 1 else "s"}')
        response.instances = encode_array(
            instances, names, header, job.parameters.mask_encoding,
            model=job.description, processing_time_s=time.perf_counter() - start,
            places=located.places if located else None)
        if self.request.overlay:
            drawn = draw_instances(rgb, instances, names, job.parameters.overlay_style,
                                   distances=located.places.distances if located else ())
            response.overlay = encode_jpeg(drawn, header, job.parameters.jpeg_quality)
        return response

    def _located(self, instances: Instances, slop_s: float) -> Located | None:
        """Return where the objects are; None where nobody looks for that."""
        if self.depth is None:
            return None
        return self.depth.locate(instances, self.message.header, self.arrival, slop_s)


def given_image(request: Segment.Request) -> Image | CompressedImage | None:
    """
    Return the image of a request, None when it has none.

    :raises ValueError: when it has two.
    """
    raw, compressed = request.image, request.compressed
    has_raw = bool(len(raw.data) or raw.height or raw.width or raw.encoding)
    has_compressed = bool(len(compressed.data) or compressed.format)
    if has_raw and has_compressed:
        raise ValueError('the request has an image and a compressed one; give one of them, or '
                         'none for the newest image of the camera')
    if has_raw:
        return raw
    return compressed if has_compressed else None


def asked_for(request: Segment.Request, parameters: Parameters) -> Parameters:
    """
    Return the parameters with what a request wants otherwise.

    A score threshold of the request holds for all classes.

    :raises ValueError: for a threshold outside of [0, 1].
    """
    if request.score_threshold != 0.0:
        parameters = replace(parameters, score_threshold=request.score_threshold,
                             class_thresholds=())
    if request.classes:
        parameters = replace(parameters, classes=tuple(request.classes))
    return parameters
