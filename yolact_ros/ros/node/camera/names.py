"""Which names the cameras of a node may have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rclpy.node import Node

INPUTS = ('image', 'depth', 'camera_info')
NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')


def check_names(names: Sequence[str], node: Node) -> None:
    """
    Refuse names that cannot each be a namespace of topics.

    :raises ValueError: with the name and the reason.
    """
    for index, name in enumerate(names):
        if not NAME.fullmatch(name) or '__' in name:
            raise ValueError(f'cameras: {name!r} cannot be a part of a topic; use letters, digits '
                             "and single '_', no digit first, no '/', like front or arm_left")
        if name in names[:index]:
            raise ValueError(f'cameras: {name!r} is named twice; give every camera its own name')
    for topic in INPUTS if names else ():
        remapped = node.resolve_topic_name(topic)
        if remapped != node.resolve_topic_name(topic, only_expand=True):
            inputs = ', '.join(f'{name}/{topic}' for name in names)
            raise ValueError(f'cameras and a remapped {topic} ({remapped}) exclude each other: '
                             f'with cameras the inputs are {inputs}; remap those, like '
                             f'-r {names[0]}/{topic}:={remapped}')
