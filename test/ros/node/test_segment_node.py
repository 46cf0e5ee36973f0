"""The node as a process of its own, with real weights, signals and exit codes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rclpy
import torch
from rclpy.node import Node
from sensor_msgs.msg import Image

from yolact_ros.checkpoint import save_model
from yolact_ros.config import yolact_plus_tiny
from yolact_ros.inference import predictor
from yolact_ros.model.yolact import Yolact
from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.image_codec import encode_image
from yolact_ros.ros.node import node
from yolact_ros.srv import Reload

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / 'scripts' / 'segment_node'
DEMO_MODEL = ROOT / 'yolact_ros' / 'weights' / 'yolact_plus_lite.safetensors'
PATIENCE = 30.0  # [s], for a busy machine
SLOW_NODE = """
import sys, time
from yolact_ros.ros.node.node import YolactNode
from yolact_ros.ros.spin import run

class Slow:
    class_names, description, stage_ms, postprocess = ('mug',), 'slow', {}, None
    calls = 0

    def predict(self, rgb):
        self.calls += 1
        if self.calls > 1:  # the first is the warm-up
            print('computing', file=sys.stderr, flush=True)
            time.sleep(600)

def open_slow(weights, **options):
    if weights == 'slow':
        print('loading', file=sys.stderr, flush=True)
        time.sleep(600)
    return Slow()

sys.exit(run(lambda: YolactNode(open_slow)))
"""
BROKEN_NODE = """
import sys
from yolact_ros.ros.node.node import YolactNode
from yolact_ros.ros.spin import run

class Broken(YolactNode):
    def start(self):
        self.create_timer(0.01, lambda: 1 / 0)
        return True

sys.exit(run(lambda: Broken(None)))
"""
FAILING_NODE = """
import sys
from yolact_ros.ros.node.node import YolactNode
from yolact_ros.ros.spin import run

class Failing:
    class_names, description, stage_ms, postprocess = ('mug',), 'failing', {}, None
    calls = 0

    def predict(self, rgb):
        self.calls += 1
        if self.calls > 1:  # the first is the warm-up
            raise RuntimeError('CUDA error: unspecified launch failure')

opened = []

def open_failing(weights, **options):
    opened.append(weights)
    if weights == 'once' and len(opened) > 1:
        raise RuntimeError('no device any more')
    return Failing()

sys.exit(run(lambda: YolactNode(open_failing)))
"""


SIGNALS = pytest.mark.parametrize('number', [
    pytest.param(signal.SIGINT, id='SIGINT'),
    pytest.param(signal.SIGTERM, id='SIGTERM', marks=pytest.mark.slow)])


class Running:
    """A process whose stderr can be waited for."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)], stderr=subprocess.PIPE, text=True, cwd='/',
            env={**os.environ, 'OMP_NUM_THREADS': '1',
                 'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds.xml')})
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        self.lines.extend(iter(self.process.stderr.readline, ''))

    def wait_for(self, text):
        wait(lambda: any(text in line for line in self.lines) or self.process.poll() is not None,
             text)
        assert any(text in line for line in self.lines), ''.join(self.lines)

    def end(self, number):
        """Send a signal; return the exit status and how long the process took."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE), time.monotonic() - start

    def result(self):
        """Return the exit status and all of stderr of a process that ends by itself."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status, ''.join(self.lines)


def wait(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f'waited in vain for {what}'
        time.sleep(0.01)


@pytest.fixture
def start():
    """Return a function that starts python with a command line; it is gone afterwards."""
    running = []

    def start(*command):
        running.append(Running(*command))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.wait()


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Return a file with seeded weights of the small network."""
    model = Yolact(yolact_plus_tiny(class_names=('mug', 'bowl')))
    model.initialize(torch.Generator().manual_seed(0))
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_model(path, model.eval())
    return path


@pytest.fixture
def peer():
    """Return a node to publish images and listen with."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node('peer', context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def camera_image(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)
    image = encode_image(pixels, 'bgr8', Image().header)
    image.header.frame_id, image.header.stamp.sec = 'camera_optical_frame', 12
    image.header.stamp.nanosec = 345
    return image


def send_until(peer, topic, arrived):
    """Publish an image again and again until something has arrived."""
    camera = peer.create_publisher(Image, topic, 1)
    executor = rclpy.executors.SingleThreadedExecutor(context=peer.context)
    executor.add_node(peer)
    deadline = time.monotonic() + PATIENCE
    while not arrived():
        assert time.monotonic() < deadline, 'no answer to the images'
        camera.publish(camera_image())
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()


def test_instances_of_real_weights_arrive_from_another_process_and_ctrl_c_ends_it(
        start, weights, peer):
    node = start(SCRIPT, '--ros-args', '-r', 'image:=/cam/image_raw', '-p', f'weights:={weights}',
                 '-p', 'score_threshold:=0.0')
    messages = []
    peer.create_subscription(InstanceMaskArray, '/yolact/instances', messages.append, 1)
    send_until(peer, '/cam/image_raw', lambda: messages)
    assert messages[0].header == camera_image().header
    assert 'yolact_plus_tiny' in messages[0].model
    status, seconds = node.end(signal.SIGINT)
    assert (status, seconds < 3) == (0, True)
    assert not any('Traceback' in line for line in node.lines)


@pytest.mark.slow
def test_packaged_model_is_the_default(start, peer):
    if not DEMO_MODEL.is_file():
        pytest.skip(f'no packaged model at {DEMO_MODEL}')
    node = start(SCRIPT, '--ros-args', '-r', 'image:=/cam/image_raw')
    messages = []
    peer.create_subscription(InstanceMaskArray, '/yolact/instances', messages.append, 1)
    send_until(peer, '/cam/image_raw', lambda: messages)
    assert any('this is the demo model, made for synthetic scenes and people' in line
               and 'yolact download yolact_resnet50' in line for line in node.lines)


@SIGNALS
def test_node_stops_in_time_while_an_image_is_computed(start, peer, number):
    node = start('-c', SLOW_NODE)
    peer.create_subscription(InstanceMaskArray, '/yolact/instances', lambda _: None, 1)
    send_until(peer, '/image', lambda: any('computing' in line for line in node.lines))
    status, seconds = node.end(number)
    assert (status, seconds < 3) == (0, True)


def test_node_stops_in_time_while_the_model_loads(start):
    node = start('-c', SLOW_NODE, '--ros-args', '-p', 'weights:=slow')
    node.wait_for('loading')
    status, seconds = node.end(signal.SIGTERM)
    assert (status, seconds < 3) == (0, True)


@SIGNALS
def test_node_stops_in_time_while_another_model_loads(start, peer, number):
    node = start('-c', SLOW_NODE)
    client = peer.create_client(Reload, '/yolact/reload')
    assert client.wait_for_service(PATIENCE)
    client.call_async(Reload.Request(weights='slow'))
    node.wait_for('loading')
    status, seconds = node.end(number)
    assert (status, seconds < 3) == (0, True)
    assert not any('terminate called' in line for line in node.lines)


@pytest.mark.parametrize(('arguments', 'words'), [
    (['-p', 'weights:=/no/such/file.pth'], ['/no/such/file.pth', 'not found']),
    (['-p', 'score_threshold:=1.5'], ['score_threshold', '1.5']),
    pytest.param(['-p', 'score_threshold:=high'], ['score_threshold must be a number', 'high'],
                 marks=pytest.mark.slow),
    pytest.param(['-p', 'nms:=soft'], ['nms must be one of'], marks=pytest.mark.slow),
    (['--params-file', '/no/such.yaml'], ['/no/such.yaml']),
    (['--nonsense'], ['--nonsense']),
], ids=['weights', 'range', 'type', 'choice', 'file', 'argument'])
def test_bad_start_exits_with_the_reason(start, arguments, words):
    status, text = start(SCRIPT, '--ros-args', *arguments).result()
    assert status == 1
    assert [word for word in words if word not in text] == []
    assert 'Traceback' not in text


@pytest.mark.slow
def test_absent_gpu_is_named_with_the_cure(start, weights):
    if torch.cuda.is_available():
        pytest.skip('this machine has a CUDA device')
    status, text = start(SCRIPT, '--ros-args', '-p', f'weights:={weights}',
                         '-p', 'device:=cuda').result()
    assert status == 1 and 'cuda' in text and 'auto or cpu' in text


def test_failing_executor_ends_the_process_with_an_error(start):
    status, text = start('-c', BROKEN_NODE).result()
    assert status == 1 and 'ZeroDivisionError' in text


@pytest.mark.parametrize(('weights_name', 'reason'), [
    ('once', 'no device any more'), ('always', 'unspecified launch failure')],
    ids=['loading fails', 'next image fails'])
def test_device_that_fails_for_good_ends_the_process_with_the_cure(
        start, peer, weights_name, reason):
    node = start('-c', FAILING_NODE, '--ros-args', '-p', f'weights:={weights_name}')
    peer.create_subscription(InstanceMaskArray, '/yolact/instances', lambda _: None, 1)
    send_until(peer, '/image', lambda: node.process.poll() is not None)
    status, text = node.result()
    last = [line for line in text.splitlines() if 'giving up' in line]
    assert status == 1 and len(last) == 1
    assert reason in last[0] and 'precision:=float16' in last[0]
    assert 'Traceback' not in text


def test_the_node_keeps_freed_memory_once_the_model_is_there(monkeypatch):
    calls = []
    monkeypatch.setattr(predictor, 'open_predictor', lambda *_, **__: calls.append('open') or 7)
    monkeypatch.setattr(node, 'keep_freed_memory', lambda: calls.append('keep'))
    assert node._open_predictor('demo', device='cpu') == 7
    assert calls == ['open', 'keep']
