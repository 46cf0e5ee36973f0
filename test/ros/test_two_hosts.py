"""Camera and listener on two machines: network namespaces that are joined by a cable (veth)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Listens until so many images came, then tells their sizes.
LISTENER = """
import time, rclpy
from sensor_msgs.msg import Image
rclpy.init()
node, seen = rclpy.create_node('listener'), []
node.create_subscription(Image, 'image', lambda message: seen.append(message.width), 10)
end = time.monotonic() + 90
while time.monotonic() < end and len(seen) < 10:
    rclpy.spin_once(node, timeout_sec=0.2)
print(len(seen) >= 10, set(seen))
"""


def ip(*words):
    """Run the `ip` command; skip where it may not make namespaces."""
    ran = subprocess.run(['ip', *words], capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f'no network namespaces here: ip {" ".join(words)}: {ran.stderr.strip()}')


@pytest.fixture
def hosts():
    """Return the names of two namespaces with a cable between them."""
    if not shutil.which('ip'):
        pytest.skip('no network namespaces here: no command ip')
    names = [f'yolact{os.getpid()}{letter}' for letter in 'ab']
    try:
        for name in names:
            ip('netns', 'add', name)
        ends = [f'veth{os.getpid() % 10 ** 6}{letter}' for letter in 'ab']
        ip('link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1])
        for number, (name, end) in enumerate(zip(names, ends), start=1):
            ip('link', 'set', end, 'netns', name)
            ip('-n', name, 'addr', 'add', f'10.77.0.{number}/24', 'dev', end)
            for device in (end, 'lo'):
                ip('-n', name, 'link', 'set', device, 'up')
            ip('-n', name, 'route', 'add', 'default', 'dev', end)  # also for multicast
        yield names
    finally:
        for name in names:
            subprocess.run(['ip', 'netns', 'del', name], capture_output=True, check=False)


def test_images_cross_from_one_machine_to_the_other(hosts):
    there, here = (['ip', 'netns', 'exec', name, sys.executable] for name in hosts)
    places = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET', 'OMP_NUM_THREADS': '1'}
    camera = subprocess.Popen([*there, ROOT / 'scripts' / 'frame_source', '--ros-args', '-p',
                               'width:=320', '-p', 'height:=240'], env=places,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        heard = subprocess.run([*here, '-c', LISTENER], env=places, text=True,
                               capture_output=True, check=False, timeout=110)
    finally:
        camera.terminate()
        camera.wait(30)
    assert heard.stdout == 'True {320}\n', heard.stderr
