"""What a training is: one frozen dataclass, filled from a YAML file and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yolact_ros.config import MODEL_PRESETS
from yolact_ros.training.batches.augment import AugmentConfig
from yolact_ros.training.losses.losses import LossConfig
from yolact_ros.weights.lite import LITE_WEIGHTS

# The published recipe's rates are for this batch; autoscale converts them to others.
PUBLISHED_BATCH = 8
# What a training starts from -> the values that it stands for.
STARTS: dict[str, dict[str, str]] = {
    'lite': {'preset': 'yolact_plus_lite', 'backbone_weights': LITE_WEIGHTS},
    'demo': {'preset': 'yolact_plus_lite', 'weights': 'demo'},
}
CHOICES = {
    'start': ('', *STARTS),
    'preset': tuple(MODEL_PRESETS),
    'optimizer': ('sgd', 'adamw'),
    'schedule': ('step', 'cosine', 'onecycle', 'constant'),
    'precision': ('float32', 'bfloat16', 'auto'),
    'freeze': ('none', 'backbone', 'boxes'),
    'freeze_batch_norm': ('auto', 'yes', 'no'),
}


@dataclass(frozen=True)
class TrainConfig:
    """
    Everything that decides how a training goes; the defaults are the published recipe.

    The texts below are also the help of the command's flags.

    :param train: COCO JSON to learn from, data.yaml of YOLO, a folder of a labelling tool, or
        synthetic:easy, synthetic:hard, synthetic:mixed
    :param train_images: folder of its images; empty looks near the JSON
    :param val: what to measure AP on, in the same forms, or a share of train to keep for it,
        such as 0.2; empty takes the part val of a folder, if there is one
    :param val_images: folder of its images; empty looks near the JSON
    :param classes: classes to learn, in the order of class ids, others are ignored; OLD=NEW
        learns a class under another name; empty takes all of train
    :param strict: what could be left out, or wants a look, is an error (see yolact check)
    :param ignore_exif: labels were made without the EXIF orientation of the images
    :param shrink: larger images are brought once to so many times the input size, into the
        folder of the training; 0 leaves them
    :param scenes: synthetic images in an epoch
    :param out: folder for checkpoints, logs and plots; empty is runs/NAME of the config file
    :param start: demo (the packaged model) or lite (ImageNet weights of EfficientNet-Lite0, extra
        [lite]); stands for preset and weights
    :param preset: network to build
    :param model: fields of the network that differ from the preset
    :param weights: checkpoint to fine-tune; what fits is loaded, other class counts are fine
    :param backbone_weights: ImageNet backbone to start from
    :param batch_size: images in a step, over all processes
    :param accumulate: parts of a batch that are computed one after the other, for a batch that
        memory does not hold at once; batch norms and losses see a part
    :param repeat_rare: images of classes in fewer than this share of the images are seen more
        often (Gupta et al. 2019, repeat factor sampling); 0 sees all alike
    :param iterations: steps in all
    :param autoscale: rates, iterations and drops are for batch 8 and follow the batch size
    :param optimizer: sgd or adamw
    :param learning_rate: after the warm-up
    :param backbone_rate: what it is multiplied by for the backbone; 0.1 keeps that close to
        what it knew
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
    :param freeze: none, backbone (its weights and batch norms stay), or boxes (only prototypes,
        coefficients and re-scoring learn, so that what is found stays)
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
    :param patience: measurements in a row without a better mask AP that end the training; 0
        goes on to the last step
    :param hours: the training ends after so many, as if its last step were done: the learning
        rate falls to its end by then; 0 has no limit
    :param sample_pictures: images drawn with truth and prediction at every measurement
    :param max_nonfinite: steps in a row whose loss may be NaN or infinite before giving up
    """

    train: str = ''
    train_images: str = ''
    val: str = ''
    val_images: str = ''
    classes: tuple[str, ...] = ()
    strict: bool = False
    ignore_exif: bool = False
    shrink: float = 3.0
    scenes: int = 10000
    out: str = ''
    start: str = ''
    preset: str = 'yolact_resnet50'
    model: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ''
    backbone_weights: str = ''
    batch_size: int = PUBLISHED_BATCH
    accumulate: int = 1
    repeat_rare: float = 0.0
    iterations: int = 800_000
    autoscale: bool = True
    optimizer: str = 'sgd'
    learning_rate: float = 1e-3
    backbone_rate: float = 1.0
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
    patience: int = 0
    hours: float = 0.0
    sample_pictures: int = 4
    max_nonfinite: int = 20

    def __post_init__(self) -> None:
        """Refuse values outside their range, naming the field."""
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} must be one of {", ".join(allowed)}, '
                                 f'got {getattr(self, name)!r}')
        for name in ('batch_size', 'iterations', 'scenes', 'log_every', 'checkpoint_every',
                     'max_nonfinite', 'accumulate'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')
        for name in ('momentum', 'weight_decay', 'warmup', 'warmup_rate', 'clip_norm', 'workers',
                     'threads', 'evaluate_every', 'evaluate_images', 'sample_pictures',
                     'lr_drop_factor', 'shrink', 'patience', 'hours'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name} must be at least 0, got {getattr(self, name)}')
        if not self.learning_rate > 0:
            raise ValueError(f'learning_rate must be above 0, got {self.learning_rate}')
        if not self.backbone_rate > 0:
            raise ValueError('backbone_rate must be above 0, got '
                             f'{self.backbone_rate}; freeze: backbone keeps it as it is')
        if not 0 <= self.ema < 1:
            raise ValueError(f'ema must be in [0, 1), got {self.ema}')
        if not 0 <= self.repeat_rare <= 1:
            raise ValueError(f'repeat_rare must be in [0, 1], got {self.repeat_rare}')
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
