"""The way from an image message to a published result, measured within one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.image_codec import decode_image, encode_image
from yolact_ros.ros.instance_codec import encode_array

ARRIVAL_TIMEOUT_S = 10.0


def measure_messages(predictor, rgb: np.ndarray, measure: Callable, rounds: int,
                     warmup: int) -> dict:
    """
    Return median and p95 of decode, the predictor's stages, encode, and of the ways by DDS.

    :param predictor: with predict(rgb) -> Instances, stage_ms and class_names.
    :param rgb: (H, W, 3) uint8, becomes the image message.
    :param measure: benchmark.measure.measure.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('yolact_benchmark', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        way = _MessageWay(node, executor, predictor, rgb)
        summary = measure({'': way.run}, rounds, warmup)[''].summary()
        summary['message_bytes'] = way.message_bytes
        summary['description'] = predictor.description
        return summary
    finally:
        executor.shutdown()
        node.destroy_node()
        context.shutdown()


class _MessageWay:
    """Image message in by a subscription, result out by a publisher and back by a subscription."""

    def __init__(self, node, executor: SingleThreadedExecutor, predictor,
                 rgb: np.ndarray) -> None:
        self._executor, self._predictor = executor, predictor
        self._image = encode_image(rgb, 'bgr8', Header())
        self._arrived: list[Any] = []
        self._images = node.create_publisher(Image, 'image', 1)
        self._results = node.create_publisher(InstanceMaskArray, 'instances', 1)
        self._subscriptions = [
            node.create_subscription(Image, 'image', self._arrived.append, 1),
            node.create_subscription(InstanceMaskArray, 'instances', self._arrived.append, 1)]
        self.message_bytes = 0
        self._wait(lambda: self._images.get_subscription_count()
                   and self._results.get_subscription_count())

    def run(self) -> dict[str, float]:
        """Send one image through and return milliseconds by stage."""
        clock = [time.perf_counter()]
        self._images.publish(self._image)
        message = self._receive()
        clock.append(time.perf_counter())
        rgb = decode_image(message)
        clock.append(time.perf_counter())
        instances = self._predictor.predict(rgb)
        clock.append(time.perf_counter())
        array = encode_array(instances, self._predictor.class_names, message.header)
        clock.append(time.perf_counter())
        self._results.publish(array)
        clock.append(time.perf_counter())
        result = self._receive()
        clock.append(time.perf_counter())
        if not self.message_bytes:
            self.message_bytes = len(serialize_message(result))
        stages = ('image arrives', 'decode', 'predict', 'message', 'publish', 'result arrives')
        ms = {stage: (stop - start) * 1e3
              for stage, start, stop in zip(stages, clock, clock[1:])}
        del ms['predict']
        before = {stage: ms.pop(stage) for stage in stages[:2]}
        return {**before, **self._predictor.stage_ms, **ms}

    def _receive(self) -> Any:
        """Return the next message."""
        self._wait(lambda: self._arrived)
        return self._arrived.pop()

    def _wait(self, ready: Callable[[], object]) -> None:
        """Spin until something is ready."""
        stop = time.monotonic() + ARRIVAL_TIMEOUT_S
        while not ready():
            if time.monotonic() > stop:
                raise RuntimeError('no message arrived within '
                                   f'{ARRIVAL_TIMEOUT_S:.0f} s; check the RMW implementation '
                                   '(RMW_IMPLEMENTATION) and that nothing blocks local traffic')
            self._executor.spin_once(timeout_sec=0.1)
