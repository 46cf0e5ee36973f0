"""
Tensors of files that hold weights, never running code from one.

Three kinds are read: this project's own (safetensors with the configuration and class names
inside), published YOLACT checkpoints (`.pth`, bare state dicts) and ImageNet backbones for
training.
"""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from yolact_ros.config import ModelConfig
from yolact_ros.weights.state_dict import clean_published_keys

FORMAT_VERSION = 1


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], ModelConfig | None]:
    """
    Return the tensors of a file (float32) and, for this project's own files, the configuration.

    :raises ValueError: when the file holds anything but finite tensors.
    """
    with path.open('rb') as file:
        head = file.read(512)
    _reject_foreign(head, path)
    if head[:1] == b'\x80' or head[:2] == b'PK':
        state, stored = _read_pickle(path), None
    else:
        state, stored = _read_safetensors(path)
    state = {key: tensor.float() if tensor.is_floating_point() else tensor
             for key, tensor in state.items()}
    broken = [key for key, tensor in state.items()
              if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())]
    if broken:
        raise ValueError(f'{path} holds NaN or infinite weights in {len(broken)} tensors, first '
                         f'{broken[0]}; the training that wrote it diverged, take an earlier '
                         'checkpoint')
    return clean_published_keys(state), stored


def _reject_foreign(head: bytes, path: Path) -> None:
    """Refuse what is obviously no checkpoint, and say what it is."""
    if not head:
        raise ValueError(f'{path} is empty; download or copy it again')
    if head.lstrip()[:1] == b'<':
        raise ValueError(f'{path} is a web page (HTML), not a checkpoint; the download link led '
                         'to a page, fetch the file itself (yolact download NAME does)')
    if head.startswith(b'version https://git-lfs'):
        raise ValueError(f'{path} is a git-lfs pointer, not the checkpoint; run git lfs pull')


def _read_pickle(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a torch.save file; a number beside them, as an epoch, is left out."""
    try:
        with warnings.catch_warnings():  # about pickles of other programs; the error says enough
            warnings.simplefilter('ignore', UserWarning)
            loaded = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} holds Python objects besides tensors, or is damaged, and was not loaded: '
            'unpickling them could run code. A YOLACT checkpoint is a bare state dict; save it '
            'again as torch.save(model.state_dict(), path)') from error
    except Exception as error:  # torch's unpickler stumbles in any way over damaged bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition('. ')[0]
        raise ValueError(f'{path} is truncated or damaged ({reason}); download or copy it again, '
                         f'its size is {path.stat().st_size} bytes') from error
    state = _only_tensors(loaded)
    if not state:
        found = f'a dict with keys {", ".join(map(str, list(loaded)[:5]))}' \
            if isinstance(loaded, dict) else type(loaded).__name__
        raise ValueError(f'{path} is not a bare state dict (name -> tensor) but {found}; save '
                         'only the weights: torch.save(model.state_dict(), path)')
    return state


def _only_tensors(loaded: object) -> dict[str, Tensor]:
    """Return the tensors of a state dict, none where it is no state dict or only holds one."""
    if not isinstance(loaded, dict):
        return {}
    state = {key: value for key, value in loaded.items()
             if isinstance(key, str) and isinstance(value, Tensor)}
    bare = len(state) == len(loaded) or any('.' in key for key in state)  # {'step': tensor, ...}
    return state if bare else {}


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], ModelConfig | None]:
    """Return tensors and configuration of a safetensors file."""
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        raise ValueError(f'{path} is no checkpoint, or a truncated one ({error}); expected a '
                         'YOLACT .pth or a .safetensors file of this project') from error
    if metadata.get('format') != 'yolact_ros':
        return state, None
    version = metadata.get('format_version', '')
    if version != str(FORMAT_VERSION):
        raise ValueError(f'{path} has format version {version}, this yolact_ros reads version '
                         f'{FORMAT_VERSION}; update yolact_ros or write the file again')
    try:
        return state, config_from_dict(json.loads(metadata['config']))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} carries a damaged model configuration ({error}); write the '
                         'file again with save_model') from error


def config_from_dict(fields: dict) -> ModelConfig:
    """
    Return the configuration that dataclasses.asdict turned into plain JSON.

    :raises TypeError: for unknown or missing fields, and values of another type.
    :raises ValueError: for values that no network can be built from.
    """
    kinds = get_type_hints(ModelConfig)
    values: dict[str, Any] = {name: _tuples(value) for name, value in fields.items()}
    for name, value in values.items():
        if name in kinds and not _is(value, kinds[name]):
            kind = kinds[name] if get_args(kinds[name]) else kinds[name].__name__
            raise TypeError(f'{name} is {str(value)[:60]}, wanted {kind}')
    return ModelConfig(**values)


def _is(value: object, kind: Any) -> bool:
    """Return whether a value is of an annotated type; whole numbers do for floats."""
    if get_origin(kind) in (Union, UnionType):
        return any(_is(value, one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        return isinstance(value, tuple) and (kinds[-1] is ... or len(value) == len(kinds)) and all(
            _is(item, kinds[0]) for item in value)
    return type(value) is kind or kind is float and type(value) is int


def _tuples(value: object) -> object:
    """Return value with every list, however deep, as a tuple."""
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
