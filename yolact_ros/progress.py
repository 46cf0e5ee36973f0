"""Progress on a terminal, and in few lines where it goes to a log file."""

from __future__ import annotations

import sys


def progress_interval() -> float:
    """Return the seconds between two updates of a progress bar."""
    return 0.1 if sys.stderr.isatty() else 15.0
