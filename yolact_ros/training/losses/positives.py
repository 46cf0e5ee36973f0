"""The anchors of a batch that learn an object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from yolact_ros.training.losses.matching import Matches


@dataclass(frozen=True, eq=False)
class Positives:
    """
    The M positive anchors of B images, image after image.

    :param images: (M,) int64, the image of each.
    :param anchors: (M,) int64.
    :param objects: (M,) int64, row among the objects of the batch.
    :param counts: B numbers of anchors.
    """

    images: Tensor
    anchors: Tensor
    objects: Tensor
    counts: list[int]


def find_positives(matches: Matches) -> Positives:
    """Return the positive anchors of a batch."""
    positive = matches.labels > 0
    images, anchors = positive.nonzero(as_tuple=True)
    return Positives(images, anchors, matches.objects[images, anchors], positive.sum(1).tolist())


def draw_positives(positives: Positives, most: int,
                   generator: torch.Generator | None = None) -> tuple[Positives, Tensor]:
    """
    Return at most so many positives of each image, drawn at random, and (M,) what each stands for.

    An image with twice as many has its positives count twice, so that a sum keeps its size.
    """
    rows, counts, shares, start = [], [], [], 0
    for count in positives.counts:
        drawn = torch.arange(count) if count <= most \
            else torch.randperm(count, generator=generator)[:most]
        rows.append(start + drawn)
        counts.append(len(drawn))
        shares += [count / max(len(drawn), 1)] * len(drawn)
        start += count
    chosen = torch.cat(rows).to(positives.images.device)
    return Positives(positives.images[chosen], positives.anchors[chosen],
                     positives.objects[chosen], counts), torch.tensor(shares)
