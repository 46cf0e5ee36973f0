"""Published state dicts: old quirks mended, and the network read off keys and shapes."""

from __future__ import annotations

import functools
import logging
import re
from pathlib import Path

import torch
from torch import Tensor

from yolact_ros.config import MODEL_PRESETS, PASCAL_CLASSES, ModelConfig
from yolact_ros.model.yolact import Yolact

logger = logging.getLogger(__name__)

BOX_VALUES = 4
BACKBONE_KEYS = ('layer1.', 'layers.0.', '_preconv.', 'conv1.', '_conv_stem.')  # of ImageNet files
# What DataParallel, torch.compile and a class around the network put before every key.
WRAPPERS = re.compile(r'^(?:module\.|_orig_mod\.|model\.)+')


def clean_published_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """
    Return a state dict without what wrappers and old versions of the original left in it.

    Dropped are the duplicates backbone.layerN... beside backbone.layers..., and FPN downsample
    layers beyond P7 that version 1.0 wrote; keys lose the prefixes of wrappers.
    """
    state = {WRAPPERS.sub('', key): tensor for key, tensor in state.items()}
    return {key: tensor for key, tensor in state.items()
            if not _is_duplicate(key) and not _is_unused_level(key)}


def _is_duplicate(key: str) -> bool:
    """Return whether an old file stores this backbone tensor a second time."""
    return key.startswith('backbone.layer') and not key.startswith('backbone.layers')


def _is_unused_level(key: str) -> bool:
    """Return whether the tensor belongs to an FPN level beyond P7."""
    match = re.match(r'fpn\.downsample_layers\.(\d+)\.', key)
    return match is not None and int(match.group(1)) >= 2


def infer_config(state: dict[str, Tensor], path: Path, preset: str | None = None) -> ModelConfig:
    """
    Return the preset that a published state dict was made with, with the file's class count.

    Networks that only differ in numbers outside the state dict (yolact_base, _im400, _im700) are
    told apart by the file name, and yolact_resnet50 from its Pascal variant by the name or by
    20 classes. When no preset fits exactly, the nearest one is returned: loading into it then
    names the differences.

    :param preset: name of the preset to use instead of guessing.
    :raises ValueError: when the file is no YOLACT model.
    """
    if 'prediction_layers.0.conf_layer.weight' not in state:
        raise ValueError(_not_a_model(state, path))
    num_classes = _count_classes(state)
    if preset is not None:
        return MODEL_PRESETS[preset](num_classes)
    misfits = {name: _count_misfits(state, make(num_classes))
               for name, make in MODEL_PRESETS.items()}
    fewest = min(misfits.values())
    candidates = [name for name, count in misfits.items() if count == fewest]
    return MODEL_PRESETS[_choose_by_name(candidates, path, num_classes)](num_classes)


def _count_misfits(state: dict[str, Tensor], config: ModelConfig) -> int:
    """Return how many tensors only one of state dict and network has, or of another shape."""
    found = {key: tensor.shape for key, tensor in state.items()}
    return sum(not key.endswith('num_batches_tracked')
               for key, _ in _shapes(config).items() ^ found.items())


@functools.lru_cache(32)
def _shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """Return the shape of every tensor of a network; a tenth of a second for each."""
    with torch.device('meta'):
        return {key: tensor.shape for key, tensor in Yolact(config).state_dict().items()}


def _choose_by_name(candidates: list[str], path: Path, num_classes: int) -> str:
    """Return the candidate that the file name mentions, else the most common one."""
    named = [name for name in candidates if name in path.name]
    if named:
        return max(named, key=len)
    pascal = 'yolact_resnet50_pascal'
    if pascal in candidates and num_classes == len(PASCAL_CLASSES):
        chosen = pascal
    else:
        chosen = candidates[0]
    if len(candidates) > 1:
        logger.warning('%s could be %s; taken for %s, give config to choose another', path,
                       ' or '.join(candidates), chosen)
    return chosen


def _count_classes(state: dict[str, Tensor]) -> int:
    """Return the number of foreground classes of the head."""
    anchors = state['prediction_layers.0.bbox_layer.weight'].shape[0] // BOX_VALUES
    return state['prediction_layers.0.conf_layer.weight'].shape[0] // anchors - 1


def _not_a_model(state: dict[str, Tensor], path: Path) -> str:
    """Return why a file without a prediction head cannot be a model."""
    if any(key.startswith(BACKBONE_KEYS) for key in state):
        return (f'{path} is an ImageNet backbone, not a YOLACT model: it has no prediction head. '
                'Use it to start a training (yolact train --backbone-weights); for inference give '
                'a whole checkpoint, for instance yolact download yolact_resnet50')
    return (f'{path} is not a YOLACT checkpoint: it has no prediction_layers.0.conf_layer; its '
            f'first keys are {", ".join(list(state)[:3]) or "none"}; give a YOLACT checkpoint, '
            'for instance yolact download yolact_resnet50')
