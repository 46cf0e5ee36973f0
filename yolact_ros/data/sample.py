"""A labelled image on the host and on the device: what data sets yield and losses eat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

TARGET_FIELDS = ('boxes', 'class_ids', 'masks', 'crowd')

@dataclass(frozen=True, eq=False)
class Sample:
    """
    An image and its N objects, on the host.

    :param image: (H, W, 3) RGB, uint8 from a data set, float32 on a 0..255 scale while augmented.
    :param boxes: (N, 4) float32 x_min, y_min, x_max, y_max [px].
    :param masks: (N, H, W) uint8, 1 on the object.
    :param class_ids: (N,) int64, 0-based.
    :param crowd: (N,) bool, True for regions of uncounted objects, which are never learnt.
    :param name: what to call the image in messages.
    :param unlabelled: class ids whose objects may be in the image without being labelled.
    :raises ValueError: when the rows of the fields do not belong together.
    """

    image: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    class_ids: np.ndarray
    crowd: np.ndarray
    name: str = ''
    unlabelled: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes."""
        if self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f'image must be (H, W, 3), got {self.image.shape}')
        count, (height, width) = len(self.boxes), self.image.shape[:2]
        shapes = {'boxes': (count, 4), 'masks': (count, height, width), 'class_ids': (count,),
                  'crowd': (count,)}
        for field, shape in shapes.items():
            got = getattr(self, field).shape
            if got != shape:
                raise ValueError(f'{self.name or "sample"}: {field} must be {shape} for {count} '
                                 f'boxes on a {height}x{width} picture, got {got}')

    def __len__(self) -> int:
        """Return the number of objects, crowds included."""
        return len(self.boxes)

    def select(self, rows: np.ndarray) -> Sample:
        """Return the sample with the chosen objects only (bool mask or indices)."""
        if rows.dtype == bool and rows.all():
            return self
        return replace(self, boxes=self.boxes[rows], masks=self.masks[rows],
                       class_ids=self.class_ids[rows], crowd=self.crowd[rows])


class SampleSource(Protocol):
    """Where labelled images come from: files, or a renderer."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names, in the order of class ids."""

    def __len__(self) -> int:
        """Return the number of images in an epoch."""

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """Return image number index; rng only matters to sources that draw new images."""


@dataclass(frozen=True, eq=False)
class Targets:
    """
    The N objects of one image as the losses want them.

    :param boxes: (N, 4) x_min, y_min, x_max, y_max relative to the input.
    :param class_ids: (N,) int64, 0-based.
    :param masks: (N, H, W) uint8 or bool at input size.
    :param crowd: (N,) bool.
    :param unlabelled: class ids whose objects may be in the image without being labelled.
    """

    boxes: Tensor
    class_ids: Tensor
    masks: Tensor
    crowd: Tensor
    unlabelled: tuple[int, ...] = ()

    def to(self, device: torch.device | str) -> Targets:
        """Return a copy on the device."""
        return replace(self, **{field: getattr(self, field).to(device, non_blocking=True)
                                for field in TARGET_FIELDS})

    @property
    def objects(self) -> Targets:
        """The same without crowds."""
        kept = ~self.crowd
        return replace(self, **{field: getattr(self, field)[kept] for field in TARGET_FIELDS})


@dataclass(frozen=True, eq=False)
class Batch:
    """
    What one training step eats; the objects of all B images one after the other.

    Few large tensors instead of four for each image: they cross from the loader's processes.

    :param images: (B, 3, H, W) float32, normalised.
    :param objects: all objects of the batch.
    :param counts: B numbers of objects.
    :param names: B image names, for messages.
    :param unlabelled: B times the classes whose objects may be there without being labelled.
    """

    images: Tensor
    objects: Targets
    counts: tuple[int, ...]
    names: tuple[str, ...]
    unlabelled: tuple[tuple[int, ...], ...]

    def to(self, device: torch.device | str) -> Batch:
        """Return a copy on the device, images in channels-last layout."""
        images = self.images.to(device, non_blocking=True,
                                memory_format=torch.channels_last)
        return replace(self, images=images, objects=self.objects.to(device))

    @property
    def targets(self) -> list[Targets]:
        """B targets, views of the objects."""
        parts = (getattr(self.objects, field).split(self.counts) for field in TARGET_FIELDS)
        return [Targets(*rows) for rows in zip(*parts, self.unlabelled)]


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Return a batch as so many smaller ones, as equal as can be; none of them is empty."""
    bounds = np.linspace(0, len(batch.images), min(parts, len(batch.images)) + 1).astype(int)
    rows = np.concatenate([[0], np.cumsum(batch.counts)]).astype(int).tolist()
    return [Batch(batch.images[start:stop],
                  Targets(*(getattr(batch.objects, field)[rows[start]:rows[stop]]
                            for field in TARGET_FIELDS)),
                  batch.counts[start:stop], batch.names[start:stop],
                  batch.unlabelled[start:stop])
            for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist())]


def to_batch(sample: Sample, mean: Sequence[float], std: Sequence[float]) -> Batch:
    """
    Return an augmented sample of the network's input size as a batch of one.

    :param mean: RGB, subtracted from pixels in [0, 255].
    :param std: RGB, divides the result.
    """
    height, width = sample.image.shape[:2]
    pixels = (sample.image - np.array(mean, np.float32)) * (1 / np.array(std, np.float32))
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    sides = np.array([width, height, width, height], np.float32)
    objects = Targets(torch.from_numpy(sample.boxes / sides),
                      torch.from_numpy(sample.class_ids),
                      torch.from_numpy(np.ascontiguousarray(sample.masks)),
                      torch.from_numpy(sample.crowd))
    return Batch(image[None], objects, (len(sample),), (sample.name,), (sample.unlabelled,))


def join_batches(parts: Sequence[Batch]) -> Batch:
    """Return one batch of all parts (the collate function of the loader)."""
    objects = Targets(*(torch.cat([getattr(part.objects, field) for part in parts])
                        for field in TARGET_FIELDS))
    return Batch(torch.cat([part.images for part in parts]), objects,
                 tuple(count for part in parts for count in part.counts),
                 tuple(name for part in parts for name in part.names),
                 tuple(classes for part in parts for classes in part.unlabelled))
