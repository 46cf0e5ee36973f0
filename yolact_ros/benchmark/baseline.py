"""
The plain way to run YOLACT, for comparison: what one writes first, correct and unhurried.

Eager float32 in NCHW, batch norm as its own layer, deformable convolution by grid_sample, softmax
of all anchors, every mask resized to the whole image as floats (as the original does).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from yolact_ros.benchmark.scripted import follow_script, script_predictions
from yolact_ros.config import PostprocessConfig
from yolact_ros.export.deform_conv import ExportableDeformConv, deform_by_grid_sample
from yolact_ros.inference.steps.stages import StageClock
from yolact_ros.inference.steps.thresholds import TOP_K
from yolact_ros.model.backbone import DeformConv
from yolact_ros.model.yolact import Yolact
from yolact_ros.ops.boxes import decode_boxes
from yolact_ros.ops.masks import assemble_masks, crop_masks
from yolact_ros.ops.nms import fast_nms


class PlainPredictor:
    """
    An image in, dense masks out.

    :param model: in eval mode; it is taken over and changed.
    :param count: objects to find, see ScriptedBackend; None takes the network at its word.
    :ivar stage_ms: milliseconds of the last call by stage.
    """

    def __init__(self, model: Yolact, device: torch.device, count: int | None = None) -> None:
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, DeformConv):
                    setattr(parent, name, ExportableDeformConv(
                        child, deform_by_grid_sample))
        self._model = model.to(device)
        self._device = device
        self._config = PostprocessConfig()
        self._script = None if count is None else script_predictions(
            model.config.num_classes, model.config.num_prototypes, model.priors, count, 0)
        self.stage_ms: dict[str, float] = {}

    @torch.inference_mode()
    def predict(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return scores (N,), class ids (N,) and masks (N, H, W) bool of (H, W, 3) uint8."""
        clock = StageClock()
        config = self._model.config
        mean, std = (torch.tensor(values, device=self._device).reshape(1, 3, 1, 1)
                     for values in (config.pixel_mean, config.pixel_std))
        x = torch.from_numpy(rgb).to(self._device).permute(2, 0, 1)[None].float().contiguous()
        shape = config.input_shape
        x = functional.interpolate(x, (shape.height, shape.width), mode='bilinear',
                                   align_corners=False)
        x = (x - mean) / std
        clock.mark('preprocess')
        raw = self._model(x)
        if self._script is not None:
            raw = follow_script(raw, self._script)
        clock.mark('network')
        boxes, class_ids, scores, coefficients = self._detect(raw)
        clock.mark('detect')
        masks = crop_masks(assemble_masks(raw.prototypes[0], coefficients), boxes)
        clock.mark('assemble')
        if self._model.maskiou_net is not None and len(masks):
            scores = scores * self._model.maskiou_net(masks[:, None]).gather(
                1, class_ids[:, None])[:, 0]
        clock.mark('rescore')
        dense = self._resize(masks, rgb.shape[:2])
        result = scores.cpu().numpy(), class_ids.cpu().numpy(), dense
        clock.mark('pixels')
        self.stage_ms = clock.stage_ms
        return result

    def _detect(self, raw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return boxes, class ids, scores and coefficients of the detections."""
        scores = torch.softmax(raw.class_logits[0], -1)[:, 1:].T
        boxes = decode_boxes(raw.box_offsets[0], self._model.priors)
        candidates = scores.amax(0) > self._config.candidate_threshold
        rows = candidates.nonzero()[:, 0]
        kept, class_ids, kept_scores = fast_nms(boxes[rows], scores[:, rows],
                                                self._config.iou_threshold,
                                                self._config.top_k or TOP_K)
        passing = (kept_scores > self._config.score_threshold).nonzero()[:, 0]
        passing = passing[:self._config.max_instances]
        chosen = rows[kept[passing]]
        return boxes[chosen], class_ids[passing], kept_scores[passing], raw.coefficients[0, chosen]

    @staticmethod
    def _resize(masks: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Return (N, H, W) bool."""
        if len(masks) == 0:
            return np.zeros((0, *size), bool)
        dense = functional.interpolate(masks[None], size, mode='bilinear', align_corners=False)
        return (dense[0] > 0.5).cpu().numpy()
