"""Fast NMS of a fixed number of candidates."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

COLUMNS = 16  # candidates judged by one program
ROWS = 128    # better ones it compares at once


def fast_nms_keep(boxes: Tensor, class_ids: Tensor, valid: Tensor, iou_threshold: Tensor,
                  top_k: Tensor) -> Tensor:
    """
    Mark the candidates that Fast NMS keeps (Bolya et al. 2019), as steps.mixed_nms.fast_nms_mixed.

    A candidate is better than another one of its class when it comes earlier. It loses against
    any better one that overlaps it by more than the threshold or by an undefined amount, and
    against top_k better ones of any place. The overlaps are never in memory at once.

    :param boxes: (B, E, 4) float32 corners, contiguous, best score first.
    :param class_ids: (B, E) int32 or int64, contiguous.
    :param valid: (B, E) bool, contiguous; the others neither stay nor take part.
    :param iou_threshold: (1,) float32.
    :param top_k: (1,) int32.
    :returns: (B, E) bool.
    """
    assert boxes.is_contiguous() and class_ids.is_contiguous() and valid.is_contiguous()
    batch, count = class_ids.shape
    keep = torch.empty_like(valid)
    # Without fusion the overlaps are torch's to the last bit: thresholds can be met exactly.
    _judge[triton.cdiv(count, COLUMNS), batch](
        boxes, class_ids, valid, iou_threshold, top_k, keep, count, rows=ROWS, columns=COLUMNS,
        enable_fp_fusion=False)
    return keep


@triton.jit
def _load(boxes, class_ids, valid, index, count):
    """Return the corners, classes and validity of some candidates of one image."""
    inside = index < count
    left = tl.load(boxes + 4 * index, mask=inside, other=0.0)
    top = tl.load(boxes + 4 * index + 1, mask=inside, other=0.0)
    right = tl.load(boxes + 4 * index + 2, mask=inside, other=0.0)
    bottom = tl.load(boxes + 4 * index + 3, mask=inside, other=0.0)
    class_id = tl.load(class_ids + index, mask=inside, other=0)
    taking_part = tl.load(valid + index, mask=inside, other=0) != 0
    return left, top, right, bottom, class_id, taking_part


@triton.jit
def _judge(boxes, class_ids, valid, iou_threshold, top_k, keep, count,
           rows: tl.constexpr, columns: tl.constexpr):
    """Write the verdict on a block of candidates of one image."""
    first = tl.program_id(1).to(tl.int64) * count
    boxes, class_ids, valid = boxes + 4 * first, class_ids + first, valid + first
    start = tl.program_id(0) * columns
    judged = start + tl.arange(0, columns)
    left, top, right, bottom, class_id, taking_part = _load(boxes, class_ids, valid, judged, count)
    area = (right - left) * (bottom - top)
    threshold = tl.load(iou_threshold)
    ahead = tl.zeros((columns,), tl.int32)
    beaten = tl.zeros((columns,), tl.int32)
    # Behind the last that takes part, as most are in most images, nothing is compared.
    stop = tl.where(tl.max(taking_part.to(tl.int32), 0) > 0, tl.minimum(start + columns, count), 0)
    for at in range(0, stop, rows):
        other = at + tl.arange(0, rows)
        left_o, top_o, right_o, bottom_o, class_o, part_o = _load(boxes, class_ids, valid, other,
                                                                  count)
        better = (other[:, None] < judged[None, :]) & part_o[:, None] \
            & (class_o[:, None] == class_id[None, :])                         # (rows, columns)
        width = tl.minimum(right_o[:, None], right[None, :]) \
            - tl.maximum(left_o[:, None], left[None, :])
        height = tl.minimum(bottom_o[:, None], bottom[None, :]) \
            - tl.maximum(top_o[:, None], top[None, :])
        overlap = tl.maximum(width, 0.0) * tl.maximum(height, 0.0)
        area_o = (right_o - left_o) * (bottom_o - top_o)
        # NaN for two boxes without area
        iou = tl.div_rn(overlap, area_o[:, None] + area[None, :] - overlap)
        wins = better & ((iou > threshold) | (iou != iou))
        ahead += tl.sum(better.to(tl.int32), 0)
        beaten += tl.sum(wins.to(tl.int32), 0)
    # The overlap with nothing is 0: a threshold below it keeps nothing.
    nothing = tl.zeros((columns,), tl.float32)
    stays = taking_part & (beaten == 0) & (ahead < tl.load(top_k)) & (nothing <= threshold)
    tl.store(keep + first + judged, stays, mask=judged < count)
