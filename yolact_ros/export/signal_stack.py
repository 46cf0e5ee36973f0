"""
The memory that signal handlers run on, kept from OpenVINO's plugins.

A plugin gives the thread that loads it a stack for signals. When it goes it hands back the stack
that it found, which may be that of a plugin that went before: the next signal, a Ctrl-C for
instance, then ends the process without a word.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """The C library's stack_t on Linux."""

    _fields_ = [('address', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]


@contextmanager
def keep_signal_stack() -> Iterator[None]:
    """Give this thread its stack for signals back at the end of code that loads plugins."""
    if not sys.platform.startswith('linux'):
        yield
        return
    before, libc = _Stack(), ctypes.CDLL(None)
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
