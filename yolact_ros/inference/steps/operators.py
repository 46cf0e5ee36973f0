"""What the stages of a frame are computed with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from yolact_ros.inference.backends.protocol import Backend
    from yolact_ros.inference.steps.select import Detections


class Operators(NamedTuple):
    """
    Operators on a batch of B images, in any form that the first and the last of them share.

    :param preprocess: images and the backend -> (B, 3, H, W), the network's input.
    :param best_anchors: (B, P, C + 1) logits, (C,) thresholds of classes and one of candidates, A
        -> the anchors with the best scores (B, A), ascending, and their scores of all classes
        (B, A, C), 0 where they do not pass or an anchor left out may be better; the best score
        left out or 0 (B,).
    :param decode: (B, P, 4) offsets, (P, 4) priors and (B, E) anchors -> (B, E, 4) boxes.
    :param largest: (B, M) values >= 0 and how many -> values and places of the largest of each
        row, best first, equal ones in their order. Zeros may be left out.
    :param rows: (B, M, ...) values and (B, n) rows -> (B, n, ...).
    :param nms_keep: (B, E, 4) boxes best first, (B, E) class ids and which take part, threshold
        of the IoU, top_k -> (B, E) bool, see mixed_nms.fast_nms_mixed.
    :param first_kept: (B, E) bool and N -> (B, N) places of the first that are True.
    :param assemble: (B, Hp, Wp, K) prototypes, (B, N, K) coefficients, (B, N, 4) boxes and (B,)
        counts -> (B, N, Hp, Wp) soft masks, zero outside their boxes.
    :param to_pixels: detections, soft masks, (B, N) mask scores and images -> Instances, or the
        memory that they are read from once it has come to the host.
    """

    preprocess: Callable[[Any, Backend], Tensor]
    best_anchors: Callable[[Tensor, Tensor, float | Tensor, int], tuple[Tensor, Tensor, Tensor]]
    decode: Callable[[Tensor, Tensor, Tensor], Tensor]
    largest: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    rows: Callable[[Tensor, Tensor], Tensor]
    nms_keep: Callable[[Tensor, Tensor, Tensor, float | Tensor, int | Tensor], Tensor]
    first_kept: Callable[[Tensor, int], Tensor]
    assemble: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    to_pixels: Callable[[Detections, Tensor, Tensor, Any], Any]
