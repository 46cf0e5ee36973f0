"""Write files so that a failure leaves the old content, never half of the new."""

from __future__ import annotations

import os
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
