"""A frame's operators in fixed shapes: Triton kernels, and nothing that waits for the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.captured.buffers import FrameRequest, FrameResult
from yolact_ros.inference.steps.operators import Operators
from yolact_ros.inference.steps.select import Detections
from yolact_ros.ops.kernels import assembly, nms, preprocess, rasterise, scores


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
    """Sort the best scores of all anchors: how many see something only the device knows."""
    best = scores.anchor_scores(logits.contiguous(), classes, candidate)      # (B, P)
    values, anchors = _largest(best, most + 1)
    cut = values[:, most] if values.shape[1] > most else values.new_zeros(len(values))
    anchors = anchors[:, :most].sort(1).values
    of_classes = torch.softmax(_rows(logits, anchors).float(), -1)[..., 1:]
    passing = (of_classes > classes) & (of_classes > cut[:, None, None]) \
        & (_rows(best, anchors) > 0)[..., None]
    return anchors, of_classes.masked_fill(~passing, 0.0), cut


def _largest(values: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Sort everything, zeros too."""
    values, places = values.sort(dim=1, descending=True, stable=True)
    return values[:, :most], places[:, :most]


def _rows(values: Tensor, rows: Tensor) -> Tensor:
    """Take rows of every image."""
    return values[torch.arange(len(values), device=values.device)[:, None], rows]


def _nms_keep(boxes: Tensor, class_ids: Tensor, valid: Tensor, iou: Tensor,
              top_k: Tensor) -> Tensor:
    """Lay the candidates out as the kernel reads them."""
    return nms.fast_nms_keep(boxes.contiguous(), class_ids.int().contiguous(),
                             valid.contiguous(), iou, top_k)


def _first_kept(keep: Tensor, most: int) -> Tensor:
    """Count up to each one's place; those of no place share one behind the others."""
    place = keep.cumsum(1, dtype=torch.int32).sub_(1)
    place = place.masked_fill_(~keep, most).clamp_(max=most).long()
    order = torch.arange(keep.shape[1], device=keep.device).expand_as(place)
    return place.new_zeros(len(keep), most + 1).scatter_(1, place, order)[:, :most]


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


TRITON = Operators(_preprocess, _best_anchors, _largest, _rows, _nms_keep, _first_kept, _assemble,
                   _to_pixels)
