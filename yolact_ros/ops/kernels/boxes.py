"""Boxes of chosen anchors."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from yolact_ros.ops.boxes import CENTRE_VARIANCE, SIZE_VARIANCE

BLOCK = 128  # boxes of one program


def decode_chosen(offsets: Tensor, priors: Tensor, anchors: Tensor) -> Tensor:
    """
    Return the boxes of some anchors, as ops.boxes.decode_boxes.

    :param offsets: (B, P, 4), contiguous.
    :param priors: (P, 4) float32 cx, cy, w, h, contiguous.
    :param anchors: (B, E) int64, contiguous.
    :returns: (B, E, 4) float32 corners.
    """
    assert offsets.is_contiguous() and priors.is_contiguous() and anchors.is_contiguous()
    batch, count = anchors.shape
    boxes = torch.empty((batch, count, 4), dtype=torch.float32, device=offsets.device)
    _decode[triton.cdiv(count, BLOCK), batch](
        offsets, priors, anchors, boxes, len(priors), count, centre=CENTRE_VARIANCE,
        size=SIZE_VARIANCE, block=BLOCK, enable_fp_fusion=False)
    return boxes


@triton.jit
def _decode(offsets, priors, anchors, boxes, all_anchors, count, centre: tl.constexpr,
            size: tl.constexpr, block: tl.constexpr):
    """Write some boxes of one image, one axis after the other."""
    image = tl.program_id(1).to(tl.int64)
    index = tl.program_id(0) * block + tl.arange(0, block)
    inside = index < count
    anchor = tl.load(anchors + image * count + index, mask=inside, other=0)
    offset, prior = offsets + 4 * (image * all_anchors + anchor), priors + 4 * anchor
    target = boxes + 4 * (image * count + index)
    for axis in tl.static_range(2):
        length = tl.load(prior + 2 + axis)
        middle = tl.load(prior + axis) + tl.load(offset + axis).to(tl.float32) * centre * length
        length = length * tl.exp(tl.load(offset + 2 + axis).to(tl.float32) * size)
        low = middle - length / 2
        tl.store(target + axis, low, mask=inside)
        tl.store(target + 2 + axis, low + length, mask=inside)
