"""
What every test shares.

Real data beside the checkout, one ROS domain per process, and the last resorts: a test stuck in
foreign code ends its process, and one that ended its process runs once more in another.
"""

import faulthandler
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

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
        pytest.skip(f'no test data at {SHARED_DATA}')
    return SHARED_DATA
