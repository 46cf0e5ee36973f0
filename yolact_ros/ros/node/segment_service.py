"""The service ~/segment: takes calls, gets them an image and a turn, answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future

from yolact_ros.ros.node.camera.camera import Arrival, Camera
from yolact_ros.ros.node.on_demand import Order, given_image
from yolact_ros.ros.node.outputs.publishers import topic_of
from yolact_ros.ros.reason import reason_of
from yolact_ros.srv import Segment

SEGMENT = (Segment, '~/segment', 'Segment one image between two images of the stream: the given '
           'one, or the newest of the camera. Also while disabled or without listeners.')

# Calls of many clients at once wait here until the executor comes to them.
CALLS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1000,
                   reliability=ReliabilityPolicy.RELIABLE)


class Serving(Protocol):
    """What the service needs of the node."""

    def refusal(self) -> str:
        """Return why nothing can be segmented now, '' when it can."""

    def ask(self, order: Order) -> bool:
        """Queue an order; return False when nobody works."""

    def follow(self) -> None:
        """Open the inputs of cameras that an image is wished of."""


class SegmentService:
    """Answers calls for single images, each with one image of any of some cameras."""

    def __init__(self, node: Node, camera: str, cameras: Sequence[Camera], serving: Serving,
                 patience_s: float) -> None:
        """
        Advertise the service.

        :param camera: its name stands before that of the service; '' for none.
        :param patience_s: how long a call waits for an image of a camera [s].
        """
        self._cameras, self._serving, self._patience_s = cameras, serving, patience_s
        # Reentrant: calls that wait for their turn must not keep the next ones outside.
        node.create_service(Segment, topic_of(camera, SEGMENT[1]), self._answer,
                            qos_profile=CALLS, callback_group=ReentrantCallbackGroup())

    async def _answer(self, request: Segment.Request,
                      _: Segment.Response) -> Segment.Response:
        """Return the result, or the reason why there is none."""
        try:
            refusal = self._serving.refusal()
            if refusal:
                raise RuntimeError(refusal)
            message = given_image(request)
            if message is not None:
                return await self._result(Order(request, message, Future()))
            with self._calling():
                camera, arrival = await self._image_of_a_camera()
                return await self._result(Order(request, arrival.message, Future(), camera.depth,
                                                arrival.time))
        except Exception as error:  # no call may cost the node
            return Segment.Response(message=reason_of(error))

    async def _result(self, order: Order) -> Segment.Response:
        """Return the answer of the worker."""
        if not self._serving.ask(order):
            raise RuntimeError('the node is just being taken down')
        return await order.answered

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Let the cameras receive images and depth for a call."""
        for camera in self._cameras:
            camera.calls += 1
        try:
            yield
        finally:
            for camera in self._cameras:
                camera.calls -= 1

    async def _image_of_a_camera(self) -> tuple[Camera, Arrival]:
        """
        Return the newest image of the cameras; where none is received now, the next one.

        With depth it is the first one that can have places, unless that does not come in time.

        :raises RuntimeError: when none comes in time.
        """
        there = self._newest()
        if there is None:
            wish: Future = Future()
            for camera in self._cameras:
                camera.newest.wish(wish, self._patience_s)
            self._serving.follow()
            there = await wish or self._newest()
        if there is None:
            topics = ', '.join(camera.input.topic for camera in self._cameras)
            raise RuntimeError(f'the request has no image, and none came on {topics} within '
                               f'{self._patience_s:g} s; give one, or start the camera')
        return there

    def _newest(self) -> tuple[Camera, Arrival] | None:
        """Return the newest image that is still received, None while there is none."""
        there = [camera.newest.image for camera in self._cameras
                 if camera.newest.image is not None and camera.input.silent_s < self._patience_s]
        return max(there, key=lambda one: one[1].time, default=None)
