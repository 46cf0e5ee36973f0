"""Signals that end a process once and cleanly: what is half-written is taken away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.05  # until it is seen whether an import is over


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


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End what the main thread is doing, as Ctrl-C does in any Python program."""
    ignore_signals()
    if not _is_importing(frame):
        raise Interrupted(number)
    signal.signal(signal.SIGALRM, lambda _, later: _interrupt(number, later))
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a module is just being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith('<frozen importlib'):
            return True
        frame = frame.f_back
    return False
