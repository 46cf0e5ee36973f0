"""What a training is: one frozen dataclass, filled from a YAML file and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yolact_ros.config import MODEL_PRESETS
from yolact_ros.training.augment import AugmentConfig
from yolact_ros.training.losses import LossConfig

# The published recipe's rates are for this batch; autoscale converts them to others.
PUBLISHED_BATCH = 8
CHOICES = {
    'preset': tuple(MODEL_PRESETS),
    'optimizer': ('sgd', 'adamw'),
    'schedule': ('step', 'cosine', 'onecycle', 'constant'),
    'precision': ('float32', 'bfloat16', 'auto'),
    'freeze': ('none', 'backbone'),
    'freeze_batch_norm': ('auto', 'yes', 'no'),
}


@dataclass(frozen=True)
class TrainConfig:
    """
    Everything that decides how a training goes; the defaults are the published recipe.

    The texts below are also the help of the command's flags.

    :param train: COCO JSON to learn from, or synthetic:easy, synthetic:hard, synthetic:mixed
    :param train_images: folder of its images; empty looks near the JSON
    :param val: COCO JSON to measure AP on, synthetic:..., or a share of train to keep for it,
        such as 0.2; empty measures none
    :param val_images: folder of its images; empty looks near the JSON
    :param classes: class names in the order of class ids; empty takes the categories of train
    :param scenes: synthetic images in an epoch
    :param out: folder for checkpoints, logs and plots; empty is runs/NAME of the config file
    :param preset: network to build
    :param model: fields of the network that differ from the preset
    :param weights: checkpoint to fine-tune; what fits is loaded, other class counts are fine
    :param backbone_weights: ImageNet backbone to start from
    :param batch_size: images in a step, over all processes
    :param iterations: steps in all
    :param autoscale: rates, iterations and drops are for batch 8 and follow the batch size
    :param optimizer: sgd or adamw
    :param learning_rate: after the warm-up
    :param momentum: of sgd
    :param weight_decay: of all parameters with sgd; adamw spares biases and batch norms
    :param schedule: step, cosine, onecycle or constant
    :param lr_drops: steps at which the step schedule multiplies the rate
    :param lr_drop_factor: by how much
    :param warmup: steps over which the rate rises
    :param warmup_rate: rate at step 0
    :param clip_norm: largest gradient norm; 0 does not clip
    :param ema: decay of the averaged weights that are evaluated and saved; 0 does not average
    :param precision: float32, bfloat16 (mixed: losses stay float32), or auto for bfloat16 where
        the device computes faster in it
    :param freeze: none or backbone (its weights and batch norms stay)
    :param freeze_batch_norm: yes, no or auto (with pretrained weights and fewer than 6 images
        in a process's batch, as in the original)
    :param augment: random changes of the images
    :param loss: weights and rules of the losses
    :param seed: of weights, order and augmentation
    :param workers: loader processes
    :param threads: of the process that learns; 0 takes the cores that the loaders leave
    :param device: auto, cpu, cuda or cuda:N
    :param log_every: steps between rows of losses.csv
    :param checkpoint_every: steps between checkpoints
    :param evaluate_every: steps between measurements of AP; 0 only at the end
    :param evaluate_images: most images a measurement uses; 0 uses all
    :param sample_pictures: images drawn with truth and prediction at every measurement
    :param max_nonfinite: steps in a row whose loss may be NaN or infinite before giving up
    """

    train: str = ''
    train_images: str = ''
    val: str = ''
    val_images: str = ''
    classes: tuple[str, ...] = ()
    scenes: int = 10000
    out: str = ''
    preset: str = 'yolact_resnet50'
    model: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ''
    backbone_weights: str = ''
    batch_size: int = PUBLISHED_BATCH
    iterations: int = 800_000
    autoscale: bool = True
    optimizer: str = 'sgd'
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = 'step'
    lr_drops: tuple[int, ...] = (280_000, 600_000, 700_000, 750_000)
    lr_drop_factor: float = 0.1
    warmup: int = 500
    warmup_rate: float = 1e-4
    clip_norm: float = 0.0
    ema: float = 0.0
    precision: str = 'float32'
    freeze: str = 'none'
    freeze_batch_norm: str = 'auto'
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig(negatives_in_empty=32)
    seed: int = 0
    workers: int = 2
    threads: int = 0
    device: str = 'auto'
    log_every: int = 20
    checkpoint_every: int = 1000
    evaluate_every: int = 0
    evaluate_images: int = 0
    sample_pictures: int = 4
    max_nonfinite: int = 20

    def __post_init__(self) -> None:
        """Refuse values outside their range, naming the field."""
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} must be one of {", ".join(allowed)}, '
                                 f'got {getattr(self, name)!r}')
        for name in ('batch_size', 'iterations', 'scenes', 'log_every', 'checkpoint_every',
                     'max_nonfinite'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')
        for name in ('momentum', 'weight_decay', 'warmup', 'warmup_rate', 'clip_norm', 'workers',
                     'threads', 'evaluate_every', 'evaluate_images', 'sample_pictures',
                     'lr_drop_factor'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name} must be at least 0, got {getattr(self, name)}')
        if not self.learning_rate > 0:
            raise ValueError(f'learning_rate must be above 0, got {self.learning_rate}')
        if not 0 <= self.ema < 1:
            raise ValueError(f'ema must be in [0, 1), got {self.ema}')
        if self.weights and self.backbone_weights:
            raise ValueError('weights already holds a backbone; leave backbone_weights out')

    @property
    def batch_factor(self) -> float:
        """Return by how much autoscale stretches rates and shortens steps."""
        return self.batch_size / PUBLISHED_BATCH if self.autoscale else 1.0

    @property
    def steps(self) -> int:
        """Return the iterations of this training, scaled to its batch."""
        return max(int(self.iterations // self.batch_factor), 1)
