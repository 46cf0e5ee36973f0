"""segment.launch.py as a process, where launch_ros is installed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

LAUNCH_FILE = Path(__file__).resolve().parents[3] / 'launch' / 'segment.launch.py'
# What `ros2 launch FILE name:=value ...` does.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
given = [tuple(word.split(':=', 1)) for word in sys.argv[2:]]
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=given)]))
sys.exit(service.run())
"""


@pytest.fixture
def launched(tmp_path):
    """Return a function that launches the file and gives (process, node to ask with)."""
    pytest.importorskip('launch_ros', reason='launch_ros is not installed (not on PyPI): the '
                        'launch file was read, not run')
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node('asker', context=context)
    processes = []

    def launch(*arguments, **environment):
        path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
        processes.append(subprocess.Popen(
            [sys.executable, '-c', LAUNCH, LAUNCH_FILE, *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=tmp_path,
            env={**os.environ, 'PATH': path, 'OMP_NUM_THREADS': '1', **environment}))
        return processes[-1], node

    yield launch
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    node.destroy_node()
    rclpy.try_shutdown(context=context)
