"""Ctrl-C during a training: the first one asks, the second one interrupts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class StopFlag:
    """Whether somebody asked to stop."""

    requested: bool = False


@contextmanager
def interruptible(unsaved: Callable[[], int], patient: bool = False) -> Iterator[StopFlag]:
    """
    Turn the first Ctrl-C (SIGTERM, end of the terminal) into a flag; the second one interrupts.

    What is ignored from the start, as under nohup, stays so.

    :param unsaved: returns how many steps the second one would lose.
    :param patient: never interrupt: torchrun passes on the signal that the terminal has sent
        already, and kills after half a minute anyway.
    """
    flag = StopFlag()

    def ask(number: int, frame: object) -> None:
        if flag.requested and not patient:
            raise KeyboardInterrupt
        flag.requested = True
        again = '' if patient else f'; again = lose {unsaved()} steps'
        # Not print(): the signal may have come in the middle of one.
        os.write(2, f'\nstopping: this step is finished, then all is saved{again}\n'.encode())

    if threading.current_thread() is not threading.main_thread():
        yield flag  # only the main thread may handle signals
        return

    previous = {number: signal.signal(number, ask)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
                if signal.getsignal(number) is not signal.SIG_IGN}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
