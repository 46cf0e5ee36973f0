"""The objects that a batch teaches, in few large tensors instead of four for every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from yolact_ros.data.sample import Targets


@dataclass(frozen=True, eq=False)
class BatchObjects:
    """
    The N objects of B images, image after image, and the crowds apart.

    :param boxes: (N, 4) x_min, y_min, x_max, y_max relative to the input.
    :param class_ids: (N,) int64, 0-based.
    :param masks: (N, H, W) uint8 or bool at input size.
    :param images: (N,) int64, the image of each.
    :param counts: B numbers of objects.
    :param crowds: (M, 4) boxes of the crowds, for the images that have some.
    :param unlabelled: B times the classes whose objects may be there without being labelled.
    """

    boxes: Tensor
    class_ids: Tensor
    masks: Tensor
    images: Tensor
    counts: list[int]
    crowds: dict[int, Tensor]
    unlabelled: list[tuple[int, ...]]


def gather_objects(targets: Sequence[Targets], dtype: torch.dtype) -> BatchObjects:
    """
    Return the objects of B images; from a GPU it reads only which of them are crowds.

    :param dtype: of the boxes.
    """
    boxes = torch.cat([target.boxes for target in targets]).to(dtype)
    lengths = torch.tensor([len(target.boxes) for target in targets])
    images = torch.arange(len(targets)).repeat_interleave(lengths)
    crowd = torch.cat([target.crowd for target in targets]).cpu()
    rows = (~crowd).nonzero().flatten().to(boxes.device)
    crowds = {int(image): boxes[(crowd & (images == image)).to(boxes.device)]
              for image in images[crowd].unique()}
    return BatchObjects(
        boxes[rows], torch.cat([target.class_ids for target in targets])[rows],
        torch.cat([target.masks for target in targets])[rows], images[~crowd].to(boxes.device),
        torch.bincount(images[~crowd], minlength=len(targets)).tolist(), crowds,
        [target.unlabelled for target in targets])
