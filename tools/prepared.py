"""The environment that `make setup` prepares, for tools that are called by their own name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_prepared() -> None:
    """Start this program again by the prepared Python, unless that or one like it runs it."""
    python = ROOT / '.venv' / 'bin' / 'python'
    if python.exists() and Path(sys.prefix).resolve().parent != ROOT:
        os.execv(python, [str(python), *sys.argv])
