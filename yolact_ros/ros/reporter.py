"""Tell once a second how the node is doing: /diagnostics, and a log line when that changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from yolact_ros.ros.diagnostics import diagnose
from yolact_ros.ros.image_input import TYPE_NAMES, ImageInput
from yolact_ros.ros.metrics import Figures, Metrics
from yolact_ros.ros.watchdog import Finding, Level, Observation, explain


@dataclass(frozen=True)
class NodeState:
    """
    What the reporter must know of the node.

    :param outputs: result topics.
    :param listeners: somebody subscribes to one of them.
    :param model: description of the model, '' when there is none.
    """

    active: bool
    enabled: bool
    outputs: Sequence[str]
    listeners: bool
    model: str


class Reporter:
    """Watches input, figures and state of the node."""

    def __init__(self, node: Node, source: ImageInput, metrics: Metrics,
                 state: Callable[[], NodeState], patience_s: float) -> None:
        """:param patience_s: silence that is still normal [s]."""
        self._node, self._source, self._metrics = node, source, metrics
        self._state, self._patience_s = state, patience_s
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._before = metrics.figures()
        self._cause = ''

    def report(self) -> None:
        """Publish the state of this moment; log it when its cause is a new one."""
        state, figures = self._state(), self._metrics.figures()
        finding = explain(self._observe(state, figures), self._patience_s)
        self._before = figures
        if finding.cause != self._cause:
            self._cause = finding.cause
            self._log(finding)
        self._publisher.publish(diagnose(
            self._node.get_fully_qualified_name().lstrip('/'),
            self._node.get_clock().now().to_msg(), finding, figures, self._describe_source(),
            state.model))

    def _observe(self, state: NodeState, figures: Figures) -> Observation:
        """Return everything the watchdog looks at."""
        source = self._source
        publishers = tuple(source.publishers()) if state.listeners else ()
        lost = figures.dropped.get('too_old', 0) > self._before.dropped.get('too_old', 0)
        return Observation(
            source.topic, source.type_name, tuple(state.outputs), state.active, state.enabled,
            state.listeners, source.arrived, source.silent_s, source.reliable, publishers,
            () if publishers else self._other_image_topics(state),
            too_old=lost and figures.processed == self._before.processed,
            error=figures.last_error if figures.failing else '')

    def _other_image_topics(self, state: NodeState) -> tuple[tuple[str, str], ...]:
        """Return topics that somebody publishes images on, but not the node's own."""
        return tuple((topic, kind)
                     for topic, kinds in self._node.get_topic_names_and_types() for kind in kinds
                     if kind in TYPE_NAMES.values() and topic not in state.outputs
                     and self._node.count_publishers(topic) > 0)

    def _describe_source(self) -> dict[str, str]:
        """Return the diagnostics' values about the input."""
        source = self._source
        wish = 'reliable' if source.reliable else 'best effort'
        return {'topic': source.topic, 'type': source.type_name,
                'publishers': ', '.join(sorted({each.node for each in source.publishers()})),
                'reliability': wish if source.is_open else 'closed'}

    def _log(self, finding: Finding) -> None:
        """Write the finding; the error of a bad image is in the log already."""
        if finding.level == Level.WARN:
            self._node.get_logger().warning(finding.text)
        elif finding.level == Level.OK:
            self._node.get_logger().info(finding.text)
