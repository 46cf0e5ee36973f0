"""What people type: training configurations, flags, parameters of the node."""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import rclpy
import yaml
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from tools.trust.mutate import WORDS, Random, mutate_bytes, mutate_tree
from tools.trust.target import Target
from yolact_ros.ros.camera.parameters import SourceParameters
from yolact_ros.ros.node.parameters import PARAMETERS, Parameters
from yolact_ros.ros.parameter_table import declare_table
from yolact_ros.training.config import TrainConfig
from yolact_ros.training.config_file import add_flags, load_train_config, overrides_of

CONFIGS = Path(__file__).resolve().parents[2] / 'config'
LAUGHS = b'a: &a [x, x, x]\n' + b''.join(
    f'{one}: &{one} [{", ".join(["*" + other] * 9)}]\n'.encode()
    for other, one in zip('abcdefgh', 'bcdefghi')) + b'classes: *i\n'


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix='yolact_fuzz'))


def _yamls() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CONFIGS.glob('train_*.yaml'))]


def _mutate_yaml(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Damage the values mostly, the text sometimes; rarely aliases that unfold to gigabytes."""
    draw = random.random()
    if draw < 0.01:
        return LAUGHS.replace(b'classes', str(random.choice(
            list(vars(TrainConfig())))).encode())
    if draw < 0.4:
        return mutate_bytes(data, others, random)
    return yaml.safe_dump(mutate_tree(yaml.safe_load(data), random)).encode()


def _read_yaml(data: bytes) -> None:
    path = _folder() / 'train.yaml'
    path.write_bytes(data)
    assert isinstance(load_train_config(path), TrainConfig)


@functools.cache
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_flags(parser)
    return parser


def _flags() -> list[bytes]:
    words = ['--train', 'a.json', '--iterations', '100', '--learning-rate', '1e-3',
             '--batch-size', '4', '--augment', 'flip=yes', '--loss', 'mask_weight=6', '--classes',
             'cup', 'box', '--model', 'input_size=256', '--no-autoscale']
    return [json.dumps(words).encode()]


def _read_flags(data: bytes) -> None:
    """Parse a command line; argparse ends the process where it refuses."""
    words = [str(word) for word in json.loads(data)]
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            args = _parser().parse_args(words)
    except (SystemExit, argparse.ArgumentError) as refused:
        raise ValueError('refused') from refused
    load_train_config(None, overrides_of(args))


def _mutate_list(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    return json.dumps(mutate_tree(json.loads(data), random)).encode()


def _assignments() -> list[bytes]:
    """Return what can stand behind -p or in a launch file: [node, name, value as YAML]."""
    rows = [['node', name, yaml.safe_dump(row.default).strip('.\n')]
            for name, row in PARAMETERS.items() if not isinstance(row.default, tuple)]
    rows += [['node', 'classes', "['mug', '3']"], ['node', 'class_thresholds', "['mug:0.5']"],
             ['source', 'source', 'synthetic:still'], ['source', 'rate', '5.0']]
    return [json.dumps(row).encode() for row in rows]


def _mutate_assignment(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Give a parameter another one's value, a strange one, or a damaged text."""
    node, name, value = json.loads(data)
    draw = random.random()
    if draw < 0.3:
        value = json.loads(others[random.integers(len(others))])[2]
    elif draw < 0.7:
        value = json.dumps(WORDS[random.integers(len(WORDS))])
    else:
        value = mutate_bytes(value.encode(), [b"['a', 1]", b'!!x'], random).decode('latin-1')
    return json.dumps([node, name, value]).encode()


@functools.cache
def _context() -> rclpy.Context:
    context = rclpy.Context()
    rclpy.init(context=context)
    return context


def _declare(data: bytes) -> None:
    """Start a node that only declares its parameters."""
    which, name, value = json.loads(data)
    if '\0' in value:
        raise ValueError('no command line holds this')
    table = Parameters if which == 'node' else SourceParameters
    node = Node('fuzzed', context=_context(), cli_args=['--ros-args', '-p', f'{name}:={value}'],
                start_parameter_services=False, enable_rosout=False)
    try:
        table(**declare_table(node, table))
    finally:
        node.destroy_node()


SETTING_TARGETS = (
    Target('training yaml', _yamls, _read_yaml, mutate=_mutate_yaml),
    Target('training flags', _flags, _read_flags, mutate=_mutate_list),
    # main() answers these three in one line
    Target('node parameters', _assignments, _declare, mutate=_mutate_assignment,
           refusals=(ValueError, OSError, RuntimeError, ParameterException)),
)
