"""The newest order wins, whichever model is loaded first."""

import threading
import time
from types import SimpleNamespace

import pytest

from yolact_ros.config import MODEL_PRESETS
from yolact_ros.ros.node.model_slot import ModelSlot, ModelSource
from yolact_ros.ros.node.parameters import Parameters

PATIENCE = 20.0


class Opener:
    """Opens models that wait for their turn."""

    def __init__(self):
        self.turns, self.opened = [threading.Event() for _ in range(4)], []

    def __call__(self, weights, **options):
        number = len(self.opened)
        self.opened.append((weights, options['config']))
        self.turns[number].wait(PATIENCE)
        return SimpleNamespace(number=number, class_names=('mug',), predict=lambda rgb: None)


@pytest.fixture
def opener():
    return Opener()


@pytest.fixture
def slot(opener):
    """Return a slot with the first model in it."""
    slot = ModelSlot(opener, ModelSource('old.pth', ''), Parameters)
    opener.turns[0].set()
    slot.fill()
    return slot


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.002)


def begin(coroutine):
    """Run an order up to its waiting; return a function that lets it be loaded and end."""
    future = coroutine.__await__()
    next(future)

    def end(event, loaded):
        event.set()
        loaded.wait(PATIENCE)
        for _ in future:
            pass

    return end


def test_late_first_loading_does_not_win_over_the_second(slot, opener):
    woken = [threading.Event(), threading.Event()]
    end_first = begin(slot.reload(woken[0].set))
    wait_for(lambda: len(opener.opened) == 2)
    slot.empty()
    end_second = begin(slot.reload(woken[1].set))
    wait_for(lambda: len(opener.opened) == 3)
    end_second(opener.turns[2], woken[1])
    end_first(opener.turns[1], woken[0])
    assert slot.predictor.number == 2


def test_replacement_that_was_overtaken_says_so_and_changes_nothing(slot, opener):
    woken = threading.Event()
    end = begin(slot.replace(ModelSource('new.pth', ''), woken.set))
    slot.empty()
    with pytest.raises(RuntimeError, match='meanwhile'):
        end(opener.turns[1], woken)
    assert (slot.predictor, slot.source.weights) == (None, 'old.pth')


def test_slot_knows_that_it_is_loading(slot, opener):
    woken = threading.Event()
    before = slot.is_loading
    end = begin(slot.reload(woken.set))
    during = slot.is_loading
    end(opener.turns[1], woken)
    wait_for(lambda: not slot.is_loading)
    assert (before, during) == (False, True)


def test_config_of_the_current_weights_must_be_a_preset(slot, opener):
    with pytest.raises(ValueError, match="config 'nonsense' is no preset; there are yolact_base"):
        begin(slot.replace(ModelSource('', 'nonsense'), lambda: None))
    assert len(opener.opened) == 1


def test_config_without_weights_is_that_of_the_current_weights(slot, opener):
    woken, preset = threading.Event(), next(iter(MODEL_PRESETS))
    end = begin(slot.replace(ModelSource('', preset), woken.set))
    end(opener.turns[1], woken)
    assert opener.opened[-1] == ('old.pth', preset)
    assert slot.source == ModelSource('old.pth', preset)
