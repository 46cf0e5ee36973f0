"""The three ways a mask's pixels lie in a message; InstanceMask.msg describes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from yolact_ros.msg import InstanceMask


def _encode_mono8(crop: np.ndarray, message: InstanceMask) -> None:
    """Write one byte per pixel, 0 or 255."""
    message.step = crop.shape[1]
    message.data.frombytes(np.multiply(crop.view(np.uint8), 255, order='C'))


def _encode_packed(crop: np.ndarray, message: InstanceMask) -> None:
    """Write one bit per pixel, rows padded to whole bytes."""
    packed = np.packbits(crop, axis=1)
    message.step = packed.shape[1]
    message.data.frombytes(np.ascontiguousarray(packed))


def _encode_rle(crop: np.ndarray, message: InstanceMask) -> None:
    """Write the lengths of runs, row after row."""
    pixels = crop.ravel()  # row after row
    if not pixels.size:
        return
    inner_ends = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(inner_ends, prepend=0, append=pixels.size).astype(np.uint32)
    if pixels[0]:  # the first run is background, here none
        counts = np.concatenate((np.zeros(1, np.uint32), counts))
    message.counts.frombytes(counts.view(np.uint8))


def _decode_mono8(mask: InstanceMask) -> np.ndarray:
    """Read what _encode_mono8 wrote; any value but 0 is set."""
    return _payload(mask, row_bytes=mask.roi.width)[:, :mask.roi.width] != 0


def _decode_packed(mask: InstanceMask) -> np.ndarray:
    """Read what _encode_packed wrote."""
    rows = _payload(mask, row_bytes=(mask.roi.width + 7) // 8)
    return np.unpackbits(rows, axis=1, count=mask.roi.width).view(bool)


def _decode_rle(mask: InstanceMask) -> np.ndarray:
    """Read what _encode_rle wrote; the sum is checked before memory is asked for."""
    counts = np.asarray(mask.counts, np.uint32)
    height, width = mask.roi.height, mask.roi.width
    total = int(counts.sum(dtype=np.uint64))
    if total != height * width:
        raise ValueError(f'the run lengths of mask {mask.id} cover {total} pixels, its roi has '
                         f'{height}x{width} = {height * width}')
    values = np.arange(len(counts)) % 2 == 1  # background first
    return np.repeat(values, counts).reshape(height, width)


def _payload(mask: InstanceMask, row_bytes: int) -> np.ndarray:
    """Return the data as (roi.height, step) uint8, a view of the message."""
    data = np.frombuffer(mask.data, np.uint8)
    if mask.step < row_bytes or len(data) != mask.roi.height * mask.step:
        raise ValueError(f'mask {mask.id} needs {mask.roi.height} rows of at least {row_bytes} '
                         f'bytes, got {len(data)} bytes in steps of {mask.step}')
    return data.reshape(mask.roi.height, mask.step)


ENCODERS: dict[int, Callable[[np.ndarray, InstanceMask], None]] = {
    InstanceMask.ENCODING_MONO8: _encode_mono8,
    InstanceMask.ENCODING_PACKED: _encode_packed,
    InstanceMask.ENCODING_RLE: _encode_rle,
}
DECODERS: dict[int, Callable[[InstanceMask], np.ndarray]] = {
    InstanceMask.ENCODING_MONO8: _decode_mono8,
    InstanceMask.ENCODING_PACKED: _decode_packed,
    InstanceMask.ENCODING_RLE: _decode_rle,
}
