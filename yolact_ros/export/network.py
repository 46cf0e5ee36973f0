"""The network in a form that other runtimes' converters understand."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from torch import Tensor, nn

from yolact_ros.config import ModelConfig
from yolact_ros.export.deform_conv import Convolve, ExportableDeformConv
from yolact_ros.model.backbone import DeformConv
from yolact_ros.model.fold import fold_batch_norm
from yolact_ros.model.layers import MaskIouNet, pad_small
from yolact_ros.model.yolact import Yolact
from yolact_ros.weights.checkpoint_file import config_from_dict

EXPORT_VERSION = 1
# SHA-256 of the weights that a quantised network and its re-scoring net were made from.
SOURCE_KEY = 'source_sha256'
OUTPUT_NAMES = ('box_offsets', 'class_logits', 'coefficients', 'prototypes')


class ExportableNetwork(nn.Module):
    """
    A copy of a network that returns a plain tuple, batch norm folded.

    :param convolve: how deformable convolutions are computed, one of export.deform_conv.
    """

    def __init__(self, model: Yolact, convolve: Convolve) -> None:
        super().__init__()
        self._model = fold_batch_norm(copy.deepcopy(model).cpu().float()).eval()
        for parent in list(self._model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, DeformConv):
                    setattr(parent, name, ExportableDeformConv(child, convolve))
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the raw predictions that OUTPUT_NAMES lists."""
        raw = self._model(image)
        return raw.box_offsets, raw.class_logits, raw.coefficients, raw.prototypes


class ExportableRescoring(nn.Module):
    """The re-scoring net without its branch for no masks."""

    def __init__(self, net: MaskIouNet) -> None:
        super().__init__()
        self._shrink = net.shrink
        self._layers = copy.deepcopy(net.maskiou_net).cpu().float()
        self.eval()

    def forward(self, masks: Tensor) -> Tensor:
        """Return (N, C) of (N, 1, Hp, Wp)."""
        return self._layers(pad_small(self._shrink(masks))).amax((2, 3))


def rescoring_path(path: Path) -> Path:
    """Return where the re-scoring net of an exported network lies: a.onnx -> a.rescoring.onnx."""
    return path.with_suffix('.rescoring' + path.suffix)


def describe(config: ModelConfig) -> dict[str, str]:
    """Return what an exported file carries about its model."""
    return {'format': 'yolact_ros', 'export_version': str(EXPORT_VERSION),
            'config': json.dumps(asdict(config)), 'class_names': json.dumps(config.class_names),
            'input': 'image: (B, 3, H, W) float32 RGB, (pixel - pixel_mean) / pixel_std'}


def read_description(metadata: Mapping[str, str], path: object) -> ModelConfig:
    """
    Return the configuration that an exported file carries.

    :raises ValueError: when it is not of this project, of another version, or damaged.
    """
    if metadata.get('format') != 'yolact_ros':
        raise ValueError(f'{path} was not written by yolact export: its metadata names no '
                         'configuration; export the checkpoint with: yolact export WEIGHTS')
    version = metadata.get('export_version')
    if version != str(EXPORT_VERSION):
        raise ValueError(f'{path} has export version {version}, this yolact_ros reads version '
                         f'{EXPORT_VERSION}; export the checkpoint again with: yolact export')
    try:
        return config_from_dict(json.loads(metadata['config']))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} carries a damaged model configuration ({error}); export the '
                         'checkpoint again with: yolact export') from error
