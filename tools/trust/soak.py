"""A camera, listeners and an operator that do everything wrong to a real node over DDS."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from tools.trust.vitals import Sample, Vitals
from yolact_ros.msg import InstanceMaskArray
from yolact_ros.srv import Reload

ROOT = Path(__file__).resolve().parents[2]
SIZE = 240, 320
START_S, STOP_S = 180.0, 20.0
EVERY_S = 1.5  # between two events
OUTPUTS = (('instances', InstanceMaskArray), ('overlay', Image), ('label_image', Image))


def soak(seconds: float, rate: float, seed: int, log: Callable[[str], None]) -> Vitals:
    """
    Drive a node for some time.

    :param rate: of the camera [Hz].
    :param log: gets a line for every event.
    """
    vitals = Vitals()
    process = subprocess.Popen([sys.executable, str(ROOT / 'scripts' / 'segment_node')],
                               env={**os.environ, 'OMP_NUM_THREADS': '1'})
    world = World(process, vitals, random.Random(seed), log)
    try:
        world.wait_for_node()
        world.run(seconds, rate)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = 'none'
        if code != 0:
            vitals.trouble.append(f'the node ended with {code} after Ctrl-C')
        world.close()
    return vitals


class World:
    """Everything around the node, on one thread."""

    def __init__(self, process: subprocess.Popen, vitals: Vitals, draw: random.Random,
                 log: Callable[[str], None]) -> None:
        """Join the network."""
        self._process, self._vitals, self._draw, self._log = process, vitals, draw, log
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = Node('world', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._note, 10)
        self._reload = self._node.create_client(Reload, '/yolact/reload')
        self._set = self._node.create_client(SetParameters, '/yolact/set_parameters')
        self._camera = self._new_camera(True)
        self._listeners = [self._new_listener(0)]
        self._images = [self._image(value) for value in (40, 120, 200)]
        self._shift_s, self._bad, self._start = 0.0, 0, time.monotonic()
        self._answers: list = []

    def wait_for_node(self) -> None:
        """Wait until the node answers."""
        deadline = time.monotonic() + START_S
        while not (self._reload.service_is_ready() and self._vitals.samples):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError('the node did not start')
            self._executor.spin_once(timeout_sec=0.1)

    def run(self, seconds: float, rate: float) -> None:
        """Send images at a rate, and an event now and then."""
        self._vitals.samples.clear()
        self._start = now = time.monotonic()
        due, event_due, number = now, now + EVERY_S, 0
        while now < self._start + seconds and self._process.poll() is None:
            if now >= due:
                self._publish(number)
                number, due = number + 1, max(due + 1 / rate, now)
            if now >= event_due:
                self._do(self._draw.choice(EVENTS))
                event_due = now + EVERY_S
            self._executor.spin_once(timeout_sec=max(0.0, min(due, event_due) - time.monotonic()))
            now = time.monotonic()

    def close(self) -> None:
        """Leave the network."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    # events

    def _do(self, name: str) -> None:
        self._vitals.events.append((time.monotonic() - self._start, name))
        self._log(f'{time.monotonic() - self._start:7.1f} s  {name}')
        getattr(self, '_' + name.replace(' ', '_'))()

    def _listener_comes(self) -> None:
        if len(self._listeners) < 4:
            self._listeners.append(self._new_listener(self._draw.randrange(len(OUTPUTS))))

    def _listener_goes(self) -> None:
        if self._listeners:
            self._node.destroy_subscription(self._listeners.pop(0))

    def _reload_of_the_model(self) -> None:
        self._ask(self._reload, Reload.Request(weights='demo'))

    def _reload_of_nonsense(self) -> None:
        self._ask(self._reload, Reload.Request(
            weights=self._draw.choice(('/dev/zero', 'nothing.pth', str(ROOT)))))

    def _parameter(self) -> None:
        name, value = self._draw.choice((
            ('score_threshold', self._draw.random()), ('mask_encoding', 'rle'),
            ('mask_encoding', 'packed'), ('enabled', self._draw.random() < 0.3),
            ('enabled', True), ('classes', ['mug']), ('classes', ['nobody']), ('classes', []),
            ('score_threshold', 7.0), ('tracking', self._draw.random() < 0.5)))
        kind = Parameter.Type.STRING_ARRAY if isinstance(value, list) else None
        self._ask(self._set, SetParameters.Request(parameters=[
            Parameter(name, kind, value).to_parameter_msg()
            if kind else Parameter(name, value=value).to_parameter_msg()]))

    def _bad_images(self) -> None:
        self._bad = 10

    def _camera_death(self) -> None:
        if self._camera is not None:
            self._node.destroy_publisher(self._camera)
            self._camera = None

    def _camera_birth(self) -> None:
        if self._camera is None:
            self._camera = self._new_camera(self._draw.random() < 0.5)

    def _clock_jump(self) -> None:
        self._shift_s = self._draw.uniform(-100, 100)

    # parts

    def _ask(self, client, request) -> None:
        self._answers = [future for future in self._answers if not future.done()]
        self._answers.append(client.call_async(request))

    def _new_camera(self, reliable: bool):
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        return self._node.create_publisher(Image, 'image', QoSProfile(
            depth=5, reliability=reliability))

    def _new_listener(self, number: int):
        name, kind = OUTPUTS[number]
        return self._node.create_subscription(kind, f'/yolact/{name}', lambda message: None, 5)

    def _image(self, value: int) -> Image:
        height, width = SIZE
        message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        message.header.frame_id = 'camera'
        pixels = np.random.default_rng(value).integers(0, value, (height, width, 3), np.uint8)
        pixels[60:160, 80:200] = (200, 40, 30)
        message.data.frombytes(pixels)
        return message

    def _publish(self, number: int) -> None:
        if self._camera is None:
            return
        message = self._images[number % len(self._images)]
        now = time.time() + self._shift_s
        message.header.stamp.sec, message.header.stamp.nanosec = int(now), int(now % 1 * 1e9)
        message.height = SIZE[0]
        if self._bad:
            self._bad, message.height = self._bad - 1, 10 * SIZE[0]
        self._camera.publish(message)

    def _note(self, array: DiagnosticArray) -> None:
        """Add a sample: the books of the node and its process."""
        values = {pair.key: pair.value for status in array.status
                  if status.name.startswith('yolact: ') for pair in status.values}
        books = {key: int(value) for key, value in values.items()
                 if key in ('received', 'processed', 'waiting') or key.startswith('dropped ')}
        output = next(status for status in array.status if status.name.endswith('output'))
        rate = next(pair.value for pair in output.values if pair.key == 'rate [Hz]')
        folder = Path(f'/proc/{self._process.pid}')
        status = (folder / 'status').read_text()
        self._vitals.samples.append(Sample(
            time.monotonic() - self._start,
            int(status.partition('VmRSS:')[2].split()[0]) / 1024,
            int(status.partition('Threads:')[2].split()[0]), len(list((folder / 'fd').iterdir())),
            float(rate), books))


EVENTS = ('listener comes', 'listener comes', 'listener goes', 'reload of the model',
          'reload of nonsense', 'parameter', 'parameter', 'parameter', 'bad images',
          'camera death', 'camera birth', 'camera birth', 'clock jump')
