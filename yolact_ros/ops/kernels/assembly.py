"""Instance masks on the prototype grid (Bolya et al. 2019, Mask Assembly)."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

CELLS = 64      # of the prototype grid per program
INSTANCES = 8   # that share one reading of the prototypes


def assemble_masks(prototypes: Tensor, coefficients: Tensor, boxes: Tensor,
                   counts: Tensor) -> Tensor:
    """
    Return the soft masks of a batch, zero outside their boxes and behind the last instance.

    The crop is that of ops.masks.crop_masks with its padding of one cell.

    :param prototypes: (B, Hp, Wp, K), floating, in any order of axes.
    :param coefficients: (B, N, K) float32, contiguous.
    :param boxes: (B, N, 4) float32 relative corners, contiguous; swapped where reversed.
    :param counts: (B,) int32, how many of the N are instances.
    :returns: (B, N, Hp, Wp) float32 in [0, 1].
    """
    batch, height, width, channels = prototypes.shape
    limit = coefficients.shape[1]
    assert coefficients.is_contiguous() and boxes.is_contiguous()
    masks = torch.empty((batch, limit, height, width), dtype=torch.float32,
                        device=prototypes.device)
    grid = triton.cdiv(height * width, CELLS), triton.cdiv(limit, INSTANCES), batch
    # Without fusion the crop compares torch's numbers; the sums are few next to the memory.
    _assemble[grid](
        prototypes, *prototypes.stride(), coefficients, boxes, counts, masks, limit,
        height=height, width=width, channels=channels, cells=CELLS, instances=INSTANCES,
        block=triton.next_power_of_2(channels), enable_fp_fusion=False)
    return masks


@triton.jit
def kept_cells(boxes, size: tl.constexpr):
    """
    Return the grid cells along one axis that the crop keeps, half-open int32 limits.

    As ops.masks.crop_limits, rounded up to whole cells; a NaN keeps nothing.

    :param boxes: pointers to the low coordinate of the axis; the high one is two further on.
    :param size: of the grid along the axis.
    """
    first, second = tl.load(boxes) * size, tl.load(boxes + 2) * size
    start = tl.minimum(first, second) - 1
    stop = tl.maximum(first, second) + 1
    start = tl.ceil(tl.minimum(tl.maximum(start, 0.0), size * 1.0)).to(tl.int32)
    stop = tl.ceil(tl.minimum(tl.maximum(stop, 0.0), size * 1.0)).to(tl.int32)
    return start, tl.where((first == first) & (second == second), stop, 0)


@triton.jit
def _assemble(prototypes, stride_b, stride_y, stride_x, stride_k, coefficients, boxes, counts,
              masks, limit, height: tl.constexpr, width: tl.constexpr, channels: tl.constexpr,
              cells: tl.constexpr, instances: tl.constexpr, block: tl.constexpr):
    """Write one block of cells of some instances of one image."""
    image = tl.program_id(2).to(tl.int64)
    start = tl.program_id(0) * cells
    cell = start + tl.arange(0, cells)
    row, column = cell // width, cell % width
    inside = cell < height * width
    channel = tl.arange(0, block)
    source = prototypes + image * stride_b \
        + (row.to(tl.int64) * stride_y + column.to(tl.int64) * stride_x)[:, None] \
        + channel.to(tl.int64)[None, :] * stride_k
    prototype = tl.load(source, mask=inside[:, None] & (channel < channels)[None, :],
                        other=0.0).to(tl.float32)                             # (cells, block)
    count = tl.load(counts + image)
    first = tl.program_id(1) * instances
    for index in range(first, tl.minimum(first + instances, limit)):
        instance = image * limit + index
        soft = tl.zeros((cells,), tl.float32)
        if index < count:
            left, right = kept_cells(boxes + instance * 4, width)
            top, bottom = kept_cells(boxes + instance * 4 + 1, height)
            # Most blocks lie above or below the box.
            if (start < bottom * width) & (start + cells > top * width):
                coefficient = tl.load(coefficients + instance * channels + channel,
                                      mask=channel < channels, other=0.0)
                logit = tl.sum(prototype * coefficient[None, :], 1)
                kept = (row >= top) & (row < bottom) & (column >= left) & (column < right)
                soft = tl.where(kept, tl.sigmoid(logit), 0.0)
        tl.store(masks + instance * (height * width) + cell, soft, mask=inside)
