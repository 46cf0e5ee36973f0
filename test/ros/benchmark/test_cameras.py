"""What more cameras cost is measured, and stays within what the guide for robot teams says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_four_cameras_cost_four_images_of_time_and_one_of_memory():
    table = subprocess.run(
        [sys.executable, '-m', 'yolact_ros.ros.benchmark.cameras', '--rounds', '10',
         '--height', '240', '--width', '320'], cwd=ROOT, env={**os.environ, 'ROS_DOMAIN_ID': '93'},
        stdout=subprocess.PIPE, text=True, check=True, timeout=380).stdout
    row = re.search(r'^\| 4 \|.*$', table, re.MULTILINE)[0].strip('| ').split(' | ')
    images, memory = float(row[2]), float(row[5])
    # Of a quiet machine 1.05 would do: rounds of the nodes take turns, but a busy one has its
    # moments.
    assert images <= 1.05 * 1.3
    assert memory <= 1.15
