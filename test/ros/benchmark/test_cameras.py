"""What more cameras cost is measured, and one model serves them all."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_four_cameras_take_the_memory_of_one_model_and_the_time_of_four_images():
    table = subprocess.run(
        [sys.executable, '-m', 'yolact_ros.ros.benchmark.cameras', '--rounds', '10',
         '--height', '240', '--width', '320'], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        check=True, timeout=380).stdout
    row = re.search(r'^\| 4 \|.*$', table, re.MULTILINE)[0].strip('| ').split(' | ')
    images, memory = float(row[2]), float(row[5])
    assert images <= 1.3  # 1.05 on a quiet machine, docs/robots.md; here others take turns too
    assert memory <= 1.15
