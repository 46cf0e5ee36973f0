"""The node's reference as Markdown tables, made from what the node itself declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import Field
from typing import Any

from yolact_ros.ros.health.diagnostics import DEPTH_KEYS, INPUT_KEYS, OUTPUT_KEYS
from yolact_ros.ros.node.outputs.publishers import CLASS_NAMES, DEPTH_TOPICS, TOPICS
from yolact_ros.ros.node.outputs.vision_messages import VisionMessages
from yolact_ros.ros.node.parameters import PARAMETERS
from yolact_ros.ros.node.segment_service import SEGMENT
from yolact_ros.ros.node.services import ENABLE, RELOAD
from yolact_ros.ros.parameter_table import default_of, rule_of

TYPE_NAMES = {bool: 'bool', int: 'int', float: 'double', str: 'string', tuple: 'string[]'}


def parameter_table() -> str:
    """Return name, type, default, range, liveness and meaning of every parameter."""
    return markdown(('Parameter', 'Type', 'Default', 'Values', 'Live', 'Meaning'),
                    (_parameter_row(row) for row in PARAMETERS.values()))


def topic_table() -> str:
    """Return name, type and meaning of every topic."""
    vision = [(f'vision_msgs/{kind}', topic, text) for kind, topic, text in
              (VisionMessages.DETECTIONS, VisionMessages.DETECTIONS_3D,
               VisionMessages.LABEL_INFO, VisionMessages.CLASS_IMAGE_INFO)]
    own = [(_type_name(kind), topic, text) for kind, topic, text in
           (*TOPICS.values(), *DEPTH_TOPICS.values(), CLASS_NAMES)]
    rows = [('`image`', 'sensor_msgs/Image', 'In: the camera (`image_transport` raw).'),
            ('`image/compressed`', 'sensor_msgs/CompressedImage',
             'In: the camera (`image_transport` compressed); remap `image`.'),
            ('`depth`', 'sensor_msgs/Image', 'In, with `use_depth`: depth registered to the '
             'image, 16UC1 [mm] or 32FC1 [m].'),
            ('`camera_info`', 'sensor_msgs/CameraInfo', "In, with `use_depth`: the image's "
             'calibration.'),
            *((f'`{topic}`', kind, text) for kind, topic, text in (*own, *vision)),
            ('`/diagnostics`', 'diagnostic_msgs/DiagnosticArray', 'Once a second.')]
    return markdown(('Topic', 'Type', 'Meaning'), rows)


def service_table() -> str:
    """Return name, type and meaning of every service."""
    rows = [(f'`{name}`', _type_name(kind), text) for kind, name, text in
            (ENABLE, RELOAD, SEGMENT)]
    return markdown(('Service', 'Type', 'Meaning'), rows)


def diagnostics_table() -> str:
    """Return the values of the diagnostics of a camera; depth only with `use_depth`."""
    return markdown(('Status', 'Value', 'Meaning'), [
        *(('input', f'`{key}`', text) for key, text in INPUT_KEYS.items()),
        *(('output', f'`{key}`', text) for key, text in OUTPUT_KEYS.items()),
        ('output', '`decode`, `model`, `preprocess`, `network`, `detect`, `assemble`, `rescore`, '
         '`pixels`, `tracks`, `places`, `encode`, `publish`, `views` `[ms]`', 'Median time of '
         'every stage; model is the sum of preprocess to pixels (on CUDA also `upload`, '
         '`download`, `unpack`), places are found with `use_depth`, views are overlay, images of '
         'labels and classes, and detections.'),
        *(('depth', f'`{key}`', text) for key, text in DEPTH_KEYS.items())])


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def _parameter_row(row: Field) -> tuple[str, ...]:
    """Return one line of the parameter table."""
    rule, default = rule_of(row), default_of(row)
    values = ', '.join(rule.choices)
    if rule.low is not None and rule.high is not None:
        values = f'{_number(rule.low)} to {_number(rule.high)}'
    return (f'`{row.name}`', TYPE_NAMES[type(default)], f'`{_yaml(default)}`', values,
            'yes' if rule.live else 'start', rule.description)


def _number(value: float) -> str:
    """Return a limit without needless digits."""
    return str(value) if isinstance(value, int) else f'{value:g}'


def _yaml(value: Any) -> str:
    """Return a default as one writes it in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return '[]'
    return repr(value) if value == '' else str(value)


def _type_name(kind: type) -> str:
    """Return a message type as `ros2 interface show` takes it, without the folder."""
    return f'{kind.__module__.split(".")[0]}/{kind.__name__}'


if __name__ == '__main__':
    print(parameter_table(), topic_table(), service_table(), diagnostics_table(), sep='\n\n')
