"""The table of parameters on a running node: declared, validated as a whole, swapped as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from yolact_ros.ros.node.parameters import PARAMETERS, Parameters
from yolact_ros.ros.parameter_table import declare_table, value_of

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
        self.current = Parameters(**declare_table(node, Parameters))
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
        values = {change.name: value_of(PARAMETERS[change.name], change)
                  for change in changes if change.name in PARAMETERS}
        return replace(self.current, **values)
