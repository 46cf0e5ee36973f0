"""A signal ends a command once and cleanly: what is half-written is taken away."""

from __future__ import annotations

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Raised amid the work by the first signal; carries its number."""


def end_on_signals() -> None:
    """
    Let Ctrl-C, SIGTERM and a closed terminal raise Interrupted on the main thread, once.

    All later ones are ignored, lest they tear apart what is being tidied up. A signal that was
    ignored from the start, as under nohup, stays so.
    """
    if threading.current_thread() is threading.main_thread():
        for number in heard():
            signal.signal(number, _interrupt)


def heard() -> list[int]:
    """Return the signals that this process does not ignore."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def ignore_signals() -> None:
    """Let no signal interrupt from now on."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """End what the main thread is doing."""
    ignore_signals()
    raise Interrupted(number)
