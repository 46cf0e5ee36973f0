"""Write files whole or not at all, and progress so that a log file stays short."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def replace_file(path: str | Path, content: bytes) -> None:
    """
    Write a file under a temporary name next to it, then rename.

    :raises OSError: when it cannot be written; the old file, if any, is then untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def progress_interval() -> float:
    """Return the seconds between two updates of a progress bar: few lines in a log file."""
    return 0.1 if sys.stderr.isatty() else 15.0
