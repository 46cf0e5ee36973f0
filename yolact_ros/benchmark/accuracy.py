"""How good the variants of a network are, to be seen beside how fast they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yolact_ros.config import PostprocessConfig
from yolact_ros.evaluation.evaluate import evaluate_data
from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.predictor import Predictor


def measure_accuracy(backends: Mapping[str, Backend], data: Sequence[str],
                     max_images: int | None = None) -> dict[str, dict[str, float]]:
    """
    Return the mask AP of every variant on every data set.

    :param data: COCO annotation files, synthetic:easy, synthetic:hard or synthetic:mixed.
    :param max_images: of each, always the same ones.
    :raises ValueError: when a data set has a class that the network does not know.
    """
    return {variant: {name: round(_mask_ap(backend, name, max_images), 4) for name in data}
            for variant, backend in backends.items()}


def _mask_ap(backend: Backend, data: str, max_images: int | None) -> float:
    """Return COCO's mask AP of a network, not of a script."""
    predictor = Predictor(backend, PostprocessConfig(score_threshold=0.0))
    return evaluate_data(predictor, data, max_images).mask_ap
