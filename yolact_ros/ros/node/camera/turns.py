"""Who is served next: cameras in turn, each with its newest image, and orders between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Camera = TypeVar('Camera')
Image = TypeVar('Image')
Order = TypeVar('Order')


@dataclass(frozen=True)
class Turn(Generic[Camera, Image, Order]):
    """
    What is to be done next.

    :param images: cameras with their newest image, each camera once.
    :param orders: what was asked for in between, first come first served.
    """

    images: tuple[tuple[Camera, Image], ...] = ()
    orders: tuple[Order, ...] = ()


class Turns(Generic[Camera, Image, Order]):
    """
    Hands images and orders from the thread that receives to the thread that works.

    A camera has one place: its newest image wins. The camera that was served longest ago comes
    first, so that a flood from one takes nothing from the others. Orders and images alternate.
    """

    def __init__(self) -> None:
        """Start empty and open."""
        self._ready = threading.Condition()
        self._images: dict[Camera, Image] = {}
        self._orders: deque[Order] = deque()
        self._served: dict[Camera, int] = {}
        self._count = 0
        self._order_was_last, self._open = False, True

    def put(self, camera: Camera, image: Image) -> Image | None:
        """Leave an image without waiting; return one that is not going to be worked on."""
        with self._ready:
            if not self._open:
                return image
            displaced = self._images.get(camera)
            self._images[camera] = image
            self._ready.notify()
        return displaced

    def withdraw(self, camera: Camera) -> Image | None:
        """Take back what waits of a camera."""
        with self._ready:
            return self._images.pop(camera, None)

    def ask(self, order: Order) -> bool:
        """Queue an order; return False when nobody works any more."""
        with self._ready:
            if self._open:
                self._orders.append(order)
                self._ready.notify()
            return self._open

    def take(self, most: Callable[[], int] = lambda: 1) -> Turn[Camera, Image, Order] | None:
        """
        Wait for something to do and take it away; return None once this is closed.

        :param most: returns how many images are wanted at once, each of another camera.
        """
        with self._ready:
            self._ready.wait_for(lambda: self._images or self._orders or not self._open)
            if not self._open:
                return None
            self._order_was_last = bool(self._orders) and not (self._order_was_last
                                                               and self._images)
            if self._order_was_last:
                return Turn(orders=(self._orders.popleft(),))
            return Turn(images=self._take_images(most()))

    def close(self) -> Turn[Camera, Image, Order]:
        """Let every take return None from now on; return what is left undone."""
        with self._ready:
            self._open = False
            left = Turn(tuple(self._images.items()), tuple(self._orders))
            self._images.clear()
            self._orders.clear()
            self._ready.notify_all()
        return left

    def _take_images(self, most: int) -> tuple[tuple[Camera, Image], ...]:
        """Take the images of the cameras that were served longest ago."""
        longest_ago = sorted(self._images, key=lambda camera: self._served.get(camera, -1))
        for camera in longest_ago[:most]:
            self._count += 1
            self._served[camera] = self._count
        return tuple((camera, self._images.pop(camera)) for camera in longest_ago[:most])
