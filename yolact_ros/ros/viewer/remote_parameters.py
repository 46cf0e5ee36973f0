"""The live parameters of the node, seen from another process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterEvent, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_parameter_events

from yolact_ros.ros.node.parameters import PARAMETERS
from yolact_ros.ros.parameter_table import default_of, rule_of
from yolact_ros.ros.viewer.reports import without_folders

LIVE = {name: row for name, row in PARAMETERS.items() if rule_of(row).live}
KINDS = {bool: 'switch', int: 'integer', float: 'number', str: 'choice', tuple: 'names'}
FOR_DETECTION = ('score_threshold', 'iou_threshold', 'max_instances', 'classes',
                 'class_thresholds', 'nms', 'candidate_threshold', 'tracking')


class RemoteParameters:
    """Reads and sets what the node lets be set while it runs; on the executor's thread."""

    def __init__(self, node: Node, target: str,
                 changed: Callable[[Mapping[str, Any]], None]) -> None:
        """
        Prepare to ask.

        :param target: fully resolved name of the node whose parameters they are.
        :param changed: gets all known values whenever one is news.
        """
        self._target, self._changed = target, changed
        self.values: dict[str, Any] = {}
        self._get: Client = node.create_client(GetParameters, f'{target}/get_parameters')
        self._set: Client = node.create_client(SetParameters, f'{target}/set_parameters')
        node.create_subscription(ParameterEvent, '/parameter_events', self._on_event,
                                 qos_profile_parameter_events)

    def ask(self) -> None:
        """Have all values sent, if the node is there."""
        if self._get.service_is_ready():
            request = GetParameters.Request(names=list(LIVE))
            self._get.call_async(request).add_done_callback(self._on_values)

    def set(self, name: str, value: Any, answer: Callable[[str], None]) -> None:
        """
        Set one parameter.

        :param answer: gets the reason why the node refused it, '' when it did not.
        """
        if name not in LIVE:
            answer(f'{name!r} is no parameter that can be set while the node runs')
            return
        if not self._set.service_is_ready():
            answer(f'no node {self._target} answers; is it running, with the same ROS_DOMAIN_ID?')
            return
        try:
            message = _parameter(name, value).to_parameter_msg()
        except ValueError as error:
            answer(str(error))
            return

        def tell(future: Any) -> None:
            result, = future.result().results
            answer('' if result.successful else without_folders(result.reason) or 'refused')

        self._set.call_async(SetParameters.Request(parameters=[message])).add_done_callback(tell)

    def _on_values(self, future: Any) -> None:
        """Take all values."""
        self._take({name: value for name, message in zip(LIVE, future.result().values)
                    if (value := _plain(name, message)) is not None})

    def _on_event(self, event: ParameterEvent) -> None:
        """Take what somebody has set, on this page or elsewhere."""
        if event.node == self._target:
            self._take({each.name: _plain(each.name, each.value)
                        for each in (*event.new_parameters, *event.changed_parameters)
                        if each.name in LIVE})

    def _take(self, values: Mapping[str, Any]) -> None:
        """Remember values and pass them on."""
        if values:
            self.values.update(values)
            self._changed(dict(self.values))


def controls() -> list[dict[str, Any]]:
    """Return what the page needs to know to offer every live parameter, in its order."""
    order = {name: index for index, name in enumerate(FOR_DETECTION)}
    rows = sorted(LIVE.values(), key=lambda row: order.get(row.name, len(order)))
    return [{'name': row.name, 'group': _group(row.name), 'text': rule_of(row).description,
             'kind': KINDS[type(default_of(row))], 'low': rule_of(row).low,
             'high': rule_of(row).high, 'choices': rule_of(row).choices} for row in rows]


def _group(name: str) -> str:
    """Return the heading under which a parameter is found."""
    if name in FOR_DETECTION:
        return 'detection'
    return 'overlay' if name.startswith('overlay_') else 'more'


def _parameter(name: str, value: Any) -> Parameter:
    """
    Return a parameter of a value that was JSON.

    :raises ValueError: when ROS has no such values.
    """
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return Parameter(name, Parameter.Type.STRING_ARRAY, value)
    fits = (isinstance(value, (bool, str)) or isinstance(value, int) and abs(value) < 2 ** 63
            or isinstance(value, float) and math.isfinite(value))
    if not fits:
        raise ValueError(f'{name} cannot be {value!r}')
    return Parameter(name, value=value)


def _plain(name: str, message: ParameterValue) -> Any:
    """Return a value that becomes JSON, None for a parameter that is not set."""
    value = Parameter.from_parameter_msg(ParameterMessage(name=name, value=message)).value
    return value if value is None or isinstance(value, (bool, int, float, str)) else list(value)
