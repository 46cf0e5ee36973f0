"""What a network looks like and what to do with its output; one preset per published network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from yolact_ros.structures import (
    ImageSize,
    InputSize,
    check_input_size,
    check_positive,
    class_id_of,
    input_shape,
)

COCO_CLASSES = tuple(
    'person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,'
    'stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,'
    'backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,'
    'baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,'
    'bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,'
    'potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,'
    'oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,'
    'toothbrush'.split(','))

PASCAL_CLASSES = tuple(
    'aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,'
    'person,pottedplant,sheep,sofa,train,tvmonitor'.split(','))

# The original's Caffe mean with torchvision's deviations, here in RGB order [0, 255].
IMAGENET_MEAN = (123.68, 116.78, 103.94)
IMAGENET_STD = (58.40, 57.12, 57.38)

NMS_KINDS = ('fast', 'cross_class', 'traditional', 'soft_cluster')
BACKENDS = ('auto', 'torch', 'openvino', 'onnx')

# A file may claim anything, and memory is taken before its tensors are compared.
LARGEST = {'fpn_channels': 4096, 'num_prototypes': 1024, 'dcn_interval': 1024}


@dataclass(frozen=True)
class ModelConfig:
    """
    Everything that is needed to build a network and to feed it.

    :param name: preset or user-given name.
    :param backbone: key of yolact_ros.model.backbone.BACKBONES.
    :param class_names: foreground classes, in the order of class ids.
    :param input_size: side of a square network input, or its height and width, multiples of 32
        [px]; images are stretched to it.
    :param anchor_scales: for each of the levels P3-P7 the anchor sides [px of the input].
    :param anchor_ratios: width / height of the anchors.
    :param square_anchors: original: use_square_anchors; height = width, a preserved quirk of
        the YOLACT (not ++) checkpoints.
    :param dcn_blocks: deformable blocks per backbone stage, or () for none.
    :param dcn_interval: every how many blocks a deformable one.
    :param mask_rescoring: fast mask re-scoring net of YOLACT++.
    :param fpn_channels: width of the FPN, the protonet and the head.
    :param num_prototypes: K, prototypes and coefficients per instance.
    :param prototype_scale: cells of a prototype along a cell of P3: 2 as published, or 4, for
        smoother edges of masks.
    :param pixel_mean: RGB, subtracted from pixels in [0, 255].
    :param pixel_std: RGB, divides the result.
    """

    name: str
    backbone: str
    class_names: tuple[str, ...]
    input_size: InputSize = 550
    anchor_scales: tuple[tuple[float, ...], ...] = ((24,), (48,), (96,), (192,), (384,))
    anchor_ratios: tuple[float, ...] = (1.0, 0.5, 2.0)
    square_anchors: bool = True
    dcn_blocks: tuple[int, ...] = ()
    dcn_interval: int = 1
    mask_rescoring: bool = False
    fpn_channels: int = 256
    num_prototypes: int = 32
    prototype_scale: int = 2
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        if not self.class_names:
            raise ValueError('class_names is empty; a model needs at least one class')
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f'class_names has duplicates: {sorted(self.class_names)}')
        check_input_size(self.input_size)
        for name, most in LARGEST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f'{name} must be in [1, {most}], got {getattr(self, name)}')
        if self.prototype_scale not in (2, 4):
            raise ValueError('prototype_scale must be 2, as published, or 4, '
                             f'got {self.prototype_scale}')
        if len(self.anchor_scales) != 5:
            raise ValueError('anchor_scales needs one entry for each of P3-P7, '
                             f'got {len(self.anchor_scales)}')
        if len({len(scales) for scales in self.anchor_scales}) != 1:
            raise ValueError('the head is shared: every level needs the same number of scales, '
                             f'got {[len(scales) for scales in self.anchor_scales]}')
        check_positive('anchor_scales', [*chain(*self.anchor_scales)])
        check_positive('anchor_ratios', self.anchor_ratios)
        check_positive('pixel_std', self.pixel_std, 3)
        if len(self.pixel_mean) != 3 or not all(map(math.isfinite, self.pixel_mean)):
            raise ValueError(f'pixel_mean must be three numbers, got {list(self.pixel_mean)}')
        if len(self.dcn_blocks) not in (0, 4) or min(self.dcn_blocks, default=0) < 0:
            raise ValueError('dcn_blocks needs a number of blocks for each of the four stages, or '
                             f'nothing, got {list(self.dcn_blocks)}')

    @property
    def input_shape(self) -> ImageSize:
        """Return height and width of the network's input [px]."""
        return input_shape(self.input_size)

    @property
    def num_classes(self) -> int:
        """Return the number of foreground classes."""
        return len(self.class_names)

    @property
    def anchors_per_cell(self) -> int:
        """Return the number of anchors at every cell of every level."""
        return len(self.anchor_scales[0]) * len(self.anchor_ratios)


@dataclass(frozen=True)
class PostprocessConfig:
    """
    How raw predictions become detections (Bolya et al. 2019, Fast NMS).

    :param score_threshold: a detection's class score must exceed it. As in the original it is
        compared before mask re-scoring, so that it means the same for every model.
    :param candidate_threshold: anchors whose best foreground score is not above it are ignored.
    :param iou_threshold: boxes of IoU above it suppress each other.
    :param top_k: boxes per class that enter NMS; 0 is the published 200, and more with fewer than
        ten classes: the duplicates of some objects would fill a short list.
    :param max_instances: detections kept, best scores first.
    :param nms: one of NMS_KINDS.
    :param classes: names or ids to keep; None keeps all.
    :param class_thresholds: name or id -> score threshold instead of score_threshold.
    """

    score_threshold: float = 0.3
    candidate_threshold: float = 0.05
    iou_threshold: float = 0.5
    top_k: int = 0
    max_instances: int = 100
    nms: str = 'fast'
    classes: Sequence[str | int] | None = None
    class_thresholds: Mapping[str | int, float] | None = None

    def __post_init__(self) -> None:
        """Refuse values outside their range, naming the field."""
        thresholds = {'score_threshold': self.score_threshold,
                      'candidate_threshold': self.candidate_threshold,
                      'iou_threshold': self.iou_threshold}
        for key, value in (self.class_thresholds or {}).items():
            thresholds[f'class_thresholds[{key!r}]'] = value
        for name, value in thresholds.items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f'{name} must be in [0, 1], got {value}')
        for name, least in (('top_k', 0), ('max_instances', 1)):
            if getattr(self, name) < least:
                raise ValueError(f'{name} must be at least {least}, got {getattr(self, name)}')
        if self.nms not in NMS_KINDS:
            raise ValueError(f'nms must be one of {", ".join(NMS_KINDS)}, got {self.nms!r}')

    def check_classes(self, class_names: Sequence[str]) -> None:
        """
        Check that every class this configuration mentions is one of the model's.

        :raises ValueError: naming the unknown class and the known ones, or a class that has two
            thresholds.
        """
        for key in self.classes or ():
            class_id_of(key, class_names)
        key_of: dict[int, str | int] = {}
        for key in self.class_thresholds or {}:
            class_id = class_id_of(key, class_names)
            if class_id in key_of:
                raise ValueError('class_thresholds names one class twice, as '
                                 f'{key_of[class_id]!r} and {key!r}; leave one out')
            key_of[class_id] = key


def yolact_base(num_classes: int | None = None,
                class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT with ResNet-101 at 550 px, the original's default."""
    return ModelConfig('yolact_base', 'resnet101', _class_names(num_classes, class_names))


def yolact_resnet50(num_classes: int | None = None,
                    class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT with ResNet-50 at 550 px."""
    return ModelConfig('yolact_resnet50', 'resnet50', _class_names(num_classes, class_names))


def yolact_darknet53(num_classes: int | None = None,
                     class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT with DarkNet-53 at 550 px; its pixels are only divided by 255."""
    return ModelConfig('yolact_darknet53', 'darknet53', _class_names(num_classes, class_names),
                       pixel_mean=(0.0, 0.0, 0.0), pixel_std=(255.0, 255.0, 255.0))


def yolact_im400(num_classes: int | None = None,
                 class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT with ResNet-101 at 400 px; anchor scales truncated as in the original."""
    return ModelConfig('yolact_im400', 'resnet101', _class_names(num_classes, class_names),
                       input_size=400, anchor_scales=((17,), (34,), (69,), (139,), (279,)))


def yolact_im700(num_classes: int | None = None,
                 class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT with ResNet-101 at 700 px; anchor scales truncated as in the original."""
    return ModelConfig('yolact_im700', 'resnet101', _class_names(num_classes, class_names),
                       input_size=700, anchor_scales=((30,), (61,), (122,), (244,), (488,)))


def yolact_resnet50_pascal(num_classes: int | None = None,
                           class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT with ResNet-50 for the 20 Pascal VOC classes, true-shape anchors."""
    names = _class_names(num_classes, class_names, PASCAL_CLASSES)
    return ModelConfig('yolact_resnet50_pascal', 'resnet50', names, square_anchors=False,
                       anchor_scales=((32,), (64,), (128,), (256,), (512,)))


def yolact_plus_resnet50(num_classes: int | None = None,
                         class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT++ with ResNet-50: 13 deformable blocks, 9 anchors, mask re-scoring."""
    return ModelConfig('yolact_plus_resnet50', 'resnet50', _class_names(num_classes, class_names),
                       anchor_scales=_three_scales(), square_anchors=False,
                       dcn_blocks=(0, 4, 6, 3), mask_rescoring=True)


def yolact_plus_base(num_classes: int | None = None,
                     class_names: Sequence[str] | None = None) -> ModelConfig:
    """Return YOLACT++ with ResNet-101: 11 deformable blocks, 9 anchors, mask re-scoring."""
    return ModelConfig('yolact_plus_base', 'resnet101', _class_names(num_classes, class_names),
                       anchor_scales=_three_scales(), square_anchors=False,
                       dcn_blocks=(0, 4, 23, 3), dcn_interval=3, mask_rescoring=True)


def yolact_plus_tiny(num_classes: int | None = None,
                     class_names: Sequence[str] | None = None) -> ModelConfig:
    """
    Return a small YOLACT++ of this project for two CPU cores, not a published network.

    Basic residual blocks (ResNet-18 at half width), 256 px input, deformable convolutions in
    the last two blocks, anchors for objects of 18 to 200 px.
    """
    return ModelConfig('yolact_plus_tiny', 'resnet_tiny', _class_names(num_classes, class_names),
                       input_size=256, anchor_scales=_three_scales((16, 32, 56, 96, 160)),
                       square_anchors=False, dcn_blocks=(0, 0, 0, 2), mask_rescoring=True,
                       fpn_channels=128)


def yolact_plus_lite(num_classes: int | None = None,
                     class_names: Sequence[str] | None = None) -> ModelConfig:
    """
    Return a small YOLACT++ of this project with EfficientNet-Lite0 and its free ImageNet weights.

    As yolact_plus_tiny, but without deformable convolutions and with prototypes at four times the
    size of P3; pixels are scaled to [-1, 1].
    """
    return ModelConfig('yolact_plus_lite', 'efficientnet_lite0',
                       _class_names(num_classes, class_names), input_size=256,
                       anchor_scales=_three_scales((16, 32, 56, 96, 160)), square_anchors=False,
                       mask_rescoring=True, fpn_channels=128, prototype_scale=4,
                       pixel_mean=(127.0, 127.0, 127.0), pixel_std=(128.0, 128.0, 128.0))


PRESETS: tuple[Callable[..., ModelConfig], ...] = (
    yolact_base, yolact_resnet50, yolact_darknet53, yolact_im400, yolact_im700,
    yolact_resnet50_pascal, yolact_plus_resnet50, yolact_plus_base, yolact_plus_tiny,
    yolact_plus_lite)
MODEL_PRESETS: dict[str, Callable[..., ModelConfig]] = {
    preset.__name__: preset for preset in PRESETS}


def _class_names(num_classes: int | None, class_names: Sequence[str] | None,
                 default: tuple[str, ...] = COCO_CLASSES) -> tuple[str, ...]:
    """Return the given names, else the default ones, else numbered ones."""
    if class_names is not None:
        if num_classes not in (None, len(class_names)):
            raise ValueError(f'num_classes is {num_classes}, but {len(class_names)} class_names '
                             'are given; leave num_classes out')
        return tuple(class_names)
    if num_classes in (None, len(default)):
        return default
    return tuple(f'class_{index}' for index in range(num_classes))


def _three_scales(
        sides: Sequence[float] = (24, 48, 96, 192, 384)) -> tuple[tuple[float, ...], ...]:
    """Return three anchor scales an octave for each level (Bolya et al. 2020, section 3.3)."""
    return tuple(tuple(side * 2 ** (third / 3) for third in range(3)) for side in sides)
