"""Which weights learn and how: freezing, optimiser, learning rate, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from yolact_ros.model.yolact import Yolact
from yolact_ros.training.config import TrainConfig

# Below this many images the statistics of a batch say too little (original: train.py).
MIN_BATCH_FOR_NORM = 6
FACTOR = 'rate_factor'  # of a group of weights, what its learning rate is multiplied by


def should_freeze_batch_norm(config: TrainConfig, world: int = 1) -> bool:
    """
    Return whether batch norms keep their statistics and weights.

    :param world: number of processes that share the batch.
    """
    if config.freeze_batch_norm != 'auto':
        return config.freeze_batch_norm == 'yes'
    # From scratch the statistics have to come from somewhere, however small the batch.
    pretrained = bool(config.weights or config.backbone_weights)
    return pretrained and config.batch_size // world < MIN_BATCH_FOR_NORM


def freeze(model: Yolact, part: str, batch_norm: bool) -> None:
    """
    Take weights out of the training.

    :param part: none, backbone, or boxes: all weights that do not make or judge masks.
    :param batch_norm: those of all batch norms, too.
    """
    if part == 'boxes':
        model.requires_grad_(False)
        for learning in (model.proto_net, model.prediction_layers[0].mask_layer,
                         model.maskiou_net):
            if learning is not None:
                learning.requires_grad_(True)
    elif part == 'backbone':
        model.backbone.requires_grad_(False)
    if batch_norm:
        for module in _batch_norms(model):
            module.requires_grad_(False)


def train_mode(model: nn.Module) -> None:
    """Switch to training mode, except batch norms whose weights are frozen."""
    model.train()
    for module in _batch_norms(model):
        module.train(module.weight.requires_grad)


def _batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    """Return all batch norms."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """
    Return the optimiser of the weights that learn.

    SGD decays all of them, as in the original; AdamW only those with more than one dimension.
    """
    adamw = config.optimizer == 'adamw'
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            factor = config.backbone_rate if name.startswith('backbone.') else 1.0
            decay = 0.0 if adamw and weight.dim() <= 1 else config.weight_decay
            groups.setdefault((factor, decay), []).append(weight)
    described = [{'params': weights, FACTOR: factor, 'weight_decay': decay}
                 for (factor, decay), weights in groups.items()]
    return torch.optim.AdamW(described, config.learning_rate, fused=True) if adamw else \
        torch.optim.SGD(described, config.learning_rate, config.momentum)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let the weights learn at a rate, those of the backbone at their share of it."""
    for group in optimizer.param_groups:
        group['lr'] = rate * group.get(FACTOR, 1.0)


@dataclass(frozen=True)
class Schedule:
    """
    The learning rate of every step.

    :param kind: 'step' (published), 'cosine' (falls to 0), 'onecycle' (rises over the warm-up
        from 1/25, then falls as a cosine) or 'constant'.
    :param peak: learning rate after the warm-up.
    :param iterations: steps in all.
    :param drops: 'step': from each of these steps on the rate is multiplied by drop_factor.
    :param warmup: steps over which the rate rises.
    :param warmup_start: rate at step 0.
    """

    kind: str
    peak: float
    iterations: int
    drops: tuple[int, ...] = ()
    drop_factor: float = 0.1
    warmup: int = 500
    warmup_start: float = 1e-4

    def rate(self, step: int, clock: float = 0.0) -> float:
        """
        Return the learning rate of the step, counted from 0.

        :param clock: the step that would be due, were the steps spread over the allowed time;
            where it is ahead, the rate falls with it.
        """
        return min(self._rate(step), self._rate(max(step, clock)))

    def _rate(self, step: float) -> float:
        """Return the learning rate of a step, or of a place between two."""
        if self.warmup > 0 and step <= self.warmup:
            return self._warmup_rate(step / self.warmup)
        if self.kind == 'step':
            return self.peak * self.drop_factor ** sum(step >= drop for drop in self.drops)
        if self.kind == 'constant':
            return self.peak
        progress = (step - self.warmup) / max(self.iterations - self.warmup, 1)
        return self.peak * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    def _warmup_rate(self, share: float) -> float:
        """Return the rate after this share of the warm-up."""
        if self.kind == 'onecycle':
            start = self.peak / 25
            return start + (self.peak - start) * 0.5 * (1 - math.cos(math.pi * share))
        return self.warmup_start + (self.peak - self.warmup_start) * share


def make_schedule(config: TrainConfig) -> Schedule:
    """Return the learning rate of each step; the warm-up is not scaled with the batch."""
    factor = config.batch_factor
    return Schedule(config.schedule, config.learning_rate * factor, config.steps,
                    tuple(int(drop // factor) for drop in config.lr_drops),
                    config.lr_drop_factor, config.warmup, config.warmup_rate)


class WeightAverage:
    """
    An exponential moving average of a model's weights and batch-norm statistics.

    :param decay: share of the old average; smaller during the first steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {key: tensor.detach().clone() for key, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the model; step counts from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        current = model.state_dict()
        real = [key for key, tensor in self.state.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.state[key] for key in real],
                             [current[key].detach() for key in real], share)
        for key in self.state.keys() - set(real):
            self.state[key].copy_(current[key])

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Lend the model the averaged weights for the block."""
        own = {key: tensor.detach().clone() for key, tensor in model.state_dict().items()}
        model.load_state_dict(self.state)
        try:
            yield
        finally:
            model.load_state_dict(own)


def snapshot_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of the batch-norm statistics."""
    return {key: buffer.clone() for key, buffer in model.named_buffers()
            if key.endswith(('running_mean', 'running_var', 'num_batches_tracked'))}


@torch.no_grad()
def restore_buffers(model: nn.Module, saved: dict[str, Tensor]) -> None:
    """Put statistics back that snapshot_buffers kept."""
    own = dict(model.named_buffers())
    for key, buffer in saved.items():
        own[key].copy_(buffer)
