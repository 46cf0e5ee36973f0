"""
What every test shares.

Made-up recordings, real data beside the checkout, one ROS domain per process, and the last
resorts: a test stuck in foreign code ends its process, and one that ended its process runs once
more in another.
"""

import faulthandler
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np

# 1 to 100 stay clear of the ephemeral ports; one domain per process keeps parallel runs apart.
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
# Threads that spin while they wait for each other make a busy machine many times slower.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
if 'PYTEST_XDIST_WORKER' in os.environ:  # the workers share the cores, so none takes them all
    os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
# Without HOME or this, rclpy.init() fails; with it, test runs leave no logs at home.
os.environ.setdefault('ROS_LOG_DIR', str(Path(tempfile.gettempdir()) / 'yolact_ros_test_log'))
# Nothing that a user measured, converted or downloaded, and nothing left there.
_CACHE = tempfile.TemporaryDirectory(prefix='yolact_ros_test_cache')
os.environ['XDG_CACHE_HOME'] = _CACHE.name
# Without a GPU, Triton's interpreter runs the kernels on the CPU. It has to be chosen before
# Triton is imported; asking torch for a GPU would load it for every test.
if not any(Path(file).exists() for file in ('/dev/nvidiactl', '/dev/nvhost-gpu', '/dev/dxg')):
    os.environ['TRITON_INTERPRET'] = '1'

SHARED_DATA = Path(__file__).resolve().parents[2] / 'shared' / 'data'


def pytest_configure(config: pytest.Config) -> None:
    """Have the last resorts; the process that only hands out tests (-n) counts the crashes."""
    # A script that starts the tests with & leaves SIGINT ignored to them, and to what they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Watchdog())
    if config.getoption('dist', 'no') == 'loadfile' and not hasattr(config, 'workerinput'):
        config.pluginmanager.register(Crashes(config))


class Watchdog:
    """
    Ends the process, with the stack of every thread, where a test's time limit has no effect.

    The limit is a signal that Python sees between two of its instructions, so never in a library
    that waits for ever. faulthandler counts in a thread of its own that needs no Python.
    """

    GRACE = 20  # [s] after the limit, so that what can fail in the usual way does

    def __init__(self):
        self._stderr = os.dup(2)  # before pytest captures it

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item, settings) -> None:
        item.watched_s = settings.timeout + self.GRACE
        self._watch(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item) -> None:
        self._watch(item)  # again: a failure before ended both limits

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_cancel_timer(self) -> None:
        faulthandler.cancel_dump_traceback_later()

    def _watch(self, item) -> None:
        if hasattr(item, 'watched_s'):
            faulthandler.dump_traceback_later(item.watched_s, file=self._stderr, exit=True)


class Crashes:
    """
    Lets a test that ended its process run once more, and only once; the summary tells.

    The crash beyond --max-worker-restart, after which nothing runs any more, is a failure.
    """

    def __init__(self, config):
        self.seen, self._restarts = Counter(), int(config.option.maxworkerrestart or 0)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error) -> None:
        self._restarts -= bool(error)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config, log):
        from xdist.scheduler import LoadFileScheduling
        seen = self.seen

        class Scheduling(LoadFileScheduling):
            """As --dist loadfile, which would start a test anew however often it crashes."""

            def remove_node(self, node):
                pending = [(tests, name) for tests in self.assigned_work[node].values()
                           for name, done in tests.items() if not done]
                if not pending:
                    return super().remove_node(node)
                tests, crashed = pending[0]
                seen[crashed] += 1
                tests[crashed] = seen[crashed] > 1
                super().remove_node(node)
                return crashed

        return Scheduling(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem, report) -> None:
        if self.seen[crashitem] == 1 and self._restarts >= 0:
            report.outcome = 'crashed'  # not failed: the second run decides

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if not (crashed := terminalreporter.stats.get('crashed')):
            return
        terminalreporter.section('ENDED THEIR PROCESS AND RAN ONCE MORE', red=True, bold=True)
        for report in crashed:
            terminalreporter.line(f'{report.longrepr}; its stacks are in the log above', red=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked gpu where there is none, saying so."""
    marked = [item for item in items if item.get_closest_marker('gpu')]
    if not marked:
        return
    import torch
    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason='needs a CUDA device, torch sees none'))


@pytest.fixture(autouse=True)
def exact_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let precision auto be float32 on every CPU, so that results do not depend on it."""
    monkeypatch.setattr('yolact_ros.devices.BFLOAT16_FLAGS', frozenset())


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Return the folder of real images, videos and detections, or skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f'what real data is like cannot be made up; it would be in {SHARED_DATA}')
    return SHARED_DATA


@pytest.fixture(scope='session')
def frames() -> list['np.ndarray']:
    """Return a second of a made-up camera: 10 images of (360, 640, 3) uint8 RGB."""
    from yolact_ros.scenes import scene
    return [scene(1, number / 10, (360, 640), 'conveyor').image for number in range(10)]


@pytest.fixture(scope='session')
def recording(frames, tmp_path_factory) -> Path:
    """Return a bag of the camera: JPEG and calibration, 10 Hz on average, stamps of 2023."""
    import cv2
    from rosbags.rosbag2 import StoragePlugin, Writer

    from yolact_ros.media.bag_types import blank, open_typestore
    store, path = open_typestore(), tmp_path_factory.mktemp('recordings') / 'camera'
    kinds = {'image_raw/compressed': 'CompressedImage', 'camera_info': 'CameraInfo'}
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {name: writer.add_connection(f'/camera/{name}', f'sensor_msgs/msg/{kind}',
                                              typestore=store) for name, kind in kinds.items()}
        for number, rgb in enumerate(frames):
            stamp = 1_700_000_000_000_000_000 + number * 10 ** 8 + number % 3 * 10 ** 6
            for name, topic in topics.items():
                message = blank(store, topic.msgtype)
                message.header.frame_id = 'camera_optical'
                message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10 ** 9)
                if name == 'camera_info':
                    message.height, message.width = rgb.shape[:2]
                else:
                    message.format = 'jpeg'
                    message.data = cv2.imencode('.jpg', rgb[..., ::-1])[1].ravel()
                writer.write(topic, stamp, store.serialize_cdr(message, topic.msgtype))
    return path


@pytest.fixture(scope='session')
def video(frames, tmp_path_factory) -> Path:
    """Return a video of the camera as OpenCV writes it: MPEG-4, 30000/1001 images a second."""
    import cv2
    path = tmp_path_factory.mktemp('videos') / 'camera.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 30000 / 1001,
                             frames[0].shape[1::-1])
    for rgb in frames:
        writer.write(rgb[..., ::-1].copy())
    writer.release()
    return path
