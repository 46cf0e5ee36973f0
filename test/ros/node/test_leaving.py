"""Once destroyed, the node is gone from the graph, not when Python comes to free it."""

import gc

import pytest


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
