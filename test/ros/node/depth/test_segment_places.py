"""~/segment with depth: the camera's image is answered with places, whoever else listens."""

import math

import numpy as np
import pytest
from depth_images import HEIGHT, WIDTH, calibration, depth_image, header
from sensor_msgs.msg import CameraInfo, Image

from yolact_ros.srv import Segment
from yolact_ros.structures import ImageSize, Instances

WALL = 1.5  # [m]


def a_mug(rgb):
    """Return one mug of the size of the image."""
    height, width = rgb.shape[:2]
    score, roi = np.array([0.9], np.float32), np.array([[0, 0, width, height]], np.int32)
    return Instances(ImageSize(height, width), roi.astype(np.float32), score,
                     np.full(1, np.nan, np.float32), score, np.array([0]), roi,
                     (np.ones((height, width), bool),))


def empty_image(seconds=1.0):
    image = Image(header=header(seconds), height=HEIGHT, width=WIDTH, encoding='rgb8',
                  step=3 * WIDTH)
    image.data.frombytes(bytes(3 * HEIGHT * WIDTH))
    return image


class DepthCamera:
    """A camera with depth before a node to which nobody listens."""

    def __init__(self, bench, with_depth=True):
        assert bench.start()
        bench.models.predictor.predict = a_mug
        self.bench, self.seconds, self._with_depth = bench, 0, with_depth
        self._image = bench.camera('image')
        self._depth, self._info = bench.camera('depth'), bench.camera('camera_info', CameraInfo)
        self._client = bench.peer.create_client(Segment, 'yolact/segment')
        assert self._client.wait_for_service(20)

    def show(self):
        """Publish one image, with its depth."""
        self.seconds += 1
        image = empty_image(self.seconds)
        if self._with_depth:
            self._info.publish(calibration())
            self._depth.publish(depth_image(WALL, self.seconds))
        self._image.publish(image)

    def ask(self, **fields):
        """Return the answer to a call, which comes while the camera goes on."""
        answer = self._client.call_async(Segment.Request(**fields))
        self.bench.wait(lambda: self.show() or answer.done(), 'an answer')
        return answer.result()

    def is_received(self):
        return any(publisher.get_subscription_count()
                   for publisher in (self._image, self._depth, self._info))


def test_image_of_the_camera_is_answered_with_places(new_bench):
    with new_bench(use_depth=True) as bench:
        camera = DepthCamera(bench)
        mug = camera.ask().instances.instances[0]
        bench.wait(lambda: not camera.is_received(), 'the inputs to close')
    assert mug.position.z == pytest.approx(WALL, abs=1e-3)
    assert mug.depth_points > 0


def test_camera_that_streams_is_answered_with_places(new_bench):
    with new_bench(use_depth=True) as bench:
        camera, arrays = DepthCamera(bench), bench.listen()
        bench.wait(lambda: camera.show() or any(array.instances[0].depth_points
                                                for array in arrays), 'places in the stream')
        mug = camera.ask().instances.instances[0]
    assert mug.position.z == pytest.approx(WALL, abs=1e-3)


def test_without_any_depth_the_answer_comes_without_places(new_bench):
    with new_bench(use_depth=True, patience_s=0.3) as bench:
        answer = DepthCamera(bench, with_depth=False).ask()
    assert answer.success
    assert math.isnan(answer.instances.instances[0].position.z)


def test_image_of_the_request_has_no_places(new_bench):
    with new_bench(use_depth=True) as bench:
        answer = DepthCamera(bench).ask(image=empty_image())
    assert answer.success
    assert math.isnan(answer.instances.instances[0].position.z)
