import threading

from yolact_ros.ros.node.mailbox import Mailbox


def test_newest_item_wins_and_displacing_is_told():
    mailbox = Mailbox()
    assert [mailbox.put(1), mailbox.put(2), mailbox.take(), mailbox.put(3)] == [False, True, 2,
                                                                                False]


def test_take_waits_for_an_item_of_another_thread():
    mailbox, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.put('image')
    thread.join(10)
    assert taken == ['image']


def test_closing_ends_a_waiting_take_and_forgets_the_item():
    mailbox, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.close()
    thread.join(10)
    assert taken == [None]
    assert mailbox.put('late') is False and mailbox.take() is None


def test_cleared_item_is_not_taken():
    mailbox = Mailbox()
    mailbox.put('old')
    mailbox.clear()
    mailbox.put('new')
    assert mailbox.take() == 'new'
