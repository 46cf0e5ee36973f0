"""The program `viewer`: shows the segmentation node in a browser, without a desktop or rqt."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from yolact_ros.extras import require
from yolact_ros.ros.spin import run
from yolact_ros.ros.viewer.feed import Feed
from yolact_ros.ros.viewer.remote_parameters import controls

HERE = ('127.0.0.1', '0.0.0.0', '::1', '::')  # all of them are reached as localhost


class ViewerNode(Node):
    """Joins the web server with the topics and parameters of the segmentation node."""

    def __init__(self, options: argparse.Namespace, **node_options: Any) -> None:
        """
        Prepare; nothing is listened on yet.

        :param options: of `parse_arguments`.
        :param node_options: passed to rclpy's Node.
        :raises ImportError: when aiohttp is missing.
        """
        super().__init__('yolact_viewer', **node_options)
        require('aiohttp', 'viewer')
        from yolact_ros.ros.viewer.server import Server
        source = self.resolve_topic_name(options.node)
        self._host = options.host
        self._server = Server(options.host, options.port, self._follow, self._set)
        self._feed = Feed(self, source, options.camera, self._server.tell)
        self._server.tell('page', {'node': source, 'camera': options.camera,
                                   'controls': controls()})

    def start(self) -> bool:
        """Begin to serve; an address that cannot be had is an OSError."""
        self._server.start()
        name = 'localhost' if self._host in HERE else self._host
        self.get_logger().info(f'look at http://{name}:{self._server.port} ; Ctrl-C ends')
        return True

    def stop(self) -> bool:
        """Send all viewers home."""
        return self._server.stop()

    @property
    def port(self) -> int:
        """Return the port of the page."""
        return self._server.port

    def _follow(self) -> None:
        """Subscribe to what somebody looks at (server's thread)."""
        def follow() -> None:
            self._feed.show_image(len(self._server.images) > 0)
            self._feed.show_objects(len(self._server.reports) > 0)
        self._feed.do(follow)

    def _set(self, name: str, value: Any, answer: Callable[[str], None]) -> None:
        """Set a parameter (server's thread)."""
        self._feed.do(lambda: self._feed.parameters.set(name, value, answer))


def parse_arguments(args: list[str]) -> argparse.Namespace:
    """Read the command line, without the program's name and without ROS arguments."""
    parser = argparse.ArgumentParser(prog='viewer', description=__doc__)
    parser.add_argument('--node', default='yolact', help='name of the node (default: yolact)')
    parser.add_argument('--camera', default='',
                        help='which of its cameras, where it has several: front, left, ...')
    parser.add_argument('--port', type=port, default=8080, help='of the page (default: 8080)')
    parser.add_argument('--host', default='127.0.0.1',
                        help='address to listen on; 0.0.0.0 lets everybody on the network look '
                             'and change parameters (default: this machine only)')
    return parser.parse_args(args)


def port(text: str) -> int:
    """Return a port; 0 takes any that is free."""
    if not text.isdecimal() or not int(text) < 2 ** 16:
        raise argparse.ArgumentTypeError(f'must be a whole number below 65536, got {text}')
    return int(text)


def main(args: list[str] | None = None) -> int:
    """Serve the page until it is interrupted and return the exit status."""
    options = parse_arguments(remove_ros_args(sys.argv if args is None else args)[1:])
    return run(lambda: ViewerNode(options), args)
