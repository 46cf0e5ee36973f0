"""Start a node, spin it, and end it cleanly on Ctrl-C, SIGTERM or a failure."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from yolact_ros.signals import ignore_signals, interrupt_caught, interrupt_once, keep_interrupt

JOIN_TIMEOUT_S = 0.5
# Words in the errors of rclpy -> what helps.
CURES = {
    'logging': 'ROS writes a log: set HOME, or ROS_LOG_DIR to a folder that can be written to and '
               'is not full',
    'Sequence should be of same type': "write all names of a list in quotes, like ['mug', '3']",
}


class GivenUp(Exception):
    """Raised by a node's callback that has logged why the node cannot go on."""


class RunnableNode(Protocol):
    """An rclpy node that can be started and stopped."""

    def start(self) -> bool:
        """Get ready; return False when that failed and the reason has been logged."""

    def stop(self) -> bool:
        """Stop working; return False when a thread of it is still busy."""

    def destroy_node(self) -> None:
        """Take the node off the network."""


class _Running:
    """What has been started so far and must be taken down again."""

    node: RunnableNode | None = None
    spinning: Spinning | None = None


def run(build: Callable[[], RunnableNode], args: list[str] | None = None) -> int:
    """
    Build a node and spin it until Ctrl-C, SIGTERM or the end of the terminal.

    The signals are handled here and not by rclpy, whose handler takes the middleware away
    while the node's threads still use it.

    :returns: 0 after a signal, 1 when the node could not start, gave up or its executor failed.
    """
    running, status = _Running(), 1
    try:
        status = until_interrupted(lambda: _serve(build, args, running))
    finally:
        _close(running, status)
    return status


def until_interrupted(work: Callable[[], int]) -> int:
    """
    Return what work returns, or 0 after the first signal, which ends it.

    All later ones are ignored, also after the return: impatient fingers must not tear apart what
    is being taken down. Call it on the main thread, with rclpy's own handlers switched off.
    """
    try:
        interrupt_once(always=(signal.SIGINT, signal.SIGTERM))
        status = work()
        ignore_signals()
        return status
    except KeyboardInterrupt:  # there is only one, so it cannot come outside of this block
        interrupt_caught()
        return 0


def _serve(build: Callable[[], RunnableNode], args: list[str] | None, running: _Running) -> int:
    """Start a node and wait for its end; return the exit status."""
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        with keep_interrupt():
            running.node = build()
            if not running.node.start():
                return 1
        running.spinning = Spinning(running.node)
        running.spinning.start()
        return running.spinning.wait()
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        sys.stderr.write(f'cannot start: {with_cure(error)}\n')
        return 1


def with_cure(error: Exception) -> str:
    """Return why a node cannot start, with what helps where ROS does not tell it."""
    cures = [cure for words, cure in CURES.items() if words in str(error)]
    return '; '.join([str(error), *cures])


class Spinning:
    """
    An executor on a thread of its own, so that the main thread can wait for signals.

    It is made first and started then: a signal between the two must find it to stop it.
    """

    def __init__(self, node: Node | RunnableNode) -> None:
        """Get ready."""
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)  # type: ignore[arg-type]  # a RunnableNode is a Node too
        self._stop: Future = Future()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._spin, name='executor', daemon=True)

    def start(self) -> None:
        """Start to spin."""
        self._thread.start()

    def wait(self) -> int:
        """Return 1 when the node gave up or the executor failed, else wait for the interrupt."""
        self._ended.wait()
        return 0 if self._error is None else 1

    def stop(self) -> bool:
        """
        Stop to spin; return False when a callback is still busy.

        The thread must have left the executor before its shutdown: rclpy clears the executor's
        nodes and guard there, and a thread just about to wait would then wait for ever.
        """
        self._stop.set_result(None)
        if self._thread.ident is not None:
            self._thread.join(JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            return False
        self._executor.shutdown()
        return True

    def _spin(self) -> None:
        """Spin until told to stop."""
        try:
            self._executor.spin_until_future_complete(self._stop)
        except ExternalShutdownException:
            pass
        except GivenUp as error:
            self._error = error
        except BaseException as error:
            self._error = error
            raise  # threading writes the traceback
        finally:
            self._ended.set()


def _close(running: _Running, status: int) -> None:
    """Take everything down: executor, then the node's threads, then the middleware."""
    ignore_signals()
    quiet = running.spinning is None or running.spinning.stop()
    if running.node is not None:
        quiet = running.node.stop() and quiet
        running.node.destroy_node()
    rclpy.try_shutdown()
    if not quiet:
        leave(status)


def leave(status: int) -> None:
    """
    End the process although a thread of it still computes inside a library.

    Python would wait for it or tear the libraries down under it; there is nothing left to save.
    """
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(status)
