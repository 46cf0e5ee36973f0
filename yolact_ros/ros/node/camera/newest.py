"""The newest image of a camera, for who asks once and does not follow the stream."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

from rclpy.task import Future

Image = TypeVar('Image')


class Newest(Generic[Image]):
    """
    Keeps the newest image, and the wishes of those who wait for the next one.

    All methods belong to the executor's thread. A wish may be made to several cameras: the first
    image fulfils it.

    :ivar image: None while there is none, or none that is still new.
    """

    def __init__(self) -> None:
        """Start without an image."""
        self.image: Image | None = None
        self._wishes: list[tuple[Future, float]] = []

    def wish(self, future: Future, patience_s: float) -> None:
        """Give the next image to a future; None when it does not come in time [s]."""
        self._wishes.append((future, time.monotonic() + patience_s))

    def expire(self) -> None:
        """Tell those who have waited too long."""
        now = time.monotonic()
        for future, deadline in self._wishes:
            if now > deadline and not future.done():
                future.set_result(None)
        self._wishes = [wish for wish in self._wishes if not wish[0].done()]

    def show(self, image: Image, is_whole: bool = True) -> None:
        """Keep an image and give it to all who wait, unless something of it is still to come."""
        self.image = image
        if not is_whole:
            return
        for future, _ in self._wishes:
            if not future.done():
                future.set_result(image)
        self._wishes.clear()
