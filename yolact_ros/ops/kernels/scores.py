"""Class scores: the best of every anchor, and those of chosen anchors that pass."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

WARP_TILE = 1024  # logits of one warp, padding included: 32 registers of every thread
TILE = 64, 16     # anchors and classes of one program


def anchor_scores(class_logits: Tensor, thresholds: Tensor,
                  candidate_threshold: Tensor) -> Tensor:
    """
    Return each anchor's best score that passes its class's threshold, 0 where none does.

    An anchor whose best foreground score does not exceed the candidate threshold gets 0, whatever
    the thresholds of its classes.

    :param class_logits: (B, P, C + 1) contiguous, channel 0 is background.
    :param thresholds: (C,) float32 that a score must exceed; infinite for classes left out.
    :param candidate_threshold: (1,) float32.
    :returns: (B, P) float32 in [0, 1].
    """
    assert class_logits.is_contiguous()
    batch, anchors, channels = class_logits.shape
    scores = torch.empty((batch, anchors), dtype=torch.float32, device=class_logits.device)
    block = triton.next_power_of_2(channels)
    rows = max(WARP_TILE // block, 1)
    # With one warp no sum crosses warps; only rows too long for one get more.
    warps = min(max(block // WARP_TILE, 1), 16)
    _best_scores[triton.cdiv(batch * anchors, rows),](
        class_logits, thresholds, candidate_threshold, scores, batch * anchors,
        channels=channels, rows=rows, block=block, num_warps=warps)
    return scores


def passing_scores(scores: Tensor, counts: Tensor, thresholds: Tensor, cut: Tensor) -> Tensor:
    """
    Return scores class after class, 0 where they do not exceed both limits.

    :param scores: (B, A, C + 1) float32 contiguous, channel 0 is background.
    :param counts: (B,) int32, how many of the A anchors count.
    :param thresholds: (C,) float32, limits of the classes.
    :param cut: (B,) float32, limit of the image.
    :returns: (B, C, A) float32.
    """
    assert scores.is_contiguous()
    batch, anchors, channels = scores.shape
    passing = scores.new_empty((batch, channels - 1, anchors))
    _pass[triton.cdiv(anchors, TILE[0]), triton.cdiv(channels - 1, TILE[1]), batch](
        scores, counts, thresholds, cut, passing, anchors, channels, rows=TILE[0], columns=TILE[1])
    return passing


@triton.jit
def _best_scores(logits, thresholds, candidate_threshold, scores, anchors,
                 channels: tl.constexpr, rows: tl.constexpr, block: tl.constexpr):
    """Write the scores of some anchors of the whole batch."""
    # Rows behind the end repeat the last anchor and write the same once more.
    anchor = tl.minimum(tl.program_id(0) * rows + tl.arange(0, rows), anchors - 1)
    channel = tl.arange(0, block)
    source = logits + anchor.to(tl.int64)[:, None] * channels + channel[None, :]
    logit = tl.load(source, mask=(channel < channels)[None, :],
                    other=float('-inf')).to(tl.float32)
    weight = tl.exp(logit - tl.max(logit, 1)[:, None])                        # (rows, block)
    total = tl.sum(weight, 1)
    foreground = (channel > 0) & (channel < channels)
    score = tl.where(foreground[None, :], weight / total[:, None], 0.0)
    limit = tl.load(thresholds + channel - 1, mask=foreground, other=float('inf'))
    passing = tl.max(tl.where(score > limit[None, :], score, 0.0), 1)
    candidate = tl.max(score, 1) > tl.load(candidate_threshold)
    tl.store(scores + anchor, tl.where(candidate, passing, 0.0))


@triton.jit
def _pass(scores, counts, thresholds, cut, passing, anchors, channels,
          rows: tl.constexpr, columns: tl.constexpr):
    """Write the scores of some anchors of one image in some classes."""
    image = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    class_id = tl.program_id(1) * columns + tl.arange(0, columns)
    inside = class_id < channels - 1
    counted = (row < tl.load(counts + image))[:, None] & inside[None, :]
    source = scores + (image * anchors + row)[:, None] * channels + (class_id + 1)[None, :]
    score = tl.load(source, mask=counted, other=0.0)
    limit = tl.load(thresholds + class_id, mask=inside, other=float('inf'))
    passes = (score > limit[None, :]) & (score > tl.load(cut + image))
    target = passing + (image * (channels - 1) + class_id)[None, :] * anchors + row[:, None]
    tl.store(target, tl.where(passes, score, 0.0), mask=inside[None, :] & (row < anchors)[:, None])
