"""The two blocks of memory that a captured frame reads and writes, and what lies where in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from yolact_ros.inference.steps.thresholds import Thresholds
from yolact_ros.inference.steps.to_masks import to_instances
from yolact_ros.masks import NO_PIXELS, PixelMask
from yolact_ros.ops.kernels.rasterise import RasterRow
from yolact_ros.structures import ImageSize, Instances

ALIGNMENT = 256  # [bytes]; every part starts where a GPU reads it in whole transactions


@dataclass(frozen=True)
class FrameLimits:
    """
    What a frame has room for.

    :param batch: B, images.
    :param room: N, detections of each image.
    :param pixels: of each image.
    :param mask_bytes: for all masks of each image, eight pixels a byte.
    """

    batch: int
    room: int
    pixels: int
    mask_bytes: int


class FrameRequest(NamedTuple):
    """
    What the host sends: steps.thresholds.Thresholds, where the images lie, the images.

    :param classes: (C,) float32.
    :param candidate: (1,) float32.
    :param iou: (1,) float32.
    :param top_k: (1,) int32.
    :param max_instances: (1,) int32.
    :param layout: (B, 3) int32: where in images each one begins [bytes], height, width [px].
    :param images: (bytes,) uint8, (H, W, 3) RGB one after another; the last part of the block.
    """

    classes: Tensor
    candidate: Tensor
    iou: Tensor
    top_k: Tensor
    max_instances: Tensor
    layout: Tensor
    images: Tensor


class FrameResult(NamedTuple):
    """
    What the device sends back, N detections with padding for each of B images.

    :param counts: (B,) int32, detections.
    :param complete: (B,) int32, see steps.select.Detections.
    :param boxes: (B, N, 4) float32 relative corners.
    :param class_ids: (B, N) int32.
    :param class_scores: (B, N) float32.
    :param mask_scores: (B, N) float32, NaN without re-scoring.
    :param table: (B, N, 9) int32, see ops.kernels.rasterise.RasterRow.
    :param bits: (B, mask_bytes) uint8.
    """

    counts: Tensor
    complete: Tensor
    boxes: Tensor
    class_ids: Tensor
    class_scores: Tensor
    mask_scores: Tensor
    table: Tensor
    bits: Tensor


class Block:
    """
    One piece of memory on the host and one on the device with the same division into parts.

    :param parts: type and shape of each part, in the order of the fields of kind.
    :param kind: FrameRequest or FrameResult.
    :ivar host: the parts on the host; pinned where the device is a GPU.
    :ivar device: the parts on the device.
    """

    def __init__(self, kind: type, parts: Sequence[tuple[torch.dtype, tuple[int, ...]]],
                 device: torch.device) -> None:
        self._parts, self._starts, size = parts, [], 0
        for dtype, shape in parts:
            self._starts.append(size)
            size += -(-math.prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT
        self._host = torch.zeros(size, dtype=torch.uint8, pin_memory=device.type == 'cuda')
        self._device = torch.zeros(size, dtype=torch.uint8, device=device)
        self.host, self.device = kind(*self._views(self._host)), kind(*self._views(self._device))

    def send(self, last_part_bytes: int) -> None:
        """Begin to copy host to device, of the last part only what is used."""
        stop = self._starts[-1] + last_part_bytes
        self._device[:stop].copy_(self._host[:stop], non_blocking=True)

    def fetch(self) -> None:
        """Begin to copy device to host."""
        self._host.copy_(self._device, non_blocking=True)

    def _views(self, memory: Tensor) -> list[Tensor]:
        """Return the parts of a memory."""
        return [memory[start:start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
                for start, (dtype, shape) in zip(self._starts, self._parts)]


def make_request(limits: FrameLimits, num_classes: int, device: torch.device) -> Block:
    """Return memory for a FrameRequest."""
    return Block(FrameRequest, [
        (torch.float32, (num_classes,)), (torch.float32, (1,)), (torch.float32, (1,)),
        (torch.int32, (1,)), (torch.int32, (1,)), (torch.int32, (limits.batch, 3)),
        (torch.uint8, (limits.batch * limits.pixels * 3,))], device)


def make_result(limits: FrameLimits, device: torch.device) -> Block:
    """Return memory for a FrameResult."""
    rows = limits.batch, limits.room
    return Block(FrameResult, [
        (torch.int32, rows[:1]), (torch.int32, rows[:1]), (torch.float32, (*rows, 4)),
        (torch.int32, rows), (torch.float32, rows), (torch.float32, rows),
        (torch.int32, (*rows, len(RasterRow._fields))),
        (torch.uint8, (limits.batch, limits.mask_bytes))], device)


def write_request(request: FrameRequest, images: Sequence[np.ndarray],
                  thresholds: Thresholds) -> int:
    """
    Fill a request on the host.

    :param images: B of (H, W, 3) uint8 that fit in.
    :returns: bytes of the images.
    """
    for part, value in zip(request, thresholds):
        part.copy_(torch.as_tensor(value))
    layout, stop = request.layout.numpy(), 0
    for index, rgb in enumerate(images):
        start, stop = stop, stop + rgb.size
        layout[index] = start, *rgb.shape[:2]
        # torch copies a large image with several threads.
        request.images[start:stop].view(rgb.shape).copy_(torch.from_numpy(rgb))
    return stop


def read_result(result: FrameResult, index: int, size: ImageSize) -> Instances:
    """
    Return the objects in one image; nothing of it shares memory with the result.

    :param result: on the host.
    :param size: of the image.
    """
    count = int(result.counts[index])
    boxes, class_ids, class_scores, ious, table = (
        part[index, :count].numpy() for part in (
            result.boxes, result.class_ids, result.class_scores, result.mask_scores, result.table))
    bits = result.bits[index].numpy()
    return to_instances(boxes, class_ids, class_scores, ious,
                        lambda row: _unpack(RasterRow(*table[row].tolist()), bits), size)


def mask_bytes(result: FrameResult, index: int) -> int:
    """Return the bytes that the masks of one image need, also where they had no room."""
    rows = RasterRow(*result.table[index, :int(result.counts[index])].numpy().T)
    ends = rows.first_byte + _row_bytes(rows.x0, rows.x1) * (rows.y1 - rows.y0)
    return int(np.max(ends, initial=0))


def _unpack(row: RasterRow, bits: np.ndarray) -> PixelMask:
    """
    Return the tight roi and the boolean crop of one mask.

    :param bits: (mask_bytes,) uint8.
    """
    if row.right <= row.left or row.bottom <= row.top:
        return NO_PIXELS
    width = _row_bytes(row.x0, row.x1)
    first, last = (row.left - row.x0) // 8, _row_bytes(row.x0, row.right)
    start, stop = (row.first_byte + (y - row.y0) * width for y in (row.top, row.bottom))
    pixels = np.unpackbits(bits[start:stop].reshape(-1, width)[:, first:last], axis=1)
    skipped = row.left - row.x0 - 8 * first
    crop = np.ascontiguousarray(pixels[:, skipped:skipped + row.right - row.left])
    return (row.left, row.top, row.right, row.bottom), crop.view(bool)


def _row_bytes(start: int, stop: int) -> int:
    """Return the bytes of a row of pixels start to stop - 1."""
    return (stop - start + 7) // 8
