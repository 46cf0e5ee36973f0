"""The nearest stamp wins, nothing waits longer than it may, and a lack is explained."""

import threading
import time

import pytest
from depth_images import depth_image, header

from yolact_ros.ros.node.depth.pairing import (
    IN_VAIN,
    RETRY,
    RING,
    SILENCE_S,
    DepthError,
    DepthPairing,
)

SOON = 0.05


def pairing_of(*stamps):
    pairing = DepthPairing('/depth')
    for seconds in stamps:
        pairing.add(depth_image(seconds=seconds))
    return pairing


def partner(pairing, seconds, slop=0.05, wait=0.0):
    pairing.expect(header(seconds))
    found = pairing.partner(slop, time.monotonic() + wait).header.stamp
    return found.sec + 1e-9 * found.nanosec


@pytest.mark.parametrize('wanted, found', [(5.0, 5.0), (5.02, 5.0), (5.06, 5.1), (5.14, 5.1)])
def test_the_nearest_stamp_wins(wanted, found):
    assert partner(pairing_of(4.9, 5.0, 5.1, 5.2), wanted) == pytest.approx(found)


@pytest.mark.parametrize('stamps, wanted, side', [
    ((4.9,), 5.0, '100 ms older'), ((5.2, 5.3), 5.1, '100 ms newer')])
def test_stamps_apart_are_explained_with_the_cure(stamps, wanted, side):
    with pytest.raises(DepthError, match=f'{side}.*allows 50 ms.*enable_sync.*depth_slop') as no:
        partner(pairing_of(*stamps), wanted)
    assert no.value.cause == 'stamps apart'


def test_without_depth_the_cure_is_its_topic():
    with pytest.raises(DepthError, match='no depth picture arrives on /depth.*depth_topic') as no:
        partner(pairing_of(), 5.0)
    assert no.value.cause == 'no depth'


def test_a_partner_that_is_late_is_waited_for():
    pairing = pairing_of(4.97)
    late = threading.Timer(SOON, pairing.add, [depth_image(seconds=5.0)])
    late.start()
    assert partner(pairing, 5.0, wait=20) == 5.0


def test_an_exact_or_a_newer_stamp_ends_the_waiting():
    started = time.monotonic()
    assert partner(pairing_of(4.9, 5.0), 5.0, wait=20) == 5.0
    assert partner(pairing_of(4.98, 5.03), 5.0, wait=20) == pytest.approx(4.98)
    assert time.monotonic() - started < 10


def test_waiting_ends_at_the_deadline_with_what_is_near_enough():
    started = time.monotonic()
    assert partner(pairing_of(4.98), 5.0, wait=SOON) == pytest.approx(4.98)
    assert SOON <= time.monotonic() - started < 10


def test_a_partner_is_kept_while_the_network_takes_its_time():
    pairing = pairing_of()
    pairing.expect(header(5.0))
    for count in range(3 * RING):
        pairing.add(depth_image(seconds=5.0 + 0.033 * count))
    assert pairing.partner(0.05, 0.0).header.stamp.sec == 5


def test_nobody_waits_for_a_camera_that_is_silent(monkeypatch):
    pairing = pairing_of(4.0)
    now = time.monotonic() + 2 * SILENCE_S
    monkeypatch.setattr('time.monotonic', lambda: now)
    pairing.expect(header(5.0))
    with pytest.raises(DepthError, match='no depth picture has come on /depth for 2.0 s'):
        pairing.partner(0.05, now + 1000)


def test_a_camera_that_falls_silent_is_given_up(monkeypatch):
    monkeypatch.setattr('yolact_ros.ros.node.depth.pairing.SILENCE_S', 4 * SOON)
    pairing = pairing_of(4.0)
    pairing.expect(header(5.0))
    started = time.monotonic()
    with pytest.raises(DepthError):
        pairing.partner(0.05, started + 1000)
    assert time.monotonic() - started < 20


def test_what_was_waited_for_in_vain_is_waited_for_now_and_then_only():
    pairing, times = pairing_of(), []
    for count in range(IN_VAIN + 2 * RETRY):
        pairing.add(depth_image(seconds=9.0 + count))  # a second too old for every image
        started = time.monotonic()
        with pytest.raises(DepthError):
            partner(pairing, 10.0 + count, wait=SOON)
        times.append(time.monotonic() - started >= SOON)
    assert times[:IN_VAIN] == [True] * IN_VAIN
    assert sum(times[IN_VAIN:]) == 2


def test_opening_again_forgets_what_came_before():
    pairing = pairing_of(5.0)
    pairing.open()
    with pytest.raises(DepthError, match='no depth picture arrives'):
        partner(pairing, 5.0)
