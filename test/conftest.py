"""What every test shares: real data beside the checkout, one ROS domain per process."""

import os
import sys
from pathlib import Path

import pytest

# 1 to 100 stay clear of the ephemeral ports; one domain per process keeps parallel runs apart.
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)

SHARED_DATA = Path(__file__).resolve().parents[2] / 'shared' / 'data'


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Return the folder of real pictures, videos and detections, or skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f'no test data at {SHARED_DATA}')
    return SHARED_DATA
