"""Which depth image belongs to an image: the nearest stamp within a slop, waited for briefly."""

from __future__ import annotations

import threading
import time
from collections import deque

from sensor_msgs.msg import Image
from std_msgs.msg import Header

RING = 10  # depth images that are kept: a third of a second at 30 Hz
SILENCE_S = 1.0  # after so long nobody waits for the next one
IN_VAIN = 3  # so many times in a row, then
RETRY = 10  # only every so manieth image waits: it holds up other cameras too


class DepthError(ValueError):
    """
    Why an image goes without places.

    :param cause: short and without figures, the same as long as the cause is.
    :param text: one line for people: what is wrong and what to do.
    """

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class DepthPairing:
    """
    Keeps the newest depth images of one camera, for one image at a time.

    Images are worked on one after the other while depth images keep coming: `expect` notes what
    the next image needs, so that its partner is kept however long the network takes.
    """

    def __init__(self, topic: str) -> None:
        """:param topic: of the depth images, for messages."""
        self._topic = topic
        self._arrived = threading.Condition()
        self._ring: deque[tuple[int, Image]] = deque(maxlen=RING)
        self._wanted = 0  # stamp [ns], meaningless while nothing is expected
        self._expects = False
        self._best: tuple[int, Image] | None = None
        self._last_sign = time.monotonic()
        self._images, self._in_vain = 0, 0

    def open(self) -> None:
        """Begin anew: what came before says nothing about what will."""
        with self._arrived:
            self._ring.clear()
            self._expects, self._best = False, None
            self._last_sign = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Return the seconds since the newest depth image, or since the beginning."""
        return time.monotonic() - self._last_sign

    @property
    def has_images(self) -> bool:
        """Return whether a depth image has come since the beginning."""
        return bool(self._ring)

    def add(self, message: Image) -> None:
        """Take a depth image (any thread)."""
        entry = (stamp_ns(message.header), message)
        with self._arrived:
            self._last_sign = time.monotonic()
            self._ring.append(entry)
            if self._expects:
                self._best = self._nearer(self._best, entry)
            self._arrived.notify_all()

    def expect(self, header: Header) -> None:
        """Keep the partner of this image from now on, whether it is here or still to come."""
        with self._arrived:
            self._wanted, self._expects, self._best = stamp_ns(header), True, None
            for entry in self._ring:
                self._best = self._nearer(self._best, entry)

    def partner(self, slop_s: float, deadline: float) -> Image:
        """
        Return the depth image for the expected image.

        :param slop_s: how far its stamp may be away [s].
        :param deadline: until when to wait for a nearer one [s, monotonic].
        :raises DepthError: when there is none, with the reason and the cure.
        """
        with self._arrived:
            self._wait(deadline)
            if self._best is None:
                raise DepthError('no depth', f'no depth picture arrives on {self._topic}; start '
                                 "the camera's depth stream, or name its topic (depth_topic:=)")
            apart_s = 1e-9 * (self._best[0] - self._wanted)
            if abs(apart_s) > slop_s:
                raise DepthError('stamps apart', self._explain(apart_s, slop_s))
            return self._best[1]

    def _wait(self, deadline: float) -> None:
        """Wait for a nearer depth image, unless that has been in vain of late."""
        self._images += 1
        if self._in_vain >= IN_VAIN and self._images % RETRY:
            return
        before, waited = self._best, False
        while self._may_improve() and (left := deadline - time.monotonic()) > 0:
            self._arrived.wait(min(left, max(SILENCE_S - self.silent_s, 0.001)))
            waited = True
        if waited:
            self._in_vain = self._in_vain + 1 if self._best is before else 0

    def _may_improve(self) -> bool:
        """Return whether a nearer depth image may still come."""
        if self._best is not None and self._best[0] == self._wanted:
            return False
        if self._ring and max(stamp for stamp, _ in self._ring) >= self._wanted:
            return False
        return self.silent_s < SILENCE_S

    def _nearer(self, one: tuple[int, Image] | None,
                other: tuple[int, Image]) -> tuple[int, Image]:
        """Return the entry that is nearer to the wanted stamp, of equal ones the newer."""
        if one is None or abs(other[0] - self._wanted) <= abs(one[0] - self._wanted):
            return other
        return one

    def _explain(self, apart_s: float, slop_s: float) -> str:
        """Return why the nearest depth image is not near enough."""
        if self.silent_s > SILENCE_S:
            return (f'no depth picture has come on {self._topic} for {self.silent_s:.1f} s; look '
                    "after the camera's depth stream")
        apart = f'{1e3 * abs(apart_s):.0f} ms ' + ('older' if apart_s < 0 else 'newer')
        return (f'the nearest depth picture on {self._topic} is {apart} '
                f'than the picture, depth_slop allows {1e3 * slop_s:.0f} ms: let the camera '
                'synchronise both (realsense: enable_sync), or raise depth_slop')


def stamp_ns(header: Header) -> int:
    """Return a stamp as one number [ns]."""
    return header.stamp.sec * 10 ** 9 + header.stamp.nanosec
