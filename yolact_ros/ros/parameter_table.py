"""A node's parameters as a table: the fields of a frozen dataclass, declared on the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a string'}
LISTS_OF_NAMES = (Parameter.Type.STRING_ARRAY, Parameter.Type.INTEGER_ARRAY)
# What tools make of [], which has no element to tell the type.
EMPTY_LISTS = (Parameter.Type.BYTE_ARRAY, Parameter.Type.BOOL_ARRAY, Parameter.Type.DOUBLE_ARRAY)


@dataclass(frozen=True)
class Rule:
    """
    What a parameter is for and which values it takes.

    :param description: one or two sentences for people.
    :param live: it can be set while the node runs.
    :param low: smallest value, None where there is no limit.
    :param high: largest value, None where there is no limit.
    :param choices: the only values, or () for any.
    """

    description: str
    live: bool
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> None:
        """
        Refuse a value outside the range or the choices.

        :raises ValueError: naming the parameter, the value and what is allowed.
        """
        if self.choices and value not in self.choices:
            raise ValueError(f'{name} must be one of {", ".join(self.choices)}, got {value!r}')
        if self.low is not None and not self.low <= value <= self.high:
            raise ValueError(f'{name} must be in [{self.low}, {self.high}], got {value}')


def fixed(default: Any, description: str, **limits: Any) -> Any:
    """Return a field whose value is fixed when the node starts."""
    return field(default=default, metadata={'rule': Rule(description, live=False, **limits)})


def live(default: Any, description: str, **limits: Any) -> Any:
    """Return a field that can be set while the node runs."""
    return field(default=default, metadata={'rule': Rule(description, live=True, **limits)})


def rule_of(row: Field) -> Rule:
    """Return description, range and liveness of a row."""
    return row.metadata['rule']


def default_of(row: Field) -> Any:
    """Return the default value of a row."""
    assert row.default is not MISSING
    return row.default


def check_table(values: Any) -> None:
    """
    Refuse an object of a table with a value outside of its range or choices.

    :raises ValueError: naming the parameter, the value and what is allowed.
    """
    for row in fields(values):
        rule_of(row).check(row.name, getattr(values, row.name))


def declare_table(node: Node, table: type) -> dict[str, Any]:
    """
    Declare all rows of a table on the node and return the values it starts with.

    ROS must not fix the types (dynamic typing): a whole number then does for a double and a
    number for a name, and [] on the command line has no type at all.

    Values given at the start that no parameter takes, which ROS ignores silently, are told.

    :raises ValueError: when a value given at the start is refused.
    """
    values = {row.name: _declare(node, row) for row in fields(table)}
    for name in node._parameter_overrides:  # rclpy has no public way to them
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            near = get_close_matches(name, values, 1)
            node.get_logger().warning(f'there is no parameter {name!r}, its value is ignored'
                                      + (f'; did you mean {near[0]!r}?' if near else ''))
    return values


def value_of(row: Field, parameter: Parameter) -> Any:
    """
    Return a parameter's value as the type of its default, where nothing gets lost by that.

    :raises ValueError: when it is of another kind.
    """
    wanted, value = type(default_of(row)), parameter.value
    if wanted is tuple:
        return _names(row, parameter)
    if type(value) is wanted:
        return value
    if type(value) is int and wanted in (float, str) and not rule_of(row).choices:
        return wanted(value)
    raise ValueError(f'parameter {row.name} must be {KINDS[wanted]}, got {value!r}; '
                     f'its default is {default_of(row)!r}')


def descriptor_of(row: Field) -> ParameterDescriptor:
    """Return what `ros2 param describe` and rqt show of a parameter."""
    rule, default = rule_of(row), default_of(row)
    descriptor = ParameterDescriptor(name=row.name, description=rule.description,
                                     read_only=not rule.live, dynamic_typing=True)
    if rule.choices:
        descriptor.additional_constraints = 'one of: ' + ', '.join(rule.choices)
    if rule.low is not None and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=rule.low, to_value=rule.high, step=1)]
    elif rule.low is not None and rule.high is not None:
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(rule.low),
                                                              to_value=float(rule.high))]
    return descriptor


def _declare(node: Node, row: Field) -> Any:
    """Declare one parameter and return the value it starts with."""
    if isinstance(default_of(row), tuple):
        return _declare_list(node, row)
    try:
        parameter = node.declare_parameter(row.name, default_of(row), descriptor_of(row))
    except InvalidParameterValueException as error:
        raise ValueError(str(error)) from error
    return value_of(row, parameter)


def _declare_list(node: Node, row: Field) -> tuple[str, ...]:
    """Declare a list of names without a value: declared with [] it would be a list of bytes."""
    final, open_one = descriptor_of(row), descriptor_of(row)
    open_one.read_only = False
    parameter = node.declare_parameter(row.name, None, open_one)
    if parameter.type_ == Parameter.Type.NOT_SET:
        parameter = Parameter(row.name, Parameter.Type.STRING_ARRAY, list(default_of(row)))
        node.set_parameters([parameter])
    node.set_descriptor(row.name, final)
    return value_of(row, parameter)


def _names(row: Field, parameter: Parameter) -> tuple[str, ...]:
    """Return a list of names or numbers as names."""
    entries: Sequence[Any] = parameter.value
    empty = parameter.type_ in EMPTY_LISTS and len(entries) == 0
    if parameter.type_ not in LISTS_OF_NAMES and not empty:
        raise ValueError(f"{row.name} must be a list of names or ids like ['mug', '3'], "
                         f'got {entries!r}')
    return tuple(str(entry) for entry in entries if entry != '')
