"""The table of parameters on a running node: declared, validated as a whole, swapped as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, replace
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from yolact_ros.ros.node.parameters import PARAMETERS, Parameters, default_of, rule_of

LISTS_OF_NAMES = (Parameter.Type.STRING_ARRAY, Parameter.Type.INTEGER_ARRAY)
# What tools make of [], which has no element to tell the type.
EMPTY_LISTS = (Parameter.Type.BYTE_ARRAY, Parameter.Type.BOOL_ARRAY, Parameter.Type.DOUBLE_ARRAY)

Check = Callable[[Parameters], None]


class LiveParameters:
    """
    The node's parameters and their current snapshot.

    A snapshot never changes. A set request builds a new one from all its values together; if
    that is refused nothing is set, else `current` is replaced in one assignment, so that
    another thread sees all of the request or none of it.
    """

    def __init__(self, node: Node, check: Check, changed: Callable[[], None]) -> None:
        """
        Declare every parameter of the table.

        :param check: raises ValueError for a snapshot that does not suit the loaded model.
        :param changed: called on the executor's thread after every accepted set.
        :raises ValueError: when a value given at the start is refused.
        """
        self._check = check
        self._changed = changed
        self.current = Parameters(**{name: _declare(node, row)
                                     for name, row in PARAMETERS.items()})
        _warn_of_unknown_names(node)
        node.add_on_set_parameters_callback(self._validate)
        self._applies_late = hasattr(node, 'add_post_set_parameters_callback')
        if self._applies_late:  # ROS Iron and later: no other callback can refuse any more
            node.add_post_set_parameters_callback(self._apply)

    def _validate(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """Accept or refuse all changes together."""
        try:
            self._check(self._with(changes))
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if not self._applies_late:
            self._apply(changes)
        return SetParametersResult(successful=True)

    def _apply(self, changes: Sequence[Parameter]) -> None:
        """Replace the snapshot."""
        self.current = self._with(changes)
        self._changed()

    def _with(self, changes: Sequence[Parameter]) -> Parameters:
        """Return the snapshot after the changes; parameters of others (use_sim_time) pass."""
        values = {change.name: _plain(PARAMETERS[change.name], change)
                  for change in changes if change.name in PARAMETERS}
        return replace(self.current, **values)


def descriptor_of(row: Field) -> ParameterDescriptor:
    """Return what `ros2 param describe` and rqt show of a parameter."""
    rule = rule_of(row)
    descriptor = ParameterDescriptor(name=row.name, description=rule.description,
                                     read_only=not rule.live)
    if rule.choices:
        descriptor.additional_constraints = 'one of: ' + ', '.join(rule.choices)
    if isinstance(default_of(row), tuple):
        # An empty array on the command line has no element type, so ROS must not fix one.
        descriptor.dynamic_typing = True
    elif rule.low is not None and isinstance(default_of(row), int):
        descriptor.integer_range = [IntegerRange(from_value=rule.low, to_value=rule.high, step=1)]
    elif rule.low is not None:
        descriptor.floating_point_range = [FloatingPointRange(from_value=rule.low,
                                                              to_value=rule.high)]
    return descriptor


def _declare(node: Node, row: Field) -> Any:
    """Declare one parameter and return the value it starts with."""
    default = default_of(row)
    start = None if isinstance(default, tuple) else default
    try:
        parameter = node.declare_parameter(row.name, start, descriptor_of(row))
    except InvalidParameterTypeException as error:
        raise ValueError(f'{row.name} must be {_type_name(default)}: {error}') from error
    except InvalidParameterValueException as error:
        raise ValueError(str(error)) from error
    if parameter.type_ == Parameter.Type.NOT_SET:
        parameter = Parameter(row.name, Parameter.Type.STRING_ARRAY, [])
        node.set_parameters([parameter])
    return _plain(row, parameter)


def _warn_of_unknown_names(node: Node) -> None:
    """Name the values given at the start that no parameter takes; ROS ignores them silently."""
    for name in node._parameter_overrides:  # rclpy has no public way to them
        if node.has_parameter(name) or name.startswith('qos_overrides.'):
            continue
        near = get_close_matches(name, PARAMETERS, 1)
        node.get_logger().warning(f'there is no parameter {name!r}, its value is ignored'
                                  + (f'; did you mean {near[0]!r}?' if near else ''))


def _plain(row: Field, parameter: Parameter) -> Any:
    """
    Return a parameter's value as the snapshot stores it.

    :raises ValueError: when it has the wrong type.
    """
    if not isinstance(default_of(row), tuple):
        return parameter.value
    empty = parameter.type_ in EMPTY_LISTS and len(parameter.value) == 0
    if parameter.type_ not in LISTS_OF_NAMES and not empty:
        raise ValueError(f"{row.name} must be a list of names or ids like ['mug', '3'], "
                         f'got {parameter.value!r}')
    return tuple(str(entry) for entry in parameter.value if entry != '')


def _type_name(default: Any) -> str:
    """Return a parameter's type in words, with an example that ROS reads as that type."""
    return {bool: 'true or false', int: 'a whole number', str: 'a string',
            float: 'a number with a decimal point (1.0)'}[type(default)]
