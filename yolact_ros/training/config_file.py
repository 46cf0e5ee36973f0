"""Read a TrainConfig from YAML and flags, with errors that name file, key and what is allowed."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from yolact_ros.checkpoint import resolve_weights
from yolact_ros.config import MODEL_PRESETS
from yolact_ros.files import check_unfolded, read_text, replace_file
from yolact_ros.training.batches.augment import AugmentConfig
from yolact_ros.training.config import CHOICES, STARTS, TrainConfig
from yolact_ros.training.losses.losses import LossConfig
from yolact_ros.weights.checkpoint_file import read_checkpoint

DEPTH = 5  # of the package under the folder that holds share/, at most
SECTIONS = {'augment': AugmentConfig, 'loss': LossConfig, 'model': dict}
TRUE, FALSE = ('true', 'yes', 'on', '1'), ('false', 'no', 'off', '0')


def load_train_config(path: str | Path | None,
                      overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """
    Return the configuration of a YAML file with the overrides applied.

    :param path: a file, or the name of a recipe, see find_config; None for the defaults.
    :param overrides: key -> value; for the sections augment, loss and model a dict of theirs.
    :raises FileNotFoundError: when there is no such file.
    :raises ValueError: for an unknown key or a value that does not fit.
    """
    path = None if path is None else find_config(path)
    content = {} if path is None else read_yaml(path)
    overrides = overrides or {}
    config = apply(TrainConfig(), _start_values(content, overrides), 'start')
    if path is not None:
        config = apply(config, {key: value for key, value in content.items() if key != 'start'},
                       str(path))
        if not config.out:
            config = replace(config, out=f'runs/{path.stem.removeprefix("train_")}')
    config = apply(config, {key: value for key, value in overrides.items() if key != 'start'},
                   'flags')
    return config if config.out else replace(config, out='runs/training')


def find_config(name: str | Path) -> Path:
    """
    Return the file of a configuration.

    :param name: a path, or a recipe of this package: photos stands for train_photos.yaml.
    :raises FileNotFoundError: when it is neither, naming the recipes.
    """
    if Path(name).is_file():
        return Path(name)
    recipes = {path.stem.removeprefix('train_'): path for folder in reversed(config_folders())
               for path in sorted(folder.glob('train_*.yaml'))}
    if str(name) not in recipes:
        raise FileNotFoundError(f'training configuration {name} not found; give a file, or a '
                                f'recipe of the package: {", ".join(recipes)}')
    return recipes[str(name)]


def config_folders() -> list[Path]:
    """Return where the package's configurations may lie: in its checkout, or its installation."""
    package = Path(__file__).parents[1]
    return [package.parent / 'config', *(parent / 'share/yolact_ros/config'
                                         for parent in package.parents[:DEPTH])]


def _start_values(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what a training starts from, where the file or the flags name a start.

    Weights or a preset among the flags are a start of their own.
    """
    start = overrides.get('start', content.get('start') or '')
    if not overrides.get('start') and {'preset', 'weights', 'backbone_weights'} & {*overrides}:
        start = ''
    if start == '':
        return _values_of_weights({**content, **overrides})
    known = STARTS.get(start, {}) if isinstance(start, str) else {}
    return {'start': start, **known}


def _values_of_weights(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preset of a checkpoint of this project, which then need not be named."""
    weights = values.get('weights')
    if 'preset' in values or not weights or not isinstance(weights, str):
        return {}
    try:
        _, stored = read_checkpoint(resolve_weights(weights))
    except (OSError, ValueError):  # told when it is loaded, after the data
        return {}
    return {'preset': stored.name} if stored and stored.name in MODEL_PRESETS else {}


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Return the mapping that a YAML file holds."""
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not valid YAML: {error}') from error
    check_unfolded(content, path)
    if content is not None and not isinstance(content, dict):
        raise ValueError(f'{path} must hold "key: value" lines, got {type(content).__name__}')
    return content or {}


def apply(config: Any, values: Mapping[str, Any], where: str, section: str = '') -> Any:
    """
    Return the dataclass with the values put in.

    :param where: file name or 'flags', for messages.
    """
    hints = get_type_hints(type(config))
    known = [item.name for item in fields(config)]
    changed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f'{where}: unknown key {section}{key}; allowed: {", ".join(known)}')
        current = getattr(config, key)
        if is_dataclass(current):
            changed[key] = apply(current, _mapping(value, where, key), where, f'{key}.')
        elif key == 'model':
            changed[key] = {**current, **_mapping(value, where, key)}
        else:
            changed[key] = convert(value, hints[key], f'{where}: {section}{key}')
    try:
        return replace(config, **changed)
    except ValueError as error:
        raise ValueError(f'{where}: {section}{error}') from error


def convert(value: Any, kind: Any, label: str) -> Any:
    """
    Return the value as the field's type.

    Text is read where a number is wanted: YAML takes 1e-3 for text.

    :raises ValueError: naming the label, the wanted type and the value.
    """
    if get_origin(kind) is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(convert(item, get_args(kind)[0], label) for item in items)
    if isinstance(value, (list, tuple, dict)):
        raise ValueError(f'{label} must be {kind.__name__}, got {_shown(value)}')
    text = str(value).strip().lower()
    try:
        if kind is bool and (isinstance(value, bool) or text in TRUE + FALSE):
            return value if isinstance(value, bool) else text in TRUE
        if kind is int and not isinstance(value, bool) and float(text) == int(float(text)):
            return int(float(text))
        if kind is float and not isinstance(value, bool) and math.isfinite(float(text)):
            return float(text)
        if kind is str:
            # YAML reads a bare yes or no as a truth value.
            if isinstance(value, bool):
                return 'yes' if value else 'no'
            return '' if value is None else str(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f'{label} must be {kind.__name__}, got {value!r}')


def _shown(value: Any) -> str:
    """Return a value for people; the content of a list would only hide what is wrong."""
    return f'a {type(value).__name__}' if isinstance(value, (list, tuple, dict)) else repr(value)


def _mapping(value: Any, where: str, key: str) -> Mapping[str, Any]:
    """Return a section's values."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f'{where}: {key} must hold "name: value" entries, '
                         f'got {_shown(value)}')
    return value


def write_train_config(config: TrainConfig, path: Path) -> None:
    """Write a configuration that load_train_config reads back."""
    values = {key: list(value) if isinstance(value, tuple) else value
              for key, value in asdict(config).items()}
    replace_file(path, yaml.safe_dump(_plain(values), sort_keys=False).encode())


def _plain(value: Any) -> Any:
    """Return value with tuples as lists, however deep, as YAML wants them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each field of TrainConfig; KEY=VALUE lists for the sections."""
    texts = field_texts(TrainConfig)
    hints = get_type_hints(TrainConfig)
    for item in fields(TrainConfig):
        flag = '--' + item.name.replace('_', '-')
        text = texts[item.name].replace('%', '%%')
        default = item.default if item.default is not MISSING else ''
        shown = f' [{default}]' if default not in ('', ()) and item.name not in SECTIONS else ''
        options: dict[str, Any] = {'default': argparse.SUPPRESS, 'help': text + shown}
        if item.name in SECTIONS:
            options |= {'nargs': '+', 'metavar': 'KEY=VALUE'}
        elif hints[item.name] is bool:
            options |= {'action': argparse.BooleanOptionalAction}
        elif get_origin(hints[item.name]) is tuple:
            options |= {'nargs': '*', 'metavar': 'VALUE'}
        elif item.name in CHOICES:
            options |= {'choices': CHOICES[item.name]}
        else:
            options |= {'metavar': hints[item.name].__name__.upper()}
        parser.add_argument(flag, **options)


def overrides_of(args: argparse.Namespace) -> dict[str, Any]:
    """
    Return what the flags said, for load_train_config.

    :raises ValueError: for a section entry that is not KEY=VALUE.
    """
    values = {item.name: getattr(args, item.name) for item in fields(TrainConfig)
              if hasattr(args, item.name)}
    for section in SECTIONS:
        if section in values:
            values[section] = dict(_pair(entry, section) for entry in values[section])
    return values


def _pair(entry: str, section: str) -> tuple[str, Any]:
    """Return key and value of KEY=VALUE; the value is read as YAML."""
    key, equals, value = entry.partition('=')
    if not equals:
        raise ValueError(f'--{section} wants KEY=VALUE, got {entry!r}')
    return key, yaml.safe_load(value)


def field_texts(kind: type) -> dict[str, str]:
    """Return field -> its :param: text in the class's docstring."""
    pattern = r':param (\w+): (.*?)(?=\n\s*:param |\n\s*\n|\s*$)'
    return {name: ' '.join(text.split())
            for name, text in re.findall(pattern, kind.__doc__ or '', re.DOTALL)}
