"""Tell once a second how the node and each of its cameras are doing: /diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from yolact_ros.ros.health.diagnostics import diagnose, diagnose_depth
from yolact_ros.ros.node.camera.camera import Camera
from yolact_ros.ros.node.camera.status import CameraStatus
from yolact_ros.ros.node.camera.watch import Watch


class Reporter:
    """Watches the inputs, figures and state of the node."""

    def __init__(self, node: Node, cameras: Sequence[Camera],
                 status_of: Callable[[Camera], CameraStatus], patience_s: float) -> None:
        """:param patience_s: silence that is still normal [s]."""
        self._node, self._status_of = node, status_of
        self._watches = [Watch(node, camera, patience_s) for camera in cameras]
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def report(self) -> None:
        """Publish the state of this moment in one array, two or three for every camera."""
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        name = self._node.get_fully_qualified_name().lstrip('/')
        for watch in self._watches:
            camera, status = watch.camera, self._status_of(watch.camera)
            array.status += diagnose(f'{name}: {camera.label}', watch.look(status),
                                     status.figures, watch.describe_source(), status.model)
            if camera.depth is not None:
                array.status.append(diagnose_depth(
                    f'{name}: {camera.label}', watch.look_at_depth(), camera.depth.values()))
        self._publisher.publish(array)
