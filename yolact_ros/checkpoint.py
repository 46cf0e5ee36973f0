"""Models from weights and weights from models."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import safetensors.torch
from torch import Tensor

from yolact_ros.config import MODEL_PRESETS, ModelConfig
from yolact_ros.files import replacing
from yolact_ros.model.yolact import Yolact
from yolact_ros.weights.checkpoint_file import FORMAT_VERSION, read_checkpoint
from yolact_ros.weights.lite import LITE_WEIGHTS, find_lite_weights, rename_lite_keys
from yolact_ros.weights.published import DEMO_WEIGHTS, PUBLISHED, cache_path
from yolact_ros.weights.state_dict import infer_config

LARGEST_FILE = 2 << 30  # [bytes]; ten times the largest published network

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadReport:
    """
    What of a file went into a model.

    :param loaded: keys that fitted.
    :param missing: the model's keys that the file lacks; they keep their values.
    :param mismatched: keys whose shapes differ; they keep their values.
    :param unused: the file's keys that the model lacks.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    unused: tuple[str, ...]


def resolve_weights(name_or_path: str | Path) -> Path:
    """
    Return the file that a name or path stands for.

    :param name_or_path: 'demo' (the packaged model), a published name, lite0_imagenet (of the
        extra [lite]), or a path.
    :raises FileNotFoundError: when there is no such file, with the cure.
    """
    name = str(name_or_path)
    published = [weights.name for weights in PUBLISHED]
    if name == 'demo':
        return _existing(DEMO_WEIGHTS, 'the packaged demo model is missing; reinstall yolact_ros')
    if name in published:
        return _existing(cache_path(name), f'fetch it once with: yolact download {name}')
    if name == LITE_WEIGHTS:
        return _existing(find_lite_weights(), 'install its package again')
    known = ', '.join(('demo', *published, LITE_WEIGHTS))
    return _existing(Path(name).expanduser(), f'give a path to a checkpoint or one of: {known}')


def load_model(path: str | Path, config: ModelConfig | str | None = None,
               class_names: Sequence[str] = ()) -> tuple[Yolact, ModelConfig]:
    """
    Return the model of a checkpoint, ready for inference on the CPU, and its configuration.

    :param path: a file, or a name that resolve_weights knows.
    :param config: a ModelConfig or the name of a preset; needed only where a published file does
        not tell (yolact_im400 and yolact_im700 differ from yolact_base in nothing but the name).
    :param class_names: of a file that does not tell them; own checkpoints keep theirs.
    :raises FileNotFoundError: when there is no such file.
    :raises ValueError: when the file is no checkpoint, or does not fit the configuration.
    """
    path = resolve_weights(path)
    state, stored = read_checkpoint(path)
    named = stored is not None or isinstance(config, ModelConfig)
    config = _choose_config(state, stored, config, path)
    if not named:
        config = _with_names(config, class_names, path)
    model = Yolact(config)
    cure = ('Choose another config (' + ', '.join(MODEL_PRESETS) + ') or leave it out to have it '
            'inferred') if stored is None else 'The file is damaged; copy or write it again'
    _load_strictly(model, state, path, cure)
    return model.eval(), config


def save_model(path: str | Path, model: Yolact, half: bool = False) -> None:
    """
    Write weights, configuration and class names to one file; an existing file survives a failure.

    :param path: ends in .safetensors by convention.
    :param half: store floating-point weights in 16 bits, half the size.
    :raises OSError: when the file cannot be written.
    """
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    if half:
        state = {key: tensor.half() if tensor.is_floating_point() else tensor
                 for key, tensor in state.items()}
    metadata = {'format': 'yolact_ros', 'format_version': str(FORMAT_VERSION),
                'config': json.dumps(asdict(model.config))}
    with replacing(Path(path)) as part:
        part.write_bytes(safetensors.torch.save(state, metadata))


def load_matching(model: Yolact, path: str | Path) -> LoadReport:
    """
    Load what fits of a checkpoint into a model, for fine-tuning with other classes.

    :returns: what was loaded and what was not; the caller shows it.
    :raises ValueError: when nothing fits.
    """
    path = resolve_weights(path)
    state, _ = read_checkpoint(path)
    return _load_fitting(model, state, path)


def load_backbone(model: Yolact, path: str | Path) -> LoadReport:
    """
    Load an ImageNet backbone (torchvision's ResNet names, DarkNet-53, Lite0) into a model.

    :raises ValueError: when the file is not that of the model's backbone.
    """
    path = resolve_weights(path)
    state, _ = read_checkpoint(path)
    renamed = {}
    for key, tensor in rename_lite_keys(state).items():
        if key.startswith('layer') and key[5].isdigit():
            stage, rest = key[5:].split('.', 1)
            key = f'layers.{int(stage) - 1}.{rest}'
        renamed[f'backbone.{key}'] = tensor
    own = {key: value for key, value in model.state_dict().items() if key.startswith('backbone.')}
    report = _load_fitting(model, renamed, path)
    allowed = ('num_batches_tracked', 'conv_offset_mask.weight', 'conv_offset_mask.bias',
               'conv2.bias')
    lacking = [key for key in own if key not in report.loaded and not key.endswith(allowed)]
    if lacking:
        raise ValueError(
            f'{path} does not fit the backbone {model.config.backbone}: {len(lacking)} of '
            f'{len(own)} tensors are missing or of another shape, first {lacking[0]}; '
            'give the ImageNet file of that backbone')
    return report


def _choose_config(state: dict[str, Tensor], stored: ModelConfig | None,
                   wanted: ModelConfig | str | None, path: Path) -> ModelConfig:
    """Return the wanted, stored or inferred configuration, in this order."""
    if isinstance(wanted, ModelConfig):
        return wanted
    if wanted and wanted not in MODEL_PRESETS:
        raise ValueError(f'config {wanted!r} is unknown; known: {", ".join(MODEL_PRESETS)}')
    if stored is not None:
        if wanted and replace(MODEL_PRESETS[wanted](class_names=stored.class_names),
                              name=stored.name) != stored:
            raise ValueError(f'{path} carries its own configuration ({stored.name}), which is '
                             f'not {wanted}; leave config out')
        return stored
    return infer_config(state, path, wanted or None)


def _with_names(config: ModelConfig, class_names: Sequence[str], path: Path) -> ModelConfig:
    """Return the configuration with the names; say so where they are only guessed."""
    if class_names:
        if len(class_names) != config.num_classes:
            raise ValueError(f'{path} has {config.num_classes} classes, got {len(class_names)} '
                             f'class_names ({", ".join(class_names[:5])}, ...); name all of them')
        return replace(config, class_names=tuple(class_names))
    if path.name not in {weights.file_name for weights in PUBLISHED}:
        logger.warning('%s does not name its %d classes; they are taken for %s, %s, ...; give '
                       'class_names where they are others', path, config.num_classes,
                       *(config.class_names * 2)[:2])
    return config


def _load_strictly(model: Yolact, state: dict[str, Tensor], path: Path, cure: str) -> None:
    """Load all weights, or say which do not fit and what helps."""
    own = model.state_dict()
    missing = [key for key in own if key not in state
               and not key.endswith('num_batches_tracked')]
    unexpected = [key for key in state if key not in own]
    mismatched = [f'{key} is {tuple(state[key].shape)}, wanted {tuple(own[key].shape)}'
                  for key in own if key in state and state[key].shape != own[key].shape]
    problems = [f'{len(found)} {what} (first: {found[0]})' for what, found in (
        ('keys missing', missing), ('keys unexpected', unexpected),
        ('shapes different', mismatched)) if found]
    if problems:
        raise ValueError(
            f'{path} does not fit the configuration {model.config.name} with '
            f'{model.config.num_classes} classes: {"; ".join(problems)}. {cure}')
    model.load_state_dict(state, strict=False)


def _load_fitting(model: Yolact, state: dict[str, Tensor], path: Path) -> LoadReport:
    """Load the tensors whose names and shapes agree."""
    own = model.state_dict()
    fitting = {key: tensor for key, tensor in state.items()
               if key in own and own[key].shape == tensor.shape}
    if not any(tensor.is_floating_point() for tensor in fitting.values()):
        raise ValueError(f'nothing in {path} fits the model {model.config.name}: its first key is '
                         f'{next(iter(state), "none")}; give a checkpoint of the same backbone')
    model.load_state_dict(fitting, strict=False)
    return LoadReport(
        loaded=tuple(fitting), missing=tuple(key for key in own if key not in state),
        mismatched=tuple(key for key in state if key in own and key not in fitting),
        unused=tuple(key for key in state if key not in own))


def _existing(path: Path, cure: str) -> Path:
    """Return the path if there is a file, else raise with the cure."""
    if path.is_dir():
        raise IsADirectoryError(f'weights {path} is a folder, wanted a file; {cure}')
    if not path.exists():
        raise FileNotFoundError(f'weights {path} not found; {cure}')
    if not path.is_file():
        raise ValueError(f'weights {path} is a device, pipe or socket, wanted a regular '
                         f'file; {cure}')
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f'weights {path} has {path.stat().st_size >> 20} MiB, wanted at most '
                         f'{LARGEST_FILE >> 20}; {cure}')
    return path
