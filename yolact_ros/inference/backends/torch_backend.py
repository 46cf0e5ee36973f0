"""The network in torch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from yolact_ros.devices import dtype_of
from yolact_ros.inference.backends.cudnn import cudnn_operators
from yolact_ros.inference.backends.fuse import fuse_activations
from yolact_ros.inference.backends.onednn import onednn_operators
from yolact_ros.model.fold import fold_batch_norm
from yolact_ros.model.yolact import RawPredictions, Yolact
from yolact_ros.threads import openmp_threads


class TorchBackend:
    """
    The network in torch: batch norm and activations in the convolutions, channels last.

    :param model: in eval mode; it is taken over and changed.
    :param precision: 'float32', 'float16' or 'bfloat16'.

    It computes on as many threads as torch has where it is made.
    """

    def __init__(self, model: Yolact, device: torch.device, precision: str) -> None:
        self.config = model.config
        self.device = device
        self.dtype = dtype_of(precision)
        self.has_rescoring = model.maskiou_net is not None
        self._threads = torch.get_num_threads()
        self.priors = model.priors.to(device)
        self.description = f'{device}, {precision}, torch'
        self._model = fold_batch_norm(model).to(
            device, self.dtype, memory_format=torch.channels_last).eval()
        operators = cudnn_operators() if device.type == 'cuda' else onednn_operators()
        if operators is not None:
            fuse_activations(self._model, operators)

    def __call__(self, x: Tensor) -> RawPredictions:
        """Return raw predictions of (B, 3, H, W) of any float type."""
        with openmp_threads(self._threads), self._exact():
            return self._model(x.to(self.dtype, memory_format=torch.channels_last))

    def rescore(self, masks: Tensor) -> Tensor:
        """Return (N, C) mask IoU of (N, 1, Hp, Wp) cropped soft masks."""
        with openmp_threads(self._threads), self._exact():
            return self._model.maskiou_net(masks.to(self.dtype))

    def _exact(self) -> AbstractContextManager[None]:
        """Keep cuDNN from rounding float32 to ten bits, which it does unless told otherwise."""
        if self.device.type != 'cuda' or self.dtype != torch.float32:
            return nullcontext()
        return torch.backends.cudnn.flags(
            enabled=True, benchmark=torch.backends.cudnn.benchmark, allow_tf32=False)
