"""What a JPEG or PNG says about itself, read before anyone asks for the memory to decode it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
JPEG_START = b'\xff\xd8'
JPEG_END = b'\xff\xd9'
# C0 to CF start a frame, except for the Huffman tables, the reserved one and the arithmetic ones.
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class CodedSize:
    """
    Size that the header of a coded picture announces [px].

    :param complete: False when the end of the data is missing, as far as can be told cheaply.
    """

    height: int
    width: int
    complete: bool


def read_coded_size(data: bytes) -> CodedSize:
    """
    Return the announced size of a JPEG or PNG.

    :raises ValueError: when the data is neither or breaks off before its size.
    """
    if data.startswith(PNG_SIGNATURE) and len(data) >= 24:
        width, height = struct.unpack_from('>II', data, 16)
        return CodedSize(height, width, complete=data.rfind(b'IEND') > 0)
    if data.startswith(JPEG_START):
        return _read_jpeg(data)
    raise ValueError('neither JPEG nor PNG')


def _read_jpeg(data: bytes) -> CodedSize:
    """Walk over the segments to the frame header; a thumbnail lies inside of one and is passed."""
    position = len(JPEG_START)
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2:position + 4], 'big')
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from('>HH', data, position + 5)
            return CodedSize(height, width, complete=data.rfind(JPEG_END) > position)
        position += 1 if marker == 0xFF else 2 + length  # FF FF: padding
    raise ValueError('a JPEG without a frame')
