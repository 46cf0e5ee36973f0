"""One training step: images to losses to gradients to weights."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from yolact_ros.data.sample import Batch, Targets, split_batch
from yolact_ros.devices import has_bfloat16_units
from yolact_ros.model.yolact import RawPredictions, Yolact, level_sizes
from yolact_ros.structures import InputSize, format_input_size
from yolact_ros.training.losses.losses import LossConfig, Losses, compute_losses
from yolact_ros.training.optimizer import restore_buffers, snapshot_buffers
from yolact_ros.training.processes import Processes


def training_precision(precision: str, device: torch.device,
                       input_size: InputSize) -> str:
    """
    Return float32 or bfloat16; 'auto' is bfloat16 where the device has instructions for it.

    :raises ValueError: for bfloat16 on a CPU with an input so small that P6 is one cell high or
        wide:
        oneDNN (torch 2.13) then returns uninitialised memory as the gradient of P7's
        convolution, 3x3 of stride 2 on 1x1.
    """
    broken = device.type == 'cpu' and 1 in level_sizes(input_size)[3]
    if precision == 'bfloat16' and broken:
        raise ValueError(f'bfloat16 does not train right on a CPU at '
                         f'{format_input_size(input_size)} px; choose float32 or an input of '
                         'more than 64 px')
    if precision != 'auto':
        return precision
    return 'bfloat16' if has_bfloat16_units(device) and not broken else 'float32'


@dataclass(frozen=True)
class StepResult:
    """
    What a step did.

    :param losses: name -> value, and their sum as total.
    :param gradient_norm: before clipping.
    :param applied: False when a loss or gradient was not finite and the weights were left alone.
    :param non_finite: names of this process's images whose own loss is not finite.
    """

    losses: dict[str, float]
    gradient_norm: float
    applied: bool
    non_finite: tuple[str, ...] = ()


class LossModule(nn.Module):
    """
    Network and losses as one module, which is what distributed training wraps.

    :param precision: 'float32', or 'bfloat16' for mixed precision; losses are float32 at least.
    """

    def __init__(self, model: Yolact, config: LossConfig, precision: str) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.mixed = precision == 'bfloat16'

    def forward(self, batch: Batch, seed: int) -> tuple[dict[str, Tensor], RawPredictions]:
        """Return name -> loss, and the predictions they were computed from."""
        with self._mixed(batch.images.device):
            raw = self.model(batch.images)
        predictions = RawPredictions(*(
            tensor.to(torch.promote_types(tensor.dtype, torch.float32)) for tensor in raw))
        losses = self.losses(predictions, batch.targets, seed).parts()
        if 'mask_iou' in losses and self.model.maskiou_net is not None:
            # Distributed training insists that every weight takes part, also without an object.
            losses['mask_iou'] = losses['mask_iou'] + sum(
                0 * weight.sum() for weight in self.model.maskiou_net.parameters())
        return losses, predictions

    def losses(self, predictions: RawPredictions, targets: list[Targets], seed: int) -> Losses:
        """Return the losses of predictions."""
        rescore = self._rescore if self.model.maskiou_net is not None else None
        return compute_losses(predictions, self.model.priors, targets, self.config, rescore,
                              torch.Generator().manual_seed(seed))

    def _rescore(self, masks: Tensor) -> Tensor:
        """Return what the re-scoring net says before its last ReLU, at least in float32."""
        with self._mixed(masks.device):
            assert self.model.maskiou_net is not None, 'nothing to rescore with'
            value = self.model.maskiou_net.before_relu(masks)
        return value.to(torch.promote_types(value.dtype, torch.float32))

    def _mixed(self, device: torch.device) -> AbstractContextManager:
        """Return a context of the network's precision."""
        return torch.autocast(device.type, torch.bfloat16) if self.mixed else nullcontext()


def train_step(module: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, seed: int,
               clip_norm: float, processes: Processes, parts: int = 1) -> StepResult:
    """
    Change the weights by one step, unless a loss or gradient is not finite in any process.

    :param module: a LossModule, possibly wrapped by DistributedDataParallel.
    :param seed: chooses the masks to train.
    :param clip_norm: largest gradient norm, 0 for no limit.
    :param parts: of the batch that are computed one after the other; the mean of their losses
        is learnt.
    """
    inner: LossModule = getattr(module, 'module', module)
    statistics = snapshot_buffers(inner)
    optimizer.zero_grad(set_to_none=True)
    values: dict[str, float] = {}
    non_finite: tuple[str, ...] = ()
    finite = True
    pieces = split_batch(batch, parts) if parts > 1 else [batch]
    for part in pieces:
        losses, predictions = module(part, seed)
        total = torch.stack(list(losses.values())).sum() / len(pieces)
        total.backward()
        for name, loss in losses.items():
            values[name] = values.get(name, 0.0) + float(loss.detach()) / len(pieces)
        if not bool(torch.isfinite(total)):
            finite = False
            non_finite += non_finite_images(inner, predictions, part, seed)
    values['total'] = sum(values.values())
    weights = [weight for group in optimizer.param_groups for weight in group['params']]
    norm = torch.nn.utils.clip_grad_norm_(weights, clip_norm or torch.inf, foreach=True)
    finite = finite and bool(torch.isfinite(norm))
    if processes.all_of([finite])[0]:
        optimizer.step()
        return StepResult(values, float(norm), True)
    restore_buffers(inner, statistics)
    return StepResult(values, float(norm), False, non_finite or (() if finite else batch.names))


@torch.no_grad()
def non_finite_images(module: LossModule, predictions: RawPredictions, batch: Batch,
                  seed: int) -> tuple[str, ...]:
    """Return the names of the images whose own loss is not finite, all when no single one is."""
    found = []
    for index, target in enumerate(batch.targets):
        alone = RawPredictions(*(tensor[index:index + 1].detach() for tensor in predictions
                                 if tensor is not None))
        if not bool(torch.isfinite(module.losses(alone, [target], seed).total)):
            found.append(batch.names[index])
    return tuple(found) or batch.names
