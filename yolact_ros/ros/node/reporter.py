"""Tell once a second how the node is doing: /diagnostics, and a log line when that changes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from yolact_ros.ros.health.diagnostics import diagnose
from yolact_ros.ros.health.watchdog import Finding, Level, Observation, explain
from yolact_ros.ros.node.image_input import TYPE_NAMES, ImageInput
from yolact_ros.ros.node.status import NodeStatus

QUIET_S = 60.0  # a finding that comes and goes is logged once in this time
LOST_AT_LEAST = 2  # images a second; fewer are no pattern


class Reporter:
    """Watches input, figures and state of the node."""

    def __init__(self, node: Node, source: ImageInput, status: Callable[[], NodeStatus],
                 patience_s: float) -> None:
        """:param patience_s: silence that is still normal [s]."""
        self._node, self._source = node, source
        self._status, self._patience_s = status, patience_s
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._before, self._lost_before = status().figures, 0
        self._cause = ''
        self._logged: dict[str, float] = {}

    def report(self) -> None:
        """Publish the state of this moment; log it when its cause is a new one."""
        status = self._status()
        figures = status.figures
        finding = explain(self._observe(status), self._patience_s)
        self._before, self._lost_before = figures, self._source.lost
        if finding.cause != self._cause:
            self._cause = finding.cause
            self._log(finding)
        self._publisher.publish(diagnose(
            self._node.get_fully_qualified_name().lstrip('/'),
            self._node.get_clock().now().to_msg(), finding, figures, self._describe_source(),
            status.model))

    def _observe(self, status: NodeStatus) -> Observation:
        """Return everything the watchdog looks at."""
        source, figures = self._source, status.figures
        publishers = tuple(source.publishers()) if status.listeners else ()
        before = self._before
        lost = source.lost - self._lost_before
        too_old = figures.dropped.get('too_old', 0) > before.dropped.get('too_old', 0)
        return Observation(
            self._node.get_fully_qualified_name(), source.topic, source.type_name,
            tuple(status.outputs), status.active, status.parameters.enabled,
            status.listeners, source.arrived, source.silent_s, source.reliable, publishers,
            () if publishers else self._other_image_topics(status),
            mostly_lost=lost > max(LOST_AT_LEAST, figures.received - before.received),
            too_old=too_old and figures.processed == before.processed,
            error=figures.last_error if figures.failing else '')

    def _other_image_topics(self, status: NodeStatus) -> tuple[tuple[str, str], ...]:
        """Return topics that somebody publishes images on, but not the node's own."""
        return tuple((topic, kind)
                     for topic, kinds in self._node.get_topic_names_and_types() for kind in kinds
                     if kind in TYPE_NAMES.values() and topic not in status.outputs
                     and self._node.count_publishers(topic) > 0)

    def _describe_source(self) -> dict[str, str]:
        """Return the diagnostics' values about the input."""
        source = self._source
        wish = 'reliable' if source.reliable else 'best effort'
        return {'topic': source.topic, 'type': source.type_name,
                'publishers': ', '.join(sorted({each.node for each in source.publishers()})),
                'reliability': wish if source.is_open else 'closed', 'lost': str(source.lost)}

    def _log(self, finding: Finding) -> None:
        """Write a finding that is news; that of a bad image is in the log already."""
        now = time.monotonic()
        if now - self._logged.get(finding.cause, -math.inf) < QUIET_S:
            return
        self._logged[finding.cause] = now
        if finding.level == Level.WARN:
            self._node.get_logger().warning(finding.text)
        elif finding.level == Level.OK:
            self._node.get_logger().info(finding.text)
