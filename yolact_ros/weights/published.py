"""The weights that are known by a name, and where this machine keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yolact_ros.files import cache_dir

HUGGING_FACE = 'https://huggingface.co'
DEMO_WEIGHTS = Path(__file__).parent / 'yolact_plus_lite.safetensors'
BYTES_PER_PARAMETER = 4  # every published file is float32


@dataclass(frozen=True)
class PublishedWeights:
    """
    One file of published weights.

    :param name: what users type, for networks the preset's name.
    :param repository: Hugging Face repository.
    :param file_name: kept in the cache, because it tells yolact_base from yolact_im700.
    :param preset: preset of the network it belongs to.
    :param parameters: trained numbers in the file; a smaller file cannot be complete.
    :param mask_ap: published mask mAP [%] on COCO test-dev, None for a backbone.
    """

    name: str
    repository: str
    file_name: str
    preset: str
    parameters: int
    mask_ap: float | None = None

    @property
    def is_backbone(self) -> bool:
        """Return whether this is an ImageNet backbone to start training from, not a model."""
        return self.mask_ap is None

    @property
    def min_bytes(self) -> int:
        """Return the size below which the file cannot be complete [bytes]."""
        return self.parameters * BYTES_PER_PARAMETER

    def url(self, base: str = HUGGING_FACE) -> str:
        """
        Return the address of the file.

        :param base: another host that keeps the same layout, for instance a mirror.
        """
        return f'{base.rstrip("/")}/{self.repository}/resolve/main/{self.file_name}'


def _model(name: str, parameters: int, mask_ap: float) -> PublishedWeights:
    """Return the row of a model; the authors name repository and file after the config."""
    return PublishedWeights(name, 'dbolya/' + name.replace('_', '-'), f'{name}_54_800000.pth',
                            name, parameters, mask_ap)


def _backbone(name: str, file_name: str, preset: str, parameters: int) -> PublishedWeights:
    """Return the row of an ImageNet backbone; all of them share one repository."""
    return PublishedWeights(name, 'dbolya/yolact-initial-weights', file_name, preset, parameters)


PUBLISHED: tuple[PublishedWeights, ...] = (
    _model('yolact_resnet50', 31_164_943, 28.2),
    _model('yolact_darknet53', 47_783_087, 28.7),
    _model('yolact_base', 50_157_071, 29.8),
    _model('yolact_im700', 50_157_071, 31.2),
    _model('yolact_plus_resnet50', 33_766_460, 34.1),
    _model('yolact_plus_base', 52_571_142, 34.6),
    _backbone('resnet50_imagenet', 'resnet50-19c8e357.pth', 'yolact_resnet50', 23_508_032),
    _backbone('resnet101_imagenet', 'resnet101_reducedfc.pth', 'yolact_base', 42_500_160),
    _backbone('darknet53_imagenet', 'darknet53.pth', 'yolact_darknet53', 40_584_928),
)


def find_published(name: str) -> PublishedWeights:
    """
    Return the published weights of that name.

    :raises ValueError: when there are none, naming those that exist.
    """
    for weights in PUBLISHED:
        if weights.name == name:
            return weights
    raise ValueError(f'no published weights are called {name!r}; the names are '
                     + ', '.join(weights.name for weights in PUBLISHED))


def cache_path(name: str) -> Path:
    """
    Return where the published weights of that name are kept once they are downloaded.

    :raises ValueError: when no published weights have that name.
    """
    return cache_dir() / find_published(name).file_name
