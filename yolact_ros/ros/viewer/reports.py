"""Messages of the node as what the page shows: plain values that become JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from yolact_ros.msg import InstanceMask, InstanceMaskArray
from yolact_ros.overlay import GREY, class_color

# Names of topics have no dot, so this is a file; where it lies is nobody's business.
FILE_PATH = re.compile(r'(?<![\w/])/(?:[^\s/:\'"]+/)+(?=[^\s/:\'"]*\.\w)')


def objects(array: InstanceMaskArray, color_by: str) -> list[dict[str, Any]]:
    """
    Return a row of the table for every object, those with a number first, in its order.

    :param color_by: 'class' or 'track', as the overlay is coloured.
    """
    rows = [{'track': instance.track_id, 'class': instance.class_name,
             'score': round(instance.score, 4), 'distance': distance_of(instance),
             'color': _color(instance, color_by)} for instance in array.instances]
    return sorted(rows, key=lambda row: int(row['track'] or 2 ** 63))


def distance_of(instance: InstanceMask) -> float | None:
    """Return how far from the camera an object is [m], None where nobody knows."""
    distance = math.hypot(instance.position.x, instance.position.y, instance.position.z)
    return round(distance, 3) if math.isfinite(distance) and distance > 0 else None


def health(statuses: Sequence[DiagnosticStatus], name: str) -> dict[str, Any] | None:
    """
    Return the watchdog's line, its level and all figures; None when they are of another node.

    :param statuses: of one DiagnosticArray.
    :param name: of node and camera, as the names of its diagnostics begin: 'yolact: front '.
    """
    ours = {status.name.removeprefix(name): status for status in statuses
            if status.name in (f'{name}input', f'{name}output')}
    if len(ours) < 2:
        return None
    levels = {key: int.from_bytes(status.level, 'little') for key, status in ours.items()}
    worst = max(('input', 'output'), key=levels.__getitem__)  # the input where both are alike
    return {'level': levels[worst], 'text': without_folders(ours[worst].message),
            **{key: {pair.key: without_folders(pair.value) for pair in status.values}
               for key, status in ours.items()}}


def choice_of_cameras(statuses: Sequence[DiagnosticStatus], name: str) -> dict[str, Any] | None:
    """
    Return a report that names the cameras of a node which has several; None when it has not.

    :param name: of the node, as the names of its diagnostics begin: 'yolact: '.
    """
    halves = [status.name.removeprefix(name) for status in statuses
              if status.name.startswith(name)]
    cameras = sorted(half.removesuffix(' input') for half in halves if half.endswith(' input'))
    if not cameras:
        return None
    return {'level': 1, 'input': {}, 'output': {}, 'text':
            f'the node has the cameras {", ".join(cameras)}; start the viewer with '
            f'--camera {cameras[0]}'}


def without_folders(text: str) -> str:
    """Return a text in which files are named without the folders they are in."""
    return FILE_PATH.sub('', text)


def _color(instance: InstanceMask, color_by: str) -> str:
    """Return the colour that an object has in the overlay, as CSS writes it."""
    number = instance.class_id
    if color_by == 'track' and not instance.track_id:
        return _css(GREY)
    return _css(class_color(int(instance.track_id) if color_by == 'track' else number))


def _css(color: tuple[int, int, int]) -> str:
    """Return a colour as CSS writes it."""
    return '#{:02x}{:02x}{:02x}'.format(*color)
