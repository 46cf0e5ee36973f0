"""The command line of a node: what ROS would ignore is told."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

PARAMETERS_KEY = 'ros__parameters'


def check_arguments(args: Sequence[str], usage: str) -> int | None:
    """
    Return an exit status when there is nothing to start: help was asked for, or words are left.

    :param args: the command line, the program first.
    """
    try:
        rest = remove_ros_args(list(args))[1:]
    except RuntimeError:  # damaged ones, which rclpy.init() tells
        return None
    if '-h' in rest or '--help' in rest:
        print(usage)
        return 0
    if rest:
        sys.stderr.write(f'cannot start: {" ".join(rest)} means nothing here; parameters and '
                         f'remappings go after --ros-args\n{usage}\n')
        return 1
    return None


def warn_of_foreign_files(node: Node, args: Sequence[str]) -> None:
    """Warn of parameter files without a word for this node; ROS ignores them silently."""
    name = node.get_fully_qualified_name()
    for option, path in zip(args, args[1:]):
        if option != '--params-file' or not Path(path).is_file():  # a pipe is read once
            continue
        patterns = list(_names_in(_parse(path)))
        if not any(_matches(pattern, name) for pattern in patterns):
            node.get_logger().warning(
                f'{path} has parameters for {", ".join(patterns) or "nobody"}, none for {name}: '
                f'it is ignored; name its section {name} or /**')


def _parse(path: str) -> yaml.Node | None:
    """Return a parameter file without looking at types: launch files write Python's own tuples."""
    with Path(path).open('rb') as file:  # as bytes, of which YAML finds out the encoding
        return yaml.compose(file, yaml.SafeLoader)


def _names_in(tree: yaml.Node | None, prefix: str = '') -> Iterator[str]:
    """Yield the names of nodes that a parameter file has values for, with leading slash."""
    for key, value in (tree.value if isinstance(tree, yaml.MappingNode) else ()):
        if key.value == PARAMETERS_KEY:
            yield prefix
        else:
            yield from _names_in(value, f'{prefix}/{str(key.value).strip("/")}')


def _matches(pattern: str, name: str) -> bool:
    """Return whether a section's name, where ** is any path and * any one part, means a node."""
    expression = re.escape(pattern).replace(r'/\*\*', '(/[^/]+)*').replace(r'\*', '[^/]+')
    return re.fullmatch(expression, name) is not None
