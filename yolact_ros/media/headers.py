"""Size and orientation of an image from its first bytes, without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolact_ros.media.images import read_image
from yolact_ros.structures import ImageSize

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# Start-of-frame markers: all of C0 to CF but the tables C4, C8 and CC.
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
ORIENTATION = 0x0112                # EXIF tag
UPSIDE_DOWN = (2, 3, 4)             # orientations that keep the size: mirrored or by 180 degrees
ON_ITS_SIDE = (5, 6, 7, 8)          # those that swap height and width


@dataclass(frozen=True)
class ImageHeader:
    """
    What the first bytes of an image tell.

    :param size: of the pixels as they are stored.
    :param orientation: EXIF orientation 1 to 8; 1 is upright.
    """

    size: ImageSize
    orientation: int = 1

    @property
    def upright_size(self) -> ImageSize:
        """Return the size once the orientation is applied."""
        if self.orientation in ON_ITS_SIDE:
            return ImageSize(self.size.width, self.size.height)
        return self.size


def read_header(path: Path) -> ImageHeader:
    """
    Return size and orientation of an image file.

    JPEG and PNG are read by their headers; anything else is decoded.

    :raises OSError: when the file cannot be opened.
    :raises ValueError: when it is no image.
    """
    with path.open('rb') as file:
        head = file.read(1 << 18)  # EXIF with its thumbnail takes at most 64 KiB
    header = _read_png(head) if head.startswith(PNG_SIGNATURE) else \
        _read_jpeg(head) if head.startswith(b'\xff\xd8') else None
    return header or _look(path)


def _look(path: Path) -> ImageHeader:
    """Return what decoding tells: whether the EXIF orientation (WebP, TIFF) changes anything."""
    stored, upright = read_image(path, upright=False), read_image(path)
    size = ImageSize(*stored.shape[:2])
    if stored.shape != upright.shape:
        return ImageHeader(size, ON_ITS_SIDE[0])
    return ImageHeader(size, 1 if np.array_equal(stored, upright) else UPSIDE_DOWN[0])


def _read_png(head: bytes) -> ImageHeader | None:
    """Return the header of a PNG, None for a broken one; OpenCV knows no orientation there."""
    if len(head) < 24 or head[12:16] != b'IHDR':
        return None
    width, height = struct.unpack_from('>II', head, 16)
    return ImageHeader(ImageSize(height, width)) if min(width, height) > 0 else None


def _read_jpeg(head: bytes) -> ImageHeader | None:
    """Return the header of a JPEG, None where it does not come within these bytes."""
    position, orientation = 2, 1
    while position + 10 <= len(head):
        marker = head[position + 1]
        if head[position] != 0xFF:
            return None
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in ALONE:
            position += 2
            continue
        length = int.from_bytes(head[position + 2:position + 4], 'big')
        if marker == 0xE1 and head[position + 4:position + 10] == b'Exif\0\0':
            orientation = _exif_orientation(head[position + 10:position + 2 + length])
        if marker in FRAMES:
            height, width = struct.unpack_from('>HH', head, position + 5)
            return ImageHeader(ImageSize(height, width), orientation) \
                if min(height, width) > 0 else None
        position += 2 + length
    return None


def _exif_orientation(tiff: bytes) -> int:
    """Return the orientation that EXIF data tells, 1 where it tells none that exists."""
    order = {b'II': '<', b'MM': '>'}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    start = struct.unpack_from(f'{order}I', tiff, 4)[0]
    if start + 2 > len(tiff):
        return 1
    count = struct.unpack_from(f'{order}H', tiff, start)[0]
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, value = (struct.unpack_from(f'{order}H', tiff, entry + offset)[0]
                      for offset in (0, 8))
        if tag == ORIENTATION:
            return value if 1 <= value <= 8 else 1
    return 1
