"""What runs the network: a backend turns inputs into raw predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from yolact_ros.config import ModelConfig
from yolact_ros.model.yolact import RawPredictions

# An input array -> the output arrays, in the order of the file.
Runner = Callable[[np.ndarray], list[np.ndarray]]


class Backend(Protocol):
    """
    The network behind a predictor.

    :ivar config: of the model.
    :ivar priors: (P, 4) on the device.
    :ivar device: where inputs are wanted and predictions appear.
    :ivar dtype: that the network computes in; inputs of it need no conversion.
    :ivar description: device, precision and runtime for people.
    :ivar has_rescoring: whether rescore may be called.
    """

    config: ModelConfig
    priors: Tensor
    device: torch.device
    dtype: torch.dtype
    description: str
    has_rescoring: bool

    def __call__(self, x: Tensor) -> RawPredictions:
        """Return raw predictions of (B, 3, H, W) of any float type."""

    def rescore(self, masks: Tensor) -> Tensor:
        """Return (N, C) mask IoU of (N, 1, Hp, Wp) cropped soft masks."""
