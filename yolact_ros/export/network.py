"""The network in a form that other runtimes' converters understand."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolact_ros.config import ModelConfig
from yolact_ros.model.backbone import DeformConv
from yolact_ros.model.fold import fold_batch_norm
from yolact_ros.model.layers import MaskIouNet, pad_small
from yolact_ros.model.yolact import Yolact
from yolact_ros.ops.deform_conv import deform_conv2d
from yolact_ros.weights.checkpoint_file import config_from_dict

EXPORT_VERSION = 1
# SHA-256 of the weights that a quantised network and its re-scoring net were made from.
SOURCE_KEY = 'source_sha256'
OUTPUT_NAMES = ('box_offsets', 'class_logits', 'coefficients', 'prototypes')


class ExportableNetwork(nn.Module):
    """
    A copy of a network that returns a plain tuple, batch norm folded.

    :param operator: whether deformable convolution stays one operator (the converter must know
        yolact_ros::deform_conv2d) or is written as grid_sample and a 1x1 convolution.
    """

    def __init__(self, model: Yolact, operator: bool) -> None:
        super().__init__()
        self._model = fold_batch_norm(copy.deepcopy(model).cpu().float()).eval()
        for parent in list(self._model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, DeformConv):
                    setattr(parent, name, ExportableDeformConv(child, operator))
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the raw predictions that OUTPUT_NAMES lists."""
        raw = self._model(image)
        return raw.box_offsets, raw.class_logits, raw.coefficients, raw.prototypes


class ExportableRescoring(nn.Module):
    """The re-scoring net without its branch for no masks."""

    def __init__(self, net: MaskIouNet) -> None:
        super().__init__()
        self._layers = copy.deepcopy(net.maskiou_net).cpu().float()
        self.eval()

    def forward(self, masks: Tensor) -> Tensor:
        """Return (N, C) of (N, 1, Hp, Wp)."""
        return self._layers(pad_small(masks)).amax((2, 3))


class ExportableDeformConv(nn.Module):
    """A deformable convolution as one operator or decomposed."""

    def __init__(self, deform: DeformConv, operator: bool) -> None:
        super().__init__()
        self.weight, self.bias, self.stride = deform.weight, deform.bias, deform.stride
        self.conv_offset_mask = deform.conv_offset_mask
        self._convolve = deform_operator if operator else deform_by_grid_sample

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, O, H / stride, W / stride) of (B, C, H, W)."""
        raw = self.conv_offset_mask(x)
        return self._convolve(x, self.weight, raw[:, :18], self.bias, torch.sigmoid(raw[:, 18:]),
                              self.stride)


# torch 2.4 cannot read the schema from annotations that are kept as text.
DEFORM_SCHEMA = ('(Tensor x, Tensor weight, Tensor offset, Tensor bias, Tensor mask, int stride)'
                 ' -> Tensor')


@torch.library.custom_op('yolact_ros::deform_conv2d', mutates_args=(), schema=DEFORM_SCHEMA)
def deform_operator(x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor, mask: Tensor,
                    stride: int) -> Tensor:
    """Return ops.deform_conv2d as one operator, arguments in the order of ONNX DeformConv."""
    return deform_conv2d(x, offset, mask, weight, bias, stride).contiguous()


@deform_operator.register_fake
def _(x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor, mask: Tensor,
      stride: int) -> Tensor:
    """Return an empty result of the right shape."""
    return x.new_empty(x.shape[0], weight.shape[0], offset.shape[2], offset.shape[3])


def deform_by_grid_sample(x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor, mask: Tensor,
                          stride: int) -> Tensor:
    """
    Return a 3x3 deformable convolution (padding 1) by operators that every runtime has.

    grid_sample reads all taps as one image of nine times the height; with corners aligned its
    coordinates are pixels scaled to [-1, 1].
    """
    _, channels, height, width = x.shape
    out_h, out_w = offset.shape[2:]
    tap, rows, columns = (torch.arange(count, device=x.device) for count in (9, out_h, out_w))
    start_y = (rows * stride - 1)[None, :, None] + (tap // 3)[:, None, None]
    start_x = (columns * stride - 1)[None, None, :] + (tap % 3)[:, None, None]
    shifts = offset.reshape(-1, 9, 2, out_h, out_w)
    y = (shifts[:, :, 0] + start_y) * (2 / (height - 1)) - 1
    x_at = (shifts[:, :, 1] + start_x) * (2 / (width - 1)) - 1
    grid = torch.stack((x_at, y), -1).reshape(-1, 9 * out_h, out_w, 2)
    samples = functional.grid_sample(x, grid, mode='bilinear', padding_mode='zeros',
                                     align_corners=True)
    samples = samples.reshape(-1, channels, 9, out_h, out_w) * mask[:, None]
    return functional.conv2d(samples.reshape(-1, channels * 9, out_h, out_w),
                             weight.reshape(weight.shape[0], channels * 9, 1, 1), bias)


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
