"""A node with a made-up model between a made-up camera and a listener, over real DDS."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import Image

from yolact_ros.config import PostprocessConfig
from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.node.node import YolactNode
from yolact_ros.structures import ImageSize, Instances

PATIENCE = 20.0  # [s], for a busy machine; nothing waits that long when it works


class FakePredictor:
    """Sees a mug (score 0.9) and a bowl (0.4) in every image, in its four corner pixels."""

    def __init__(self, class_names=('mug', 'bowl'), description='fake model'):
        self.class_names, self.description = tuple(class_names), description
        self.stage_ms = {'network': 1.0}
        self.seen = []
        self.gate = threading.Event()  # predict waits for it
        self.gate.set()
        self.entered = threading.Event()
        self.error = None
        self._postprocess = PostprocessConfig()

    @property
    def postprocess(self):
        return self._postprocess

    @postprocess.setter
    def postprocess(self, config):
        config.check_classes(self.class_names)
        self._postprocess = config

    def predict(self, rgb):
        self.seen.append(rgb.copy())
        self.entered.set()
        self.gate.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        scores = np.array([score for score in (0.9, 0.4)
                           if score > self.postprocess.score_threshold], np.float32)
        count = len(scores)
        return Instances(
            ImageSize(*rgb.shape[:2]), np.tile(np.float32([0, 0, 2, 2]), (count, 1)), scores,
            np.full(count, np.nan, np.float32), scores, np.arange(count),
            np.tile(np.int32([0, 0, 2, 2]), (count, 1)), (np.ones((2, 2), bool),) * count)


class Models:
    """Stands in for open_predictor and remembers what was opened."""

    def __init__(self):
        self.opened = []
        self.gate = threading.Event()  # opening waits for it
        self.gate.set()

    def __call__(self, weights, **options):
        self.gate.wait(PATIENCE)
        if weights == 'missing.pth':
            raise FileNotFoundError('weights missing.pth not found; download them')
        if weights == 'broken.pth':
            raise ValueError('broken.pth is truncated; copy it again')
        if options['device'] == 'cuda':
            raise RuntimeError("device 'cuda' was asked for, but there is none; choose auto")
        names = ('cat',) if weights == 'cats.pth' else ('mug', 'bowl')
        predictor = FakePredictor(names, f'fake {weights}')
        predictor.postprocess = options['postprocess']
        self.opened.append((weights, options, predictor))
        return predictor

    @property
    def predictor(self):
        return self.opened[-1][2]


class Spinning:
    """An executor of its own for a node; stopped before it is shut down, as rclpy needs it."""

    def __init__(self, node):
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._stop = Future()
        self._thread = threading.Thread(
            target=self._executor.spin_until_future_complete, args=(self._stop,), daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set_result(None)
        if self._thread.is_alive():
            self._thread.join(PATIENCE)
        self._executor.shutdown()


class Bench:
    """The node under test and a peer that plays camera and consumer."""

    def __init__(self, arguments=(), patience_s=3.0, **parameters):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.models = Models()
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = YolactNode(
            self.models, patience_s, context=self.context, parameter_overrides=overrides,
            cli_args=['--ros-args', *arguments] if arguments else None)
        self.peer = Node('peer', context=self.context)
        self._spinning = [Spinning(node) for node in (self.node, self.peer)]
        self._stamp = 0

    def start(self):
        started = self.node.start()
        for spinning in self._spinning:
            spinning.start()
        return started

    def close(self):
        if self.models.opened:
            self.models.predictor.gate.set()
        self.models.gate.set()
        for spinning in self._spinning:
            spinning.stop()
        self.node.stop()
        self.node.destroy_node()
        self.peer.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def wait(self, condition, what='', timeout_s=PATIENCE):
        """Return the first true value of a condition, or fail."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, f'waited in vain: {what or condition}'
            time.sleep(0.005)
        return value

    def camera(self, topic='image', kind=Image, reliable=True, depth=10):
        qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE if reliable
                         else ReliabilityPolicy.BEST_EFFORT)
        return self.peer.create_publisher(kind, topic, qos)

    def listen(self, topic='yolact/instances', kind=InstanceMaskArray, latched=False):
        """Return a list that grows with the messages of a topic."""
        messages = []
        qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL if latched
                         else DurabilityPolicy.VOLATILE)
        self.peer.create_subscription(kind, topic, messages.append, qos)
        return messages

    def segment(self, camera, messages, image=None):
        """Send an image, again while it gets lost, until the result with its stamp arrives."""
        image = small_image() if image is None else image
        self._stamp += 1
        image.header.stamp.sec = self._stamp
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            camera.publish(image)
            again = time.monotonic() + 0.3
            while time.monotonic() < again:
                for message in messages:
                    if message.header.stamp == image.header.stamp:
                        return message
                time.sleep(0.002)
        raise AssertionError(f'no result for the image with stamp {self._stamp}')

    def call(self, kind, name, request):
        """Return the answer of a service."""
        client = self.peer.create_client(kind, name)
        assert client.wait_for_service(PATIENCE), f'no service {name}'
        future = client.call_async(request)
        self.wait(future.done, f'answer of {name}')
        return future.result()

    def last_error(self):
        return self.node.status.figures.last_error


def small_image(height=4, width=6, value=100, encoding='rgb8', frame_id='camera'):
    image = Image(height=height, width=width, encoding=encoding, step=3 * width)
    image.header.frame_id = frame_id
    image.data.frombytes(np.full((height, width, 3), value, np.uint8))
    return image


@contextmanager
def open_bench(**options):
    bench = Bench(**options)
    try:
        yield bench
    finally:
        bench.close()


@pytest.fixture
def new_bench():
    """Return a context manager that makes a bench with parameters; start it yourself."""
    return open_bench


@pytest.fixture
def bench():
    """Return a started bench with default parameters."""
    with open_bench() as bench:
        assert bench.start()
        yield bench


@pytest.fixture
def make_image():
    """Return the function that makes a small rgb8 image message."""
    return small_image
