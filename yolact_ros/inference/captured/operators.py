"""A frame's operators in fixed shapes: Triton kernels, and nothing that waits for the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.captured.buffers import FrameRequest, FrameResult
from yolact_ros.inference.steps.operators import Operators
from yolact_ros.inference.steps.select import Detections
from yolact_ros.ops.kernels import assembly, boxes, largest, nms, preprocess, rasterise, scores


class FrameMemory(NamedTuple):
    """What a captured frame reads and writes, on the device."""

    request: FrameRequest
    result: FrameResult


def _preprocess(memory: FrameMemory, backend: Backend) -> Tensor:
    """Read the images of the request."""
    config, shape = backend.config, backend.config.input_shape
    return preprocess.preprocess_images(
        memory.request.images, memory.request.layout, (shape.height, shape.width),
        config.pixel_mean, config.pixel_std, backend.dtype)


def _best_anchors(logits: Tensor, classes: Tensor, candidate: Tensor,
                  most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Score all anchors by their best class, and the best of them as the eager steps do."""
    logits = logits.contiguous()
    _, anchors, counts, cut = largest.choose_largest(
        scores.anchor_scores(logits, classes, candidate), most)
    softmax = torch.softmax(_rows(logits, anchors), -1, dtype=torch.float32)
    passing = scores.passing_scores(softmax, counts, classes, cut)            # (B, C, A)
    return anchors, passing.transpose(1, 2), cut


def _largest(values: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Lay the values out as the kernels read them."""
    return largest.largest(values.contiguous(), most)


def _rows(values: Tensor, rows: Tensor) -> Tensor:
    """Take rows of every image by one kernel."""
    rows = rows.view(*rows.shape, *(1,) * (values.dim() - 2))
    return values.gather(1, rows.expand(-1, -1, *values.shape[2:]))


def _decode(offsets: Tensor, priors: Tensor, anchors: Tensor) -> Tensor:
    """Lay the offsets out as the kernel reads them."""
    return boxes.decode_chosen(offsets.contiguous(), priors, anchors.contiguous())


def _nms_keep(candidates: Tensor, class_ids: Tensor, valid: Tensor, iou: Tensor,
              top_k: Tensor) -> Tensor:
    """Lay the candidates out as the kernel reads them."""
    return nms.fast_nms_keep(candidates.contiguous(), class_ids.contiguous(),
                             valid.contiguous(), iou, top_k)


def _first_kept(keep: Tensor, most: int) -> Tensor:
    """Lay the verdicts out as the kernel reads them."""
    return largest.first_kept(keep.contiguous(), most)


def _assemble(prototypes: Tensor, coefficients: Tensor, boxes: Tensor, counts: Tensor) -> Tensor:
    """Lay the detections out as the kernel reads them."""
    return assembly.assemble_masks(prototypes, coefficients.contiguous(), boxes.contiguous(),
                                   counts)


def _to_pixels(found: Detections, soft: Tensor, mask_scores: Tensor,
               memory: FrameMemory) -> FrameResult:
    """Write every part of the result."""
    request, result = memory
    rasterise.rasterise_masks(soft, found.boxes.contiguous(), found.counts, request.layout,
                              result.table, result.bits)
    # On the device the parts are tensors.
    part: Any
    for part, values in ((result.counts, found.counts), (result.complete, found.complete),
                         (result.boxes, found.boxes), (result.class_ids, found.class_ids),
                         (result.class_scores, found.class_scores),
                         (result.mask_scores, mask_scores)):
        part.copy_(values)
    return result


TRITON = Operators(_preprocess, _best_anchors, _decode, _largest, _rows, _nms_keep, _first_kept,
                   _assemble, _to_pixels)
