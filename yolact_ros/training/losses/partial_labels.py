"""Images that are not labelled for every class: what they may teach, and what not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from yolact_ros.training.losses.matching import BACKGROUND


def merge_unlabelled(class_logits: Tensor, labels: Tensor,
                     unlabelled: Sequence[tuple[int, ...]]) -> Tensor:
    """
    Return the logits with the unlabelled classes of each image counted as background there.

    At a background anchor of such an image nobody knows whether it is background or an object
    of these classes, so only the sum of their probabilities is learnt (Cermelli et al. 2020,
    equation 5). Where every image has all its labels, the logits are returned as they are.

    :param class_logits: (B, P, C + 1), channel 0 is background.
    :param labels: (B, P), see Matches.
    :param unlabelled: B times the class ids that the image is not labelled for.
    """
    if not any(unlabelled):
        return class_logits
    mask = unlabelled_mask(unlabelled, class_logits.shape[-1] - 1, class_logits.device)
    unknown = functional.pad(mask, (1, 0))[:, None]                      # (B, 1, C + 1)
    either = functional.pad(mask, (1, 0), value=True)[:, None]
    background = class_logits.masked_fill(~either, -torch.inf).logsumexp(-1, keepdim=True)
    merged = torch.cat((background, class_logits[..., 1:]), -1).masked_fill(unknown, -torch.inf)
    return torch.where((labels == BACKGROUND)[..., None], merged, class_logits)


def unlabelled_mask(unlabelled: Sequence[tuple[int, ...]], classes: int,
                    device: torch.device) -> Tensor:
    """Return (B, C) bool, True at the classes that an image is not labelled for."""
    return torch.tensor([[class_id in missing for class_id in range(classes)]
                         for missing in unlabelled], dtype=torch.bool).to(device)
