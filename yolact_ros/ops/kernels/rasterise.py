"""From soft masks on the prototype grid to packed bits of the images' pixels."""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from yolact_ros.ops.kernels.assembly import kept_cells
from yolact_ros.ops.kernels.bilinear import source_cells

BLOCK = 256      # bytes of 8 pixels each that a program writes at once
PROGRAMS = 4096  # shared out among the instances; the rest of them ends at once


class RasterRow(NamedTuple):
    """
    The columns of the table, int32; kernels write them in this order.

    :param x0: loose roi of the bits [px], with y0, x1, y1; half-open.
    :param left: tight bounds of the mask [px], with top, right, bottom; half-open.
    :param first_byte: of the mask in the bits of its image.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    left: int
    top: int
    right: int
    bottom: int
    first_byte: int


# The same for kernels, which know no tuples.
COLUMNS = tl.constexpr(len(RasterRow._fields))
X0, Y0, X1, Y1, LEFT, TOP, RIGHT, BOTTOM, FIRST_BYTE = map(tl.constexpr,
                                                           range(len(RasterRow._fields)))


def rasterise_masks(masks: Tensor, boxes: Tensor, counts: Tensor, layout: Tensor, table: Tensor,
                    bits: Tensor) -> None:
    """
    Resize soft masks to the images' pixels, threshold them at 0.5 and pack the result.

    Every instance is written in its loose roi, the pixels that the kept cells can touch, half
    open and clipped to the image; all 0 when there are none. The tight bounds enclose the
    pixels above 0.5; without any they are width, height, 0, 0, so x1 is 0 only then. The bits
    of one instance follow those of the one before: row by row, each row padded to whole bytes,
    the most significant bit first, as numpy.unpackbits reads them.

    Where offset + size exceeds the capacity, the bits behind it were not written; offsets stop
    at the largest int32. The values are those of inference.steps.to_masks.mask_to_pixels.

    :param masks: (B, N, Hp, Wp) float32, contiguous, zero outside the boxes' crop.
    :param boxes: (B, N, 4) float32 relative corners, contiguous.
    :param counts: (B,) int32, how many of the N <= 1024 are instances.
    :param layout: (B, 3) int32, as of preprocess_images; the offset is not read.
    :param table: (B, N, 9) int32, contiguous, overwritten, see RasterRow; 0 behind the last
        instance.
    :param bits: (B, capacity) uint8, contiguous, written where instances lie.
    """
    assert all(tensor.is_contiguous() for tensor in (masks, boxes, table, bits))
    batch, limit, height, width = masks.shape
    if batch * limit == 0:
        return
    _plan[batch,](boxes, counts, layout, table, limit, height=height, width=width,
                  block=triton.next_power_of_2(limit), enable_fp_fusion=False)
    shares = max(8, triton.cdiv(PROGRAMS, batch * limit))
    # Without fusion the coordinates are torch's to the last bit.
    _rasterise[batch * limit, shares](
        masks, counts, layout, table, bits, limit, bits.shape[1], height=height, width=width,
        shares=shares, block=BLOCK, enable_fp_fusion=False)


@triton.jit
def _touched_pixels(start, stop, cells, pixels):
    """
    Return the pixels whose value can depend on cells start to stop - 1, half-open.

    A pixel more on both sides covers the rounding of float32 coordinates, as in
    inference.steps.to_masks; whole numbers because float32 would round here too.
    """
    first = ((2 * start - 1) * pixels - cells) // (2 * cells) - 1
    last = ((2 * stop + 1) * pixels + cells - 1) // (2 * cells) + 1
    return tl.maximum(first, 0), tl.minimum(last, pixels)


@triton.jit
def _plan(boxes, counts, layout, table, limit, height: tl.constexpr, width: tl.constexpr,
          block: tl.constexpr):
    """Write the table of one image, its tight bounds as those of empty masks."""
    image = tl.program_id(0)
    high, wide = tl.load(layout + 3 * image + 1), tl.load(layout + 3 * image + 2)
    index = tl.arange(0, block)
    row = image * limit + tl.minimum(index, limit - 1)
    left, right = kept_cells(boxes + 4 * row, width)
    top, bottom = kept_cells(boxes + 4 * row + 1, height)
    exists = index < tl.load(counts + image)
    filled = exists & (left < right) & (top < bottom)
    x0, x1 = _touched_pixels(left, right, width, wide)
    y0, y1 = _touched_pixels(top, bottom, height, high)
    x0, x1 = tl.where(filled, x0, 0), tl.where(filled, x1, 0)
    y0, y1 = tl.where(filled, y0, 0), tl.where(filled, y1, 0)
    size = (x1 - x0 + 7) // 8 * (y1 - y0)
    offset = tl.cumsum(size.to(tl.int64), 0) - size
    offset = tl.minimum(offset, 2147483647).to(tl.int32)
    entry, inside = table + COLUMNS * row, index < limit
    tl.store(entry + X0, x0, mask=inside)
    tl.store(entry + Y0, y0, mask=inside)
    tl.store(entry + X1, x1, mask=inside)
    tl.store(entry + Y1, y1, mask=inside)
    tl.store(entry + LEFT, tl.where(exists, wide, 0), mask=inside)
    tl.store(entry + TOP, tl.where(exists, high, 0), mask=inside)
    tl.store(entry + RIGHT, 0, mask=inside)
    tl.store(entry + BOTTOM, 0, mask=inside)
    tl.store(entry + FIRST_BYTE, tl.where(exists, offset, 0), mask=inside)


@triton.jit
def _above_half(mask, x, y, wide, high, height: tl.constexpr, width: tl.constexpr):
    """Return where the mask, resized to high x wide pixels, exceeds 0.5 at pixels (x, y)."""
    left, right, across = source_cells(x, wide, width)
    top, bottom, down = source_cells(y, high, height)
    upper, lower = mask + top * width, mask + bottom * width
    above = tl.load(upper + left) * (1 - across) + tl.load(upper + right) * across
    below = tl.load(lower + left) * (1 - across) + tl.load(lower + right) * across
    return above * (1 - down) + below * down > 0.5


@triton.jit
def _rasterise(masks, counts, layout, table, bits, limit, capacity, height: tl.constexpr,
               width: tl.constexpr, shares: tl.constexpr, block: tl.constexpr):
    """Write a share of the bits of one instance and let its tight bounds enclose them."""
    instance = tl.program_id(0)
    image = instance // limit
    if instance % limit < tl.load(counts + image):
        high, wide = tl.load(layout + 3 * image + 1), tl.load(layout + 3 * image + 2)
        entry = table + COLUMNS * instance
        x0, y0 = tl.load(entry + X0), tl.load(entry + Y0)
        x1, y1 = tl.load(entry + X1), tl.load(entry + Y1)
        offset = tl.load(entry + FIRST_BYTE).to(tl.int64)
        mask = masks + instance.to(tl.int64) * (height * width)
        target = bits + image.to(tl.int64) * capacity
        row_bytes = tl.maximum((x1 - x0 + 7) // 8, 1)
        size = row_bytes * (y1 - y0)
        # Bounds of what each lane has seen
        least_x, most_x = tl.full((block,), wide, tl.int32), tl.zeros((block,), tl.int32)
        least_y, most_y = tl.full((block,), high, tl.int32), tl.zeros((block,), tl.int32)
        for start in range(tl.program_id(1) * block, size, shares * block):
            byte = start + tl.arange(0, block)
            y = y0 + byte // row_bytes
            first = x0 + byte % row_bytes * 8
            packed = tl.zeros((block,), tl.int32)
            for bit in tl.static_range(8):
                x = first + bit
                hit = _above_half(mask, tl.minimum(x, wide - 1), tl.minimum(y, high - 1),
                                  wide, high, height, width) & (x < x1) & (byte < size)
                packed += tl.where(hit, 128 >> bit, 0)
                least_x = tl.where(hit, tl.minimum(least_x, x), least_x)
                most_x = tl.where(hit, tl.maximum(most_x, x + 1), most_x)
            least_y = tl.where(packed > 0, tl.minimum(least_y, y), least_y)
            most_y = tl.where(packed > 0, tl.maximum(most_y, y + 1), most_y)
            position = offset + byte
            tl.store(target + position, packed.to(tl.uint8),
                     mask=(byte < size) & (position < capacity))
        if tl.max(most_x, 0) > 0:
            tl.atomic_min(entry + LEFT, tl.min(least_x, 0), sem='relaxed')
            tl.atomic_min(entry + TOP, tl.min(least_y, 0), sem='relaxed')
            tl.atomic_max(entry + RIGHT, tl.max(most_x, 0), sem='relaxed')
            tl.atomic_max(entry + BOTTOM, tl.max(most_y, 0), sem='relaxed')
