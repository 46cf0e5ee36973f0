"""Signals that end a process once and cleanly: what is half-written is taken away."""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.05  # until it is seen whether an import is over, or whether an interrupt got lost

_raised: list[int] = []  # the signals that have interrupted


class Interrupted(KeyboardInterrupt):
    """Raised amid the work by the first signal; carries its number."""


def interrupt_once(always: Collection[int] = ()) -> None:
    """
    Let Ctrl-C, SIGTERM and a closed terminal raise Interrupted on the main thread, once.

    All later ones are ignored, lest they tear apart what is being tidied up. Amid an import it
    waits: the libraries' own code that runs there would abort the process.

    :param always: signals to listen to even if they are ignored so far; others, as SIGHUP under
        nohup, stay ignored.
    """
    if threading.current_thread() is threading.main_thread():
        for number in {*heard(), *always}:
            signal.signal(number, _interrupt)


def heard() -> list[int]:
    """Return the signals that this process does not ignore."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def ignore_signals() -> None:
    """Let no signal interrupt from now on, not even one that waits for an import."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)


def interrupt_caught() -> None:
    """
    Tell that Interrupted has not got lost; whoever catches it says so first.

    An error from then on is an error of its own.
    """
    if _raised:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _raised.clear()


@contextmanager
def keep_interrupt() -> Iterator[None]:
    """
    Raise Interrupted again where an error has taken its place.

    Libraries in C call Python on their way and may tell of any failure there in words of their
    own: torch "could not determine the shape" of what it was just reading.
    """
    try:
        yield
    except Exception:
        if _raised:
            raise Interrupted(_raised[-1]) from None
        raise


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End what the main thread is doing, as Ctrl-C does in any Python program."""
    ignore_signals()
    if _is_importing(frame):
        _look_again(lambda later: _interrupt(number, later))
        return
    raise _watched(number)


def _watched(number: int) -> Interrupted:
    """
    Return an interrupt that comes again should it vanish.

    In __del__ and in libraries in C an exception may get lost; the work would go on for ever.
    """
    interrupt = Interrupted(number)
    alive = weakref.ref(interrupt)
    _raised.append(number)
    _look_again(lambda later: _interrupt(number, later) if alive() is None else None)
    return interrupt


def _look_again(look: Callable[[FrameType | None], None]) -> None:
    """Call look every few milliseconds with what the main thread is doing."""
    signal.signal(signal.SIGALRM, lambda _, frame: look(frame))
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a module is just being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith('<frozen importlib'):
            return True
        frame = frame.f_back
    return False
