"""The viewer between a node with a made-up model and its own clients."""

import threading
from contextlib import contextmanager

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future

from yolact_ros.ros.viewer.viewer import ViewerNode, parse_arguments

FRAME_S = 0.03


class Looking:
    """A started viewer."""

    def __init__(self, bench, *arguments):
        self.closed = False
        self.node = ViewerNode(parse_arguments(['--port', '0', *arguments]),
                               context=bench.context)
        self._executor = SingleThreadedExecutor(context=bench.context)
        self._executor.add_node(self.node)
        self._end = Future()
        self._thread = threading.Thread(
            target=self._executor.spin_until_future_complete, args=(self._end,), daemon=True)
        assert self.node.start()
        self._thread.start()
        self.url = f'http://127.0.0.1:{self.node.port}'

    def close(self):
        self.closed = True
        self._end.set_result(None)
        self._thread.join(10)
        self._executor.shutdown()
        assert self.node.stop()
        self.node.destroy_node()


@contextmanager
def streaming(bench, make_image, topic='image'):
    """Let the camera send images, each a bit brighter than the one before."""
    camera, ended = bench.camera(topic), threading.Event()

    def play():
        number = 0
        while not ended.wait(FRAME_S):
            number += 1
            image = make_image(48, 64, value=number % 200)
            image.header.stamp.sec, image.header.stamp.nanosec = divmod(number * 10 ** 7, 10 ** 9)
            camera.publish(image)
    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def open_viewer(bench):
    """Return a function that starts a viewer with command-line arguments."""
    opened = []

    def start(*arguments, at=bench):
        opened.append(Looking(at, *arguments))
        return opened[-1]
    yield start
    for viewer in opened:
        if not viewer.closed:
            viewer.close()


@pytest.fixture
def viewer(open_viewer):
    """Return a started viewer of the node of the bench."""
    return open_viewer()


@pytest.fixture
def stream():
    """Return the context manager in which a camera sends images."""
    return streaming


@pytest.fixture
def camera_runs(bench, make_image):
    """Let the camera of the bench send images during the test."""
    with streaming(bench, make_image):
        yield
