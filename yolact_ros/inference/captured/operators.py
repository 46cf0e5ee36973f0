"""A frame's operators in fixed shapes: Triton kernels, and nothing that waits for the device."""

from __future__ import annotations

from typing import NamedTuple

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
    config = backend.config
    return preprocess.preprocess_images(
        memory.request.images, memory.request.layout, config.input_size, config.pixel_mean,
        config.pixel_std, backend.dtype)


def _anchor_scores(logits: Tensor, classes: Tensor, candidate: Tensor) -> Tensor:
    """Lay the logits out as the kernel reads them."""
    return scores.anchor_scores(logits.contiguous(), classes, candidate)


def _largest(values: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Sort everything: how much of it is zero only the device knows."""
    values, places = values.sort(dim=1, descending=True, stable=True)
    return values[:, :most], places[:, :most]


def _nms_keep(boxes: Tensor, class_ids: Tensor, valid: Tensor, iou: Tensor,
              top_k: Tensor) -> Tensor:
    """Lay the candidates out as the kernel reads them."""
    return nms.fast_nms_keep(boxes.contiguous(), class_ids.int().contiguous(),
                             valid.contiguous(), iou, top_k)


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
    for part, values in ((result.counts, found.counts), (result.complete, found.complete),
                         (result.boxes, found.boxes), (result.class_ids, found.class_ids),
                         (result.class_scores, found.class_scores),
                         (result.mask_scores, mask_scores)):
        part.copy_(values)
    return result


TRITON = Operators(_preprocess, _anchor_scores, _largest, _nms_keep, _assemble, _to_pixels)
