"""What people type behind `ros2 launch`; empty where launch_ros is not installed."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from rclpy.exceptions import NameValidationException

from tools.trust.mutate import WORDS, Random, mutate_bytes
from tools.trust.target import Target

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'segment.launch.py'
GOOD = {'image_topic': '/camera/image_raw', 'cameras': 'front,left', 'score_threshold': '0.3',
        'threads': '2', 'class_names': "['cup', 'box']", 'use_depth': 'true', 'rqt': 'False',
        'namespace': 'robot', 'name': 'eyes', 'weights': 'demo', 'log_level': 'WARN'}


@functools.cache
def _launch_file() -> ModuleType:
    os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    spec = importlib.util.spec_from_file_location('segment_launch', LAUNCH_FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _resolve(data: bytes) -> None:
    """Read the arguments as `ros2 launch` does, up to the parameters of the nodes."""
    from launch import LaunchContext
    from launch.actions import DeclareLaunchArgument, OpaqueFunction
    from launch_ros.actions import Node
    context = LaunchContext()
    context.launch_configurations.update(json.loads(data))
    waiting = list(_launch_file().generate_launch_description().entities)
    while waiting:
        entity = waiting.pop(0)
        if isinstance(entity, (DeclareLaunchArgument, OpaqueFunction)):
            waiting = [*(entity.execute(context) or ()), *waiting]
        elif isinstance(entity, Node):
            entity._perform_substitutions(context)


def _mutate(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Change some of the arguments for strange or damaged ones."""
    words = dict(json.loads(data))
    for name in random.choice(list(words), random.integers(1, 4), replace=False):
        strange = str(WORDS[random.integers(len(WORDS))])
        damaged = mutate_bytes(words[name].encode(), [b"['a', 1]", b'$(x)'],
                               random).decode('latin-1')
        words[name] = strange if random.random() < 0.5 else damaged
    return json.dumps(words).encode()


# ros2 launch answers any error in one line and ends with 1.
LAUNCH_TARGETS = (
    Target('launch arguments', lambda: [json.dumps(GOOD).encode()], _resolve, mutate=_mutate,
           refusals=(ValueError, RuntimeError, NameValidationException)),
) if importlib.util.find_spec('launch_ros') else ()
