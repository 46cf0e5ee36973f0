"""A device that fails in mid-stream costs some images, not the node."""

import math

import pytest
import torch
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from yolact_ros.ros.node.recovery import RETRY_PERIOD_S, RetryRule
from yolact_ros.srv import Reload

FULL = torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')


@pytest.mark.parametrize(('now_s', 'served', 'allowed'), [
    (RETRY_PERIOD_S, 6, True), (math.nextafter(RETRY_PERIOD_S, 0), 6, False),
    (RETRY_PERIOD_S, 5, False)], ids=['later and used', 'too soon', 'not one image served'])
def test_next_try_needs_a_minute_and_an_image(now_s, served, allowed):
    rule = RetryRule()
    assert rule.allows(0.0, 5)
    assert rule.allows(now_s, served) == allowed


def test_first_try_needs_nothing():
    assert RetryRule().allows(0.0, 0)


def fail(bench, camera, make_image):
    """Let the device fail under the next image."""
    bench.models.predictor.error = FULL
    bench.wait(lambda: camera.publish(make_image()) or not bench.node.status.model)


def test_node_loads_the_same_weights_again_and_serves(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    bench.call(Reload, 'yolact/reload', Reload.Request(weights='other.pth'))
    bench.segment(camera, messages)
    bench.models.predictor.error = FULL
    bench.wait(lambda: camera.publish(make_image()) or len(bench.models.opened) == 3)
    assert bench.segment(camera, messages).model == 'fake other.pth'
    assert [weights for weights, _, _ in bench.models.opened] == ['demo', 'other.pth', 'other.pth']


def test_failed_model_is_let_go_before_the_next_is_loaded(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    bench.models.gate.clear()
    fail(bench, camera, make_image)
    lost = bench.node.status.figures.dropped['failed']
    bench.wait(lambda: camera.publish(make_image())
               or bench.node.status.figures.dropped['failed'] > lost)
    assert len(bench.models.opened) == 1
    bench.models.gate.set()
    bench.segment(camera, messages)


def test_node_that_recovers_can_be_cleaned_up_and_configured(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    bench.models.gate.clear()
    fail(bench, camera, make_image)

    def change(transition):
        return bench.call(ChangeState, 'yolact/change_state', ChangeState.Request(
            transition=Transition(id=transition))).success

    assert change(Transition.TRANSITION_DEACTIVATE)
    assert not change(Transition.TRANSITION_ACTIVATE)  # nothing to serve with yet
    assert change(Transition.TRANSITION_CLEANUP)
    bench.models.gate.set()
    bench.wait(lambda: len(bench.models.opened) == 2)
    assert bench.node.status.model == ''
    assert change(Transition.TRANSITION_CONFIGURE) and change(Transition.TRANSITION_ACTIVATE)
    assert bench.segment(camera, messages).instances
