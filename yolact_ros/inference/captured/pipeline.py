"""One frame on the device from bytes to packed masks, without a look back at the host."""

from __future__ import annotations

import torch
from torch import Tensor

from yolact_ros.inference.backends.torch_backend import Backend
from yolact_ros.inference.captured.buffers import FrameRequest, FrameResult
from yolact_ros.inference.captured.cuda_graphs import Mark
from yolact_ros.inference.captured.select import Slots, Thresholds, select_slots
from yolact_ros.ops.kernels.assembly import assemble_masks
from yolact_ros.ops.kernels.preprocess import preprocess_pictures
from yolact_ros.ops.kernels.rasterise import rasterise_masks


def run_frame(backend: Backend, nms: str, request: FrameRequest, result: FrameResult,
              mark: Mark) -> None:
    """
    Answer a request: every step that Predictor takes for pictures, in shapes that never change.

    :param backend: in torch, on the device.
    :param nms: 'fast' or 'cross_class'.
    :param request: on the device.
    :param result: on the device; every part of it is written.
    :param mark: sees the stages preprocess, network, detect, assemble, rescore and pixels.
    """
    config = backend.config
    x = preprocess_pictures(request.pictures, request.layout, config.input_size,
                            config.pixel_mean, config.pixel_std, backend.dtype)
    mark('preprocess')
    raw = backend(x)
    mark('network')
    slots = select_slots(raw, backend.priors, Thresholds(*request[:5]), result.boxes.shape[1],
                         nms)
    mark('detect')
    masks = assemble_masks(raw.prototypes, slots.coefficients, slots.boxes, slots.counts)
    mark('assemble')
    result.mask_scores.copy_(_mask_scores(backend, masks, slots))
    mark('rescore')
    rasterise_masks(masks, slots.boxes, slots.counts, request.layout, result.table, result.bits)
    for part, values in ((result.counts, slots.counts), (result.complete, slots.complete),
                         (result.boxes, slots.boxes), (result.class_ids, slots.class_ids),
                         (result.class_scores, slots.class_scores)):
        part.copy_(values)
    mark('pixels')


def _mask_scores(backend: Backend, masks: Tensor, slots: Slots) -> Tensor:
    """Return the predicted IoU (B, N) of (B, N, Hp, Wp) masks, NaN without re-scoring."""
    if not backend.has_rescoring:
        return torch.full_like(slots.class_scores, torch.nan)
    ious = backend.rescore(masks.flatten(0, 1)[:, None]).float()              # (B * N, C)
    return ious.gather(1, slots.class_ids.reshape(-1, 1)).view(slots.class_ids.shape)
