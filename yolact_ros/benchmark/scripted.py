"""A backend that finds exactly as many objects as it is told to, for measurements."""

from __future__ import annotations

import torch
from torch import Tensor

from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.ops.boxes import encode_boxes, xyxy_to_cxcywh

# A trained network fires at a dozen anchors around every object.
ANCHORS_PER_OBJECT = 12
CERTAIN = 8.0   # [logit]


class ScriptedBackend:
    """
    A backend whose network runs as usual, but whose predictions are replaced.

    Without trained weights a network finds nothing or everything. Here it finds count
    objects, whose masks are boxes of 6 to 25 % of the image's sides, so that everything after
    the network has the work that a real scene gives.

    :param count: objects in every image, at most a tenth of the anchors.
    """

    def __init__(self, backend: Backend, count: int, seed: int = 0) -> None:
        self.config, self.priors = backend.config, backend.priors
        self.device, self.dtype = backend.device, backend.dtype
        self.description = backend.description
        self.has_rescoring = backend.has_rescoring
        self.rescore = backend.rescore
        self.count = count
        self._backend = backend
        self._script = script_predictions(self.config.num_classes, self.config.num_prototypes,
                                          backend.priors, count, seed)

    def __call__(self, x: Tensor) -> RawPredictions:
        """Return predictions of count objects for each of (B, 3, H, W) images."""
        return follow_script(self._backend(x), self._script)


def script_predictions(num_classes: int, num_prototypes: int, priors: Tensor, count: int,
                       seed: int) -> RawPredictions:
    """
    Return predictions of one image in which count objects are found; prototypes are 1 x 1.

    :param priors: (P, 4).
    """
    generator = torch.Generator().manual_seed(seed)
    anchors = len(priors)
    logits = torch.randn(anchors, num_classes + 1, generator=generator)
    logits[:, 0] += CERTAIN
    coefficients = torch.zeros(anchors, num_prototypes)
    coefficients[:, 0] = 1.0
    offsets = torch.zeros(anchors, 4)
    boxes = _spread_boxes(count, generator)
    firing = torch.randperm(anchors, generator=generator)[:count * ANCHORS_PER_OBJECT]
    owners = torch.arange(len(firing)) % max(count, 1)
    sharpness = torch.where(torch.arange(len(firing)) < count, 2.0, 1.0)
    logits[firing, 1 + owners % num_classes] += CERTAIN * sharpness
    jitter = torch.randn(len(firing), 4, generator=generator) * 0.002
    jitter[:count] = 0
    offsets[firing] = encode_boxes(xyxy_to_cxcywh(boxes[owners] + jitter), priors.cpu()[firing])
    prototypes = torch.zeros(1, 1, num_prototypes)
    prototypes[..., 0] = CERTAIN
    return RawPredictions(*(part[None].to(priors.device)
                            for part in (offsets, logits, coefficients, prototypes)))


def follow_script(raw: RawPredictions, script: RawPredictions) -> RawPredictions:
    """Return predictions of the shape and precision of raw with the script's contents."""
    scripted = [told.to(like.dtype).expand(like.shape)
                for told, like in zip(script[:4], raw[:4])]
    return RawPredictions(*scripted)


def _spread_boxes(count: int, generator: torch.Generator) -> Tensor:
    """Return (N, 4) corner boxes of which none covers another by half: one per grid field."""
    side = max(1, -int(-count ** 0.5 // 1))
    field = torch.arange(count)
    centre = torch.stack((field % side, field // side), 1) + 0.5
    centre = (centre + (torch.rand(count, 2, generator=generator) - 0.5) * 0.3) / side
    size = torch.rand(count, 2, generator=generator) * 0.19 + 0.06
    return torch.cat((centre - size / 2, centre + size / 2), 1)
