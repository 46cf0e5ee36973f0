"""JPEG and PNG bytes to pixels, strictly: damaged or absurd ones are refused, never filled up."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np

JPEG_START = b'\xff\xd8'
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
MAX_PIXELS = 64_000_000  # no camera of a robot has more

# The densest that each can be, so that a few bytes cannot ask for gigabytes: one bit for a block
# of 8x8 pixels, and deflate's longest match (258 bytes) for two bits.
JPEG_PIXELS_PER_BYTE = 8 * 8 * 8
DEFLATE_RATIO = 1032
RUN_PIXELS_PER_BYTE = 4096 * 8 // 12  # GIF's longest string for a code; BMP's runs are shorter
GIF_SIGNATURES, BMP_SIGNATURE = (b'GIF87a', b'GIF89a'), b'BM'
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# All that pixels are made of. The rest (profiles, text, animations) is a decoder's to trip over.
PNG_CHUNKS = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')

CURE = '; check the publisher and the network between'
# Some cameras pad the scan before the end marker; all pixels have been read by then. What was
# garbled in the middle can be left over there too: libjpeg finds its way back into the codes, but
# not how many blocks they were for.
LEFT_OVER = re.compile('([0-9]+) extraneous bytes before marker 0xd9')
END_MARKER = b'\xff\xd9'


class ImageError(ValueError):
    """
    What should be an image cannot be read as one.

    :param cause: one word for the kind of fault, the same for every image that has it: 'size',
        'step', 'data', 'encoding', 'format' or 'leftover'.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def check_size(height: int, width: int, max_pixels: int = MAX_PIXELS) -> None:
    """
    Refuse sizes that no image has, before memory is asked for.

    :raises ImageError: naming the size and the limit.
    """
    if height < 1 or width < 1:
        raise ImageError('size', f'an image has at least 1x1 pixels, got {width}x{height}; '
                                 'check the publisher')
    if height * width > max_pixels:
        raise ImageError('size', f'an image of {width}x{height} pixels is larger than the limit '
                                 f'of {max_pixels} pixels; it is damaged, or the limit '
                                 '(max_image_pixels) must be raised')


def decode_jpeg(data: bytes, max_pixels: int = MAX_PIXELS, leftover: bool = True) -> np.ndarray:
    """
    Return a JPEG as (H, W, 3) uint8 RGB; an orientation in its EXIF data is not applied.

    What is missing or garbled in the middle is an error here, where libjpeg by itself goes on
    with grey and a warning. The size is the decoder's own reading of the header.

    :param leftover: whether bytes that no pixel took may stand before the end; zeros always may.
    :raises ImageError: for a size beyond the limit, or damage of any kind.
    """
    try:
        import simplejpeg
    except ImportError as error:
        raise ImportError('reading JPEG needs simplejpeg: pip install simplejpeg') from error
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        check_size(height, width, max_pixels)
        if height * width > JPEG_PIXELS_PER_BYTE * len(data):
            raise ImageError('data', f'a JPEG of {len(data)} bytes cannot hold the {width}x'
                                     f'{height} pixels that it claims; it is cut off or damaged')
        if colours in ('CMYK', 'YCCK'):
            raise ImageError('format', f'the JPEG is made for printing ({colours}); publish YCbCr')
        return _decode_strictly(simplejpeg.decode_jpeg, data, leftover)
    except ImageError:
        raise
    except ValueError as error:
        raise ImageError('data', f'a JPEG of {len(data)} bytes is cut off or damaged ({error})'
                         + CURE) from error


def check_runs(data: bytes) -> None:
    """
    Refuse a GIF or BMP that claims more pixels than its bytes can stand for.

    OpenCV makes them all, and a minute of work out of 35 bytes.

    :raises ImageError: naming the size.
    """
    if data.startswith(GIF_SIGNATURES) and len(data) >= 10:
        width, height = struct.unpack_from('<HH', data, 6)
    elif data.startswith(BMP_SIGNATURE) and len(data) >= 26:
        width, height = map(abs, struct.unpack_from('<ii', data, 18))
    else:
        return
    if width * height > RUN_PIXELS_PER_BYTE * len(data):
        raise ImageError('data', f'{len(data)} bytes cannot hold the {width}x{height} pixels that '
                                 'they claim')


def encode_jpeg(rgb: np.ndarray, quality: int = 95) -> np.ndarray:
    """
    Return an image as JPEG, (bytes,) uint8.

    :param rgb: (H, W, 3) uint8.
    :param quality: 1 to 100.
    """
    _, coded = cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
                            [cv2.IMWRITE_JPEG_QUALITY, quality])
    return coded.ravel()


def decode_png(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Return a PNG as OpenCV does: (H, W, 3) BGR of uint8 or uint16, transparency dropped.

    The decoder gets checked chunks only, since a flipped bit in a length makes it ask for
    gigabytes, and of those only what the pixels are made of.

    :raises ImageError: for a size beyond the limit, or damage of any kind.
    """
    pixels = cv2.imdecode(np.frombuffer(pure_png(data, max_pixels), np.uint8),
                          cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if pixels is None:
        raise _damaged_png(data, 'its pixels cannot be unpacked')
    return pixels


def pure_png(data: bytes, max_pixels: int = MAX_PIXELS) -> bytes:
    """
    Return what a PNG's pixels are made of, and nothing else.

    :raises ImageError: for a size beyond the limit, or a damaged chunk.
    """
    chunks = list(_png_chunks(data))
    _check_png_size(chunks, max_pixels)
    return PNG_SIGNATURE + b''.join(whole for kind, whole in chunks if kind in PNG_CHUNKS)


def _decode_strictly(decode: Callable, data: bytes, leftover: bool) -> np.ndarray:
    """Return RGB; libjpeg's warnings are errors, but for the one that may cost no pixel."""
    try:
        return decode(data, 'RGB', strict=True)
    except ValueError as error:
        found = LEFT_OVER.search(str(error))
        if found is None:
            raise
    if not leftover and bytes(int(found[1])) + END_MARKER not in data:
        raise ImageError('leftover', f'a JPEG of {len(data)} bytes has {found[1]} before its end '
                                     'that no pixel took')
    return decode(data, 'RGB', strict=False)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and bytes of every chunk up to the end; all of them are whole."""
    position, kind = len(PNG_SIGNATURE), b''
    while kind != b'IEND':
        if position + 12 > len(data):
            raise _damaged_png(data, f'no end after byte {position}')
        length, kind = struct.unpack_from('>I4s', data, position)
        end = position + 12 + length  # length, kind, content, checksum
        if end > len(data):
            raise _damaged_png(data, f'a chunk at byte {position} claims {length} bytes')
        if zlib.crc32(data[position + 4:end - 4]) != int.from_bytes(data[end - 4:end], 'big'):
            raise _damaged_png(data, f'the checksum of the chunk at byte {position} is wrong')
        yield kind, data[position:end]
        position = end


def _check_png_size(chunks: list[tuple[bytes, bytes]], max_pixels: int) -> None:
    """Refuse a size beyond the limit or beyond what the packed pixels can hold."""
    kind, header = chunks[0]
    if kind != b'IHDR' or len(header) != 12 + 13 or header[17] not in PNG_CHANNELS:
        raise _damaged_png(header, 'it does not begin with a valid header')
    width, height, depth, colour = struct.unpack_from('>IIBB', header, 8)
    check_size(height, width, max_pixels)
    packed = sum(len(whole) - 12 for kind, whole in chunks if kind == b'IDAT')
    unpacked = height * (width * PNG_CHANNELS[colour] * depth // 8)
    if unpacked > DEFLATE_RATIO * packed:
        raise ImageError('data', f'{packed} bytes of packed pixels in a PNG cannot hold the '
                                 f'{width}x{height} pixels that it claims; it is cut off or '
                                 'damaged')


def _damaged_png(data: bytes, fault: str) -> ImageError:
    """Return the error of a PNG."""
    return ImageError('data', f'a PNG of {len(data)} bytes is cut off or damaged ({fault}){CURE}')
