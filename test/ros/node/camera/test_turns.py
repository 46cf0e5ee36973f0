"""Cameras take turns, the newest image of each wins, orders come between images."""

import threading

import pytest

from yolact_ros.ros.node.camera.turns import Turn, Turns


@pytest.fixture
def turns():
    return Turns()


def names(turn):
    return [camera for camera, _ in turn.images]


def test_newest_image_wins_and_the_displaced_one_is_returned(turns):
    assert [turns.put('front', 1), turns.put('front', 2)] == [None, 1]
    assert turns.take() == Turn(images=(('front', 2),))
    assert turns.put('front', 3) is None


def test_camera_that_was_served_longest_ago_comes_first(turns):
    served = []
    for _ in range(6):  # all three are always waiting
        for camera in ('front', 'left', 'right'):
            turns.put(camera, 0)
        served += names(turns.take())
    assert served == ['front', 'left', 'right'] * 2


def test_flood_of_one_camera_costs_another_no_turn(turns):
    served = []
    for number in range(10):
        turns.put('flood', number)
        turns.put('calm', number)
        turns.put('flood', number)
        served += names(turns.take())
    assert served.count('calm') == served.count('flood') == 5


def test_several_images_at_once_are_of_different_cameras(turns):
    for camera in ('front', 'left', 'right'):
        turns.put(camera, 0)
    assert names(turns.take(lambda: 2)) == ['front', 'left']
    turns.put('front', 1)
    assert names(turns.take(lambda: 9)) == ['right', 'front']


def test_orders_and_images_alternate_and_orders_keep_their_order(turns):
    for name in 'abc':
        turns.ask(name)
    kinds = []
    for number in range(5):
        turns.put('front', number)
        turn = turns.take()
        kinds.append(''.join(turn.orders) or 'image')
    assert kinds == ['a', 'image', 'b', 'image', 'c']


def test_orders_do_not_wait_for_images_that_are_not_there(turns):
    turns.ask('a')
    turns.ask('b')
    assert [turns.take().orders, turns.take().orders] == [('a',), ('b',)]


@pytest.mark.parametrize(('act', 'taken'), [
    (lambda turns: turns.put('front', 1), Turn(images=(('front', 1),))),
    (lambda turns: turns.ask('a'), Turn(orders=('a',))),
    (lambda turns: turns.close(), None)], ids=['image', 'order', 'end'])
def test_take_waits_for_another_thread(turns, act, taken):
    got = []
    thread = threading.Thread(target=lambda: got.append(turns.take()))
    thread.start()
    act(turns)
    thread.join(10)
    assert got == [taken]


def test_closing_returns_what_is_left_and_takes_nothing_more(turns):
    turns.put('front', 1)
    turns.ask('a')
    assert turns.close() == Turn((('front', 1),), ('a',))
    assert (turns.put('front', 2), turns.ask('b'), turns.take()) == (2, False, None)


def test_image_that_is_taken_back_is_not_worked_on(turns):
    turns.put('front', 'old')
    assert (turns.withdraw('front'), turns.withdraw('front')) == ('old', None)
    turns.put('front', 'new')
    assert turns.take() == Turn(images=(('front', 'new'),))
