"""Looks at one camera once a second: what the watchdog says of it, and a log line for news."""

from __future__ import annotations

import math
import time

from rclpy.node import Node

from yolact_ros.ros.health.watchdog import Finding, Level, Observation, explain
from yolact_ros.ros.node.camera.camera import Camera
from yolact_ros.ros.node.camera.image_input import TYPE_NAMES
from yolact_ros.ros.node.camera.status import CameraStatus

QUIET_S = 60.0  # a finding that comes and goes is logged once in this time
LOST_AT_LEAST = 2  # images a second; fewer are no pattern


class Watch:
    """Remembers what was seen of a camera a moment ago."""

    def __init__(self, node: Node, camera: Camera, patience_s: float) -> None:
        """:param patience_s: silence that is still normal [s]."""
        self.camera, self._node, self._patience_s = camera, node, patience_s
        self._before, self._lost_before = camera.metrics.figures(), 0
        self._news, self._depth_news = News(node), News(node)

    def look(self, status: CameraStatus) -> Finding:
        """Return what is to be said of this moment; log it when its cause is a new one."""
        finding = explain(self._observe(status), self._patience_s)
        self._before, self._lost_before = status.figures, self.camera.input.lost
        self._news.tell(finding)
        return finding

    def look_at_depth(self) -> Finding:
        """Return what is to be said of the camera's depth images; log it when it is news."""
        assert self.camera.depth is not None, 'no places are asked for'
        finding = self.camera.depth.finding()
        if finding.cause != 'idle':
            self._depth_news.tell(finding)
        return finding

    def describe_source(self) -> dict[str, str]:
        """Return the diagnostics' values about the input."""
        source = self.camera.input
        wish = 'reliable' if source.reliable else 'best effort'
        return {'topic': source.topic, 'type': source.type_name,
                'publishers': ', '.join(sorted({each.node for each in source.publishers()})),
                'reliability': wish if source.is_open else 'closed', 'lost': str(source.lost)}

    def _observe(self, status: CameraStatus) -> Observation:
        """Return everything the watchdog looks at."""
        source, figures, before = self.camera.input, status.figures, self._before
        publishers = tuple(source.publishers()) if status.listeners else ()
        lost = source.lost - self._lost_before
        too_old = figures.dropped.get('too_old', 0) > before.dropped.get('too_old', 0)
        return Observation(
            self._node.get_fully_qualified_name(), source.topic, source.type_name,
            tuple(status.outputs), status.active, status.parameters.enabled,
            status.listeners, source.arrived, source.silent_s, source.reliable, publishers,
            () if publishers else self._image_topics_of_others(),
            image_bytes=source.image_bytes,
            mostly_lost=lost > max(LOST_AT_LEAST, figures.received - before.received),
            too_old=too_old and figures.processed == before.processed,
            error=figures.last_error if figures.failing else '',
            rivals=any(self._node.count_publishers(topic) > 1 for topic in status.outputs[:1]),
            input=source.name)

    def _image_topics_of_others(self) -> tuple[tuple[str, str], ...]:
        """Return topics that others publish images on, but none that the node listens to."""
        return tuple((topic, kind)
                     for topic, kinds in self._node.get_topic_names_and_types() for kind in kinds
                     if kind in TYPE_NAMES.values() and self._node.count_publishers(topic) > 0
                     and not self._is_ours(topic))

    def _is_ours(self, topic: str) -> bool:
        """Return whether the node publishes or receives a topic."""
        ends = (*self._node.get_publishers_info_by_topic(topic),
                *self._node.get_subscriptions_info_by_topic(topic))
        return any((end.node_name, end.node_namespace)
                   == (self._node.get_name(), self._node.get_namespace()) for end in ends)


class News:
    """Log lines about what has changed, and not again what comes and goes."""

    def __init__(self, node: Node) -> None:
        """:param node: whose log it is."""
        self._node, self._cause = node, ''
        self._logged: dict[str, float] = {}

    def tell(self, finding: Finding) -> None:
        """Log a finding whose cause is another one than before."""
        if finding.cause != self._cause:
            self._cause = finding.cause
            self._log(finding)

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
