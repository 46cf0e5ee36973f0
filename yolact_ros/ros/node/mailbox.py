"""A place for one item between two threads, where the newest wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Mailbox(Generic[Item]):
    """Hands the newest item from the thread that receives to the thread that works."""

    def __init__(self) -> None:
        """Start empty and open."""
        self._ready = threading.Condition()
        self._item: Item | None = None
        self._open = True

    def put(self, item: Item) -> bool:
        """Leave an item, without ever waiting; return True when it displaced an unread one."""
        with self._ready:
            displaced = self._item is not None
            self._item = item if self._open else None
            self._ready.notify()
        return displaced

    def take(self) -> Item | None:
        """Wait for an item and take it away; return None once the mailbox is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or not self._open)
            item, self._item = self._item, None
        return item

    def clear(self) -> None:
        """Forget an unread item."""
        with self._ready:
            self._item = None

    def close(self) -> None:
        """Forget an unread item and let every take return None from now on."""
        with self._ready:
            self._item, self._open = None, False
            self._ready.notify_all()
