"""
The five losses of YOLACT and YOLACT++ with the original's exact normalisation.

Everything is computed in the dtype of the predictions. N below is the number of positive anchors
in the whole batch (of this process). A batch without positives costs only its semantic loss and
its background anchors (negatives_in_empty); the original divides 0 by 0 there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from yolact_ros.data.sample import Targets
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.ops.boxes import decode_boxes, encode_boxes, xyxy_to_cxcywh
from yolact_ros.ops.masks import assemble_masks, crop_masks
from yolact_ros.training.losses.batch_objects import BatchObjects, gather_objects
from yolact_ros.training.losses.ciou import ciou_loss
from yolact_ros.training.losses.matching import BACKGROUND, match_anchors
from yolact_ros.training.losses.partial_labels import merge_unlabelled, unlabelled_mask
from yolact_ros.training.losses.positives import Positives, draw_positives, find_positives

BOX_KINDS = ('smooth_l1', 'ciou')
# Pixels of masks that are resized at once: as floats they are four times as large.
RESIZED_TOGETHER = 2 ** 24


@dataclass(frozen=True)
class LossConfig:
    """
    Weights and rules of the losses; the defaults are the published recipe.

    :param box_kind: smooth_l1, or ciou (Zheng et al. 2020), whose values are smaller: raise
        box_weight with it.
    :param positive_iou: an anchor of at least this IoU learns the object.
    :param negative_iou: an anchor below it learns background.
    :param crowd_overlap: anchors with a larger share of their area in a crowd learn nothing.
    :param negatives_per_positive: mined background anchors for each positive one.
    :param negatives_in_empty: background anchors mined in an image without objects; the
        published value is 0, which makes such images useless as negatives.
    :param masks_to_train: positives per image whose mask is learnt.
    :param maskious_to_train: positives in the batch whose mask is re-scored, 0 for all; the loss
        is scaled back as if all were.
    :param min_maskiou_area: smaller masks are not re-scored [px of the prototype grid].
    """

    box_kind: str = 'smooth_l1'
    box_weight: float = 1.5
    class_weight: float = 1.0
    mask_weight: float = 6.125
    semantic_weight: float = 1.0
    maskiou_weight: float = 25.0
    positive_iou: float = 0.5
    negative_iou: float = 0.4
    crowd_overlap: float = 0.7
    negatives_per_positive: int = 3
    negatives_in_empty: int = 0
    masks_to_train: int = 100
    maskious_to_train: int = 0
    min_maskiou_area: float = 25.0

    def __post_init__(self) -> None:
        """Refuse values outside their range, naming the field."""
        if self.box_kind not in BOX_KINDS:
            raise ValueError(f'box_kind must be one of {", ".join(BOX_KINDS)}, '
                             f'got {self.box_kind!r}')
        for field in fields(self):
            if field.name != 'box_kind' and getattr(self, field.name) < 0:
                raise ValueError(f'{field.name} must be at least 0, '
                                 f'got {getattr(self, field.name)}')
        if not self.negative_iou <= self.positive_iou <= 1:
            raise ValueError('negative_iou must not exceed positive_iou, which must not exceed 1; '
                             f'got {self.negative_iou} and {self.positive_iou}')
        if self.masks_to_train < 1:
            raise ValueError(f'masks_to_train must be at least 1, got {self.masks_to_train}')


@dataclass(frozen=True, eq=False)
class Losses:
    """Weighted losses, scalars; mask_iou is None for a model without re-scoring."""

    box: Tensor
    classes: Tensor
    mask: Tensor
    semantic: Tensor
    mask_iou: Tensor | None = None

    def parts(self) -> dict[str, Tensor]:
        """Return name -> loss of those that exist."""
        return {field.name: getattr(self, field.name) for field in fields(self)
                if getattr(self, field.name) is not None}

    @property
    def total(self) -> Tensor:
        """What is minimised: the sum of all."""
        return torch.stack(list(self.parts().values())).sum()


def compute_losses(predictions: RawPredictions, priors: Tensor, targets: Sequence[Targets],
                   config: LossConfig = LossConfig(),
                   maskiou_net: Callable[[Tensor], Tensor] | None = None,
                   generator: torch.Generator | None = None) -> Losses:
    """
    Return the losses of a batch of B images.

    :param predictions: of a network in training mode, any floating dtype.
    :param priors: (P, 4) cx, cy, w, h relative.
    :param targets: B entries.
    :param maskiou_net: the re-scoring net, (N, 1, Hp, Wp) -> (N, C).
    :param generator: chooses the masks to train where an image has too many.
    """
    priors = priors.to(predictions.box_offsets.dtype)
    objects = gather_objects(targets, priors.dtype)
    matches = match_anchors(priors, objects, config.positive_iou, config.negative_iou,
                            config.crowd_overlap)
    positives = find_positives(matches)
    class_logits = merge_unlabelled(predictions.class_logits, matches.labels, objects.unlabelled)
    count = max(len(positives.images), 1)
    masks, mask_iou = mask_losses(predictions, positives, objects, config, maskiou_net, generator)
    return Losses(
        box=config.box_weight * box_loss(predictions.box_offsets, priors, positives,
                                         objects.boxes, config.box_kind) / count,
        classes=config.class_weight * class_loss(class_logits, matches.labels, config) / count,
        mask=config.mask_weight * masks / count,
        semantic=config.semantic_weight * semantic_loss(predictions.semantic_logits, objects),
        mask_iou=None if mask_iou is None else config.maskiou_weight * mask_iou / count)


def box_loss(box_offsets: Tensor, priors: Tensor, positives: Positives, boxes: Tensor,
             kind: str = 'smooth_l1') -> Tensor:
    """
    Return the sum over the positive anchors of smooth L1 between offsets, or of 1 - CIoU.

    :param box_offsets: (B, P, 4).
    :param boxes: (N, 4) of the objects of the batch.
    :param kind: one of BOX_KINDS.
    """
    predicted = box_offsets[positives.images, positives.anchors]
    wanted, priors = boxes[positives.objects], priors[positives.anchors]
    if kind == 'ciou':
        return ciou_loss(decode_boxes(predicted, priors), wanted).sum()
    return functional.smooth_l1_loss(
        predicted, encode_boxes(xyxy_to_cxcywh(wanted), priors), reduction='sum')


def class_loss(class_logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """
    Return the sum of cross entropies over positives and the hardest negatives (OHEM).

    :param class_logits: (B, P, C + 1), channel 0 is background.
    :param labels: (B, P), see Matches.
    """
    chosen = (labels > 0) | hard_negatives(class_logits.detach(), labels, config)
    return functional.cross_entropy(class_logits[chosen], labels[chosen], reduction='sum')


def hard_negatives(class_logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """
    Return (B, P) bool, True at the background anchors that look most like an object.

    As in the original the ranking includes positives and neutrals, with key 0, below every
    negative; so an image may get fewer negatives than its share when it has few.
    """
    key = class_logits.logsumexp(-1) - class_logits[..., 0]
    key = torch.where(labels == BACKGROUND, key, torch.zeros_like(key))
    positives = (labels > 0).sum(1)
    wanted = (config.negatives_per_positive * positives).clamp(max=labels.shape[1] - 1)
    wanted = torch.where(positives > 0, wanted, config.negatives_in_empty)
    order = key.sort(dim=1, descending=True, stable=True).indices
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    return (rank < wanted[:, None]) & (labels == BACKGROUND)


def mask_losses(predictions: RawPredictions, positives: Positives, objects: BatchObjects,
                config: LossConfig, maskiou_net: Callable[[Tensor], Tensor] | None = None,
                generator: torch.Generator | None = None) -> tuple[Tensor, Tensor | None]:
    """
    Return the mask loss and the re-scoring loss, not yet weighted nor divided by N.

    The mask loss of a positive is its summed binary cross entropy over the area of its ground
    truth box, both on the prototype grid; the prediction is cropped with that box. The
    re-scoring loss compares the re-scoring net's value for these cropped masks, not detached,
    with their true IoU.
    """
    learnt, shares = draw_positives(positives, config.masks_to_train, generator)
    coefficients = predictions.coefficients[learnt.images, learnt.anchors]
    # Unbound once: indexing the batch would make a gradient of the whole batch for each image.
    soft = torch.cat([assemble_masks(*image) for image in zip(
        predictions.prototypes.unbind(), coefficients.split(learnt.counts))])
    masks = _masks_on_grid(objects.masks, soft.shape[1:])[learnt.objects].to(soft.dtype)
    boxes = objects.boxes[learnt.objects]
    predicted = crop_masks(soft, boxes)
    total = (mask_loss(predicted, masks, boxes) * shares.to(soft)).sum()
    if maskiou_net is None:
        return total, None
    return total, mask_iou_loss(maskiou_net, predicted, masks, objects.class_ids[learnt.objects],
                                config, generator)


def mask_loss(predicted: Tensor, masks: Tensor, boxes: Tensor) -> Tensor:
    """
    Return (N,), of each object the sum of binary cross entropy / box area [px of the grid].

    Mask pixels outside the box meet a prediction of exactly 0 and cost 100 each (torch limits
    the logarithm), without gradient.

    :param predicted: (N, Hp, Wp) soft, cropped with the boxes.
    :param masks: (N, Hp, Wp) 0 or 1.
    :param boxes: (N, 4) relative corners.
    """
    height, width = masks.shape[1:]
    # A diverged network predicts NaN, which torch's cross entropy refuses (on CUDA for good): the
    # last term brings it back, so that the loss tells.
    known = predicted.nan_to_num(nan=0.0).clamp(0, 1)
    cost = functional.binary_cross_entropy(known, masks, reduction='none')
    sides = boxes[:, 2:] - boxes[:, :2]
    return cost.sum((1, 2)) / (sides[:, 0] * width) / (sides[:, 1] * height) \
        + 0 * predicted.sum((1, 2))


def mask_iou_loss(maskiou_net: Callable[[Tensor], Tensor], predicted: Tensor, masks: Tensor,
                  class_ids: Tensor, config: LossConfig,
                  generator: torch.Generator | None = None) -> Tensor:
    """
    Return the sum of smooth L1 between predicted and true mask IoU (Bolya et al. 2020, 3.4).

    :param predicted: (N, Hp, Wp) soft, cropped; the gradient reaches them.
    :param masks: (N, Hp, Wp) 0 or 1.
    :param class_ids: (N,) of the objects.
    """
    kept = (masks.sum((1, 2)) > config.min_maskiou_area).nonzero().flatten()
    count = len(kept)
    if count == 0:
        return predicted[kept].sum()
    if 0 < config.maskious_to_train < count:
        drawn = torch.randperm(count, generator=generator)[:config.maskious_to_train]
        kept = kept[drawn.to(kept.device)]
    predicted, masks, class_ids = predicted[kept], masks[kept], class_ids[kept]
    with torch.no_grad():
        binary = (predicted > 0.5).to(masks.dtype)
        overlap = (binary * masks).sum((1, 2))
        true_iou = overlap / (binary.sum((1, 2)) + masks.sum((1, 2)) - overlap)
    value = maskiou_net(predicted[:, None]).gather(1, class_ids[:, None])[:, 0]
    return functional.smooth_l1_loss(value, true_iou, reduction='sum') * (count / len(kept))


def semantic_loss(semantic_logits: Tensor, objects: BatchObjects) -> Tensor:
    """
    Return binary cross entropy, mean over pixels and images, summed over the labelled classes.

    :param semantic_logits: (B, C, H3, W3).
    """
    batch, classes, height, width = semantic_logits.shape
    masks = _masks_on_grid(objects.masks, (height, width)).to(semantic_logits.dtype)
    wanted = torch.zeros_like(semantic_logits).flatten(0, 1).index_add(
        0, objects.images * classes + objects.class_ids, masks).clamp(max=1)
    known = ~unlabelled_mask(objects.unlabelled, classes, semantic_logits.device)
    cost = functional.binary_cross_entropy_with_logits(
        semantic_logits, wanted.view_as(semantic_logits), known[:, :, None, None].to(wanted),
        reduction='sum')
    return cost / (height * width) / batch


def _masks_on_grid(masks: Tensor, size: Sequence[int]) -> Tensor:
    """Return (N, h, w) bool masks resized bilinearly, pixel centres at +0.5, and thresholded."""
    if len(masks) == 0:
        return torch.zeros((0, *size), dtype=torch.bool, device=masks.device)
    together = max(RESIZED_TOGETHER // masks[0].numel(), 1)
    return torch.cat([functional.interpolate(part[None].float(), tuple(size), mode='bilinear',
                                             align_corners=False)[0] > 0.5
                      for part in masks.split(together)])
