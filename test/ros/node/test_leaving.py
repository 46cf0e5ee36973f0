"""Once destroyed, the node is gone from the graph, not when Python comes to free it."""

import gc

import pytest
import rclpy
from rclpy.context import Context
from rclpy.lifecycle.node import LifecycleNodeMixin

from yolact_ros.ros.node.node import YolactNode


@pytest.fixture
def garbage():
    """Keep what refers to itself until the test is over."""
    gc.disable()
    yield
    gc.enable()


def test_destroyed_node_leaves_the_graph_at_once(new_bench, garbage):
    with new_bench() as observer:
        names = observer.peer.get_node_names
        with new_bench() as bench:
            bench.start()
            observer.wait(lambda: names().count('yolact') == 2, 'the second node')
        observer.wait(lambda: names().count('yolact') == 1, 'the second node gone', timeout_s=5)
        assert names().count('peer') == 1


def test_a_node_that_a_signal_left_half_built_can_be_taken_down(monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(LifecycleNodeMixin, '__init__', interrupted)
    context = Context()
    rclpy.init(context=context)
    with pytest.raises(KeyboardInterrupt) as caught:  # whose traceback holds the node
        YolactNode(open_predictor=None, context=context)
    context.try_shutdown()
    assert caught and not context.ok()
