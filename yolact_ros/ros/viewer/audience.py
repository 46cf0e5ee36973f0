"""Who looks at something, and the newest of it for each of them; belongs to the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

AGAIN_S = 0.1  # how soon who did not leave is asked again


class Slot:
    """What one viewer has not got yet: of every kind of thing only the newest."""

    def __init__(self, things: dict[str, Any]) -> None:
        """:param things: what there is already, by kind."""
        self._things = dict(things)
        self._filled = asyncio.Event()
        if self._things:
            self._filled.set()

    def put(self, kind: str, thing: Any) -> None:
        """Leave something; what was not taken of the same kind is forgotten."""
        self._things[kind] = thing
        self._filled.set()

    async def take(self, timeout_s: float) -> dict[str, Any]:
        """Return what has come, by kind, or nothing when the time is over."""
        try:
            await asyncio.wait_for(self._filled.wait(), timeout_s)
        except asyncio.TimeoutError:
            return {}
        self._filled.clear()
        things, self._things = self._things, {}
        return things


class Audience:
    """All viewers of one stream. A slow one costs the others nothing: it misses things."""

    def __init__(self, changed: Callable[[], None], keeps: Collection[str] = ()) -> None:
        """
        Wait for viewers.

        :param changed: called when the first viewer comes and when the last one has left.
        :param keeps: kinds whose newest is still true for a viewer who comes when nobody looked.
        """
        self._changed, self._keeps = changed, keeps
        self._slots: dict[Slot, asyncio.Task] = {}
        self._newest: dict[str, Any] = {}
        self._over = False

    def __len__(self) -> int:
        """Return how many look; any thread may ask."""
        return len(self._slots)

    def tell(self, kind: str, thing: Any) -> None:
        """Show something to everybody, also to those who come while it is the newest."""
        if self._slots or kind in self._keeps:
            self._newest[kind] = thing
        for slot in self._slots:
            slot.put(kind, thing)

    @contextmanager
    def join(self) -> Iterator[Slot]:
        """Look, in the running task, until the end of the block."""
        slot = Slot(self._newest)
        task = asyncio.current_task()
        assert task is not None, 'join from a running task'
        self._slots[slot] = task
        if self._over:
            task.cancel()
        if len(self._slots) == 1:
            self._changed()
        try:
            yield slot
        finally:
            del self._slots[slot]
            if not self._slots:
                self._newest = {kind: self._newest[kind] for kind in self._keeps
                                if kind in self._newest}
                self._changed()

    async def send_home(self) -> None:
        """End the tasks of all who look, and of those who still come."""
        self._over = True
        tasks = set(self._slots.values())
        while tasks:
            for task in tasks:
                task.cancel()
            # Again and again: wait_for of Python 3.11 forgets that it was cancelled when what it
            # waits for comes at the same moment.
            _, tasks = await asyncio.wait(tasks, timeout=AGAIN_S)
