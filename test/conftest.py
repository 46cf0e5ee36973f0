"""What every test shares: real data beside the checkout, one ROS domain per process."""

import os
import sys
import tempfile
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
