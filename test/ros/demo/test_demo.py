"""The viewer, the demo as `make demo` starts it, and the launch file, with real processes."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from yolact_ros.checkpoint import save_model
from yolact_ros.config import yolact_plus_tiny
from yolact_ros.model.yolact import Yolact
from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.camera.bag_source import BagSource
from yolact_ros.ros.image_codec import encode_image
from yolact_ros.scenes import CLASS_NAMES

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 90  # [s], for a busy machine
MARK = 'YOLACT_DEMO_TEST'


@pytest.fixture
def environment():
    """Return an environment by which all processes of a test can be found again."""
    made = {**os.environ, MARK: uuid.uuid4().hex,
            'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds.xml')}
    yield made
    for process in marked_processes(made):
        os.kill(process, signal.SIGKILL)


def marked_processes(environment):
    """Return the command lines of all living processes with this environment, by id."""
    mark = f'{MARK}={environment[MARK]}'.encode()
    found = {}
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if mark in (folder / 'environ').read_bytes().split(b'\0'):
                found[int(folder.name)] = (folder / 'cmdline').read_bytes()
        except OSError:
            continue  # it has ended meanwhile, or belongs to somebody else
    return found


def all_three_run(environment):
    """Tell whether camera, node and viewer have been started."""
    commands = b' '.join(marked_processes(environment).values())
    return all(name in commands for name in (b'frame_source', b'segment_node', b'ros.demo.demo'))


def wait_until(condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'it did not happen in time'
        time.sleep(0.05)


def start_demo(environment, *arguments):
    return subprocess.Popen([str(ROOT / 'tools' / 'demo'), *map(str, arguments)], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def start_viewer(environment, *arguments):
    return subprocess.Popen([sys.executable, '-m', 'yolact_ros.ros.demo.demo',
                             *map(str, arguments)], env=environment, cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@contextmanager
def spinning_node(name):
    """Yield a node of this process and its executor."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node(name, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def spin_until(executor, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)


def be_perfect(node, image):
    """Find exactly what is true, and publish one image as the overlay."""
    instances = node.create_publisher(InstanceMaskArray, '/yolact/instances', 10)
    overlay = node.create_publisher(Image, '/yolact/overlay', 1)

    def repeat(truth):
        truth.instances = [item for item in truth.instances if item.score > 0]
        instances.publish(truth)
        overlay.publish(encode_image(image, 'bgr8', Header()))

    node.create_subscription(InstanceMaskArray, '/frame_source/truth', repeat, QoSProfile(depth=5))


def test_the_viewer_scores_a_perfect_node_with_one_and_saves_its_overlays(environment, tmp_path):
    (tmp_path / 'overlay_9.png').write_bytes(b'from an earlier demo')
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = (250, 120, 10)
    viewer = start_viewer(environment, '--duration', '2', '--out', tmp_path)
    subprocess.Popen(
        [sys.executable, str(ROOT / 'scripts' / 'frame_source'), '--ros-args', '-p', 'width:=160',
         '-p', 'height:=120', '-p', 'source:=synthetic:shuffle'], env=environment)
    with spinning_node('yolact') as (node, executor):
        be_perfect(node, image)
        spin_until(executor, lambda: viewer.poll() is not None)
    output, _ = viewer.communicate(timeout=PATIENCE)
    assert viewer.returncode == 0, output
    assert 'against the truth: mask IoU 1.00, precision 1.00, recall 1.00' in output
    assert re.search(rf'1 s +\d+ frames, +\d+ ms old .*({"|".join(CLASS_NAMES)}) 1\.00', output)
    saved = sorted(tmp_path.glob('*.png'))
    assert [path.name for path in saved] == [f'overlay_{index}.png' for index in (1, 2, 3, 4)]
    assert all(str(path) in output for path in saved)
    np.testing.assert_array_equal(cv2.imread(str(saved[0])), image[..., ::-1])


def test_the_viewer_says_why_nothing_came(environment, tmp_path):
    viewer = start_viewer(environment, '--patience', '0.5', '--out', tmp_path)
    output, _ = viewer.communicate(timeout=PATIENCE)
    assert viewer.returncode == 1
    assert 'nothing to see after 0.5 s: no camera publishes on /image' in output


@pytest.mark.parametrize('options, shown', [
    ((), 'against the truth: mask IoU'),
    (('--depth',), r' at \d\.\d\d m.*, distances \d+\.\d mm off \(median\)')],
    ids=['colour', 'depth'])
@pytest.mark.slow
def test_the_demo_shows_masks_and_leaves_nothing_running(environment, tmp_path, options, shown):
    demo = start_demo(environment, '--duration', '2', '--out', tmp_path, *options)
    output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, output
    assert f'ROS_DOMAIN_ID={environment["ROS_DOMAIN_ID"]}' in output
    assert re.search(r'\d+ frames in 2\.\d s .*from camera to masks \d+ ms', output)
    assert re.search(shown, output, re.DOTALL)
    overlays = [cv2.imread(str(path)) for path in tmp_path.glob('overlay_*.png')]
    assert {image.shape for image in overlays} == {(480, 640, 3)}
    assert marked_processes(environment) == {}


def test_a_demo_whose_source_is_missing_ends_at_once_with_the_reason(environment, tmp_path):
    demo = start_demo(environment, '--source', tmp_path / 'missing.mp4', '--out', tmp_path)
    output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1
    assert re.search('missing.mp4.* does not exist', output)
    assert 'the camera has ended with exit code 1' in output
    assert marked_processes(environment) == {}


@pytest.mark.parametrize('number, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
                         ids=['ctrl-c', 'terminate'])
def test_an_interrupted_demo_leaves_nothing_running(environment, tmp_path, number, code):
    demo = start_demo(environment, '--out', tmp_path)
    wait_until(lambda: all_three_run(environment))
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == code, output
    assert 'Traceback' not in output
    assert marked_processes(environment) == {}


def test_a_demo_that_is_interrupted_while_its_processes_start_ends_without_a_word(
        environment, tmp_path):
    demo = start_demo(environment, '--out', tmp_path)
    wait_until(lambda: b'ros.demo.demo' in b' '.join(marked_processes(environment).values()))
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 130, output
    assert 'Error' not in output and 'Traceback' not in output
    assert marked_processes(environment) == {}


@pytest.mark.slow
def test_the_processes_of_a_demo_that_was_killed_end_by_themselves(environment, tmp_path):
    demo = start_demo(environment, '--out', tmp_path)
    wait_until(lambda: all_three_run(environment))
    demo.kill()
    demo.communicate(timeout=PATIENCE)
    wait_until(lambda: not marked_processes(environment), seconds=20)
    assert marked_processes(environment) == {}


def test_a_demo_too_short_to_see_anything_is_refused(environment):
    demo = start_demo(environment, '--duration', '0')
    output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 2
    assert 'must be at least 1 s' in output


LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [argument.split(':=') for argument in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)]))
sys.exit(service.run())
"""


@pytest.fixture
def weights(tmp_path):
    """Return the file of a small network that has not learned anything."""
    path = tmp_path / 'random.safetensors'
    save_model(path, Yolact(yolact_plus_tiny(class_names=CLASS_NAMES)))
    return path


def test_the_launch_file_brings_a_bag_to_the_node_with_its_stamps(
        environment, weights, recording):
    pytest.importorskip('launch_ros', reason='launch_ros is not on PyPI; a ROS install has it')
    arrays = []
    path = f'{Path(sys.executable).parent}{os.pathsep}{environment["PATH"]}'  # env python3
    launch = subprocess.Popen(
        [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / 'demo.launch.py'),
         f'source:={recording}', 'restamp:=false',
         'image_transport:=compressed', 'namespace:=arm', f'weights:={weights}'],
        env={**environment, 'PATH': path}, start_new_session=True)
    with spinning_node('listener') as (node, executor):
        node.create_subscription(InstanceMaskArray, '/arm/yolact/instances', arrays.append, 10)
        spin_until(executor, lambda: len(arrays) >= 3 or launch.poll() is not None)
    os.killpg(launch.pid, signal.SIGINT)
    assert launch.wait(20) == 0
    assert len(arrays) >= 3
    recorded = [(frame.image.header.stamp.sec, frame.image.header.stamp.nanosec)
                for frame in BagSource(recording)]
    assert {(array.header.stamp.sec, array.header.stamp.nanosec)
            for array in arrays} <= set(recorded)
    assert marked_processes(environment) == {}
