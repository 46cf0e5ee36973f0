"""An error as one line for people."""

from __future__ import annotations

CLEAR = (OSError, ValueError, RuntimeError, ImportError)  # kinds whose text says enough
LONGEST = 1000  # letters; a caller may name weights of any length


def reason_of(error: Exception) -> str:
    """Return an error's text, with its type where the text alone says too little."""
    clear = isinstance(error, CLEAR) and str(error)
    text = str(error) if clear else f'{type(error).__name__}: {error}'
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}...'
