"""A node that is cleaned up gives the memory of its model back."""

import re
import subprocess
import sys

import pytest

PROGRAM = """
import gc
import numpy as np
import rclpy
from yolact_ros.memory import keep_freed_memory
from yolact_ros.ros.node.node import YolactNode
from yolact_ros.structures import ImageSize, Instances

def resident():
    return int(open('/proc/self/statm').read().split()[1]) * 4096 >> 20

class Large:
    class_names, description, stage_ms, postprocess = ('mug',), 'large', {}, None

    def __init__(self):
        self.weights = [np.ones(8000) for _ in range(4000)]  # 64 kB each, from the heap
        self.pins = [bytearray(300) for _ in range(4000)]

    def predict(self, rgb):
        return Instances.empty(ImageSize(*rgb.shape[:2]))

keep_freed_memory()
rclpy.init()
node = YolactNode(lambda *_, **__: Large())
before = resident()
node.trigger_configure()
pin = bytearray(300)
full = resident()
node.trigger_cleanup()
print(before, full, resident())
node.destroy_node()
rclpy.shutdown()
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
def test_memory_of_the_model_returns_to_the_system_at_cleanup():
    ran = subprocess.run([sys.executable, '-c', PROGRAM], text=True, capture_output=True,
                         check=True, timeout=60)
    before, full, after = map(int, re.search(r'(\d+) (\d+) (\d+)', ran.stdout).groups())
    assert full - before > 200 and after - before < 60  # MiB; the model has 250
