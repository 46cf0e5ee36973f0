"""Frames from the synthetic tabletop, with the truth about every object in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from yolact_ros.geometry import Places
from yolact_ros.masks import tighten
from yolact_ros.ros.camera.frames import Frame, Truth
from yolact_ros.ros.camera.messages import pinhole
from yolact_ros.ros.camera.parameters import SourceParameters
from yolact_ros.scenes import CLASS_NAMES, Scene, scene
from yolact_ros.scenes.world import MODES
from yolact_ros.structures import ImageSize, Instances

DEFAULT_RATE = 15.0  # [Hz], 0.6 of a core for rendering 640x480
STILL_SECONDS = 1.0  # how long a still scene is shown before the next one


class SyntheticSource:
    """An endless camera over the synthetic tabletop."""

    knows_truth = True

    def __init__(self, parameters: SourceParameters) -> None:
        """
        Read what to show.

        :raises ValueError: when there is no such mode.
        """
        self._mode = parameters.source.partition(':')[2] or 'conveyor'
        if self._mode not in MODES:
            raise ValueError(f"no synthetic mode '{self._mode}'; there are "
                             + ', '.join(f'synthetic:{mode}' for mode in MODES))
        self._parameters = parameters
        self.rate = parameters.rate or DEFAULT_RATE
        self.description = (f'synthetic {self._mode}, {parameters.difficulty}, seed '
                            f'{parameters.seed}, {parameters.width}x{parameters.height} at '
                            f'{self.rate:g} Hz')

    def __iter__(self) -> Iterator[Frame]:
        """Play for ever."""
        size = (self._parameters.height, self._parameters.width)
        for index in count():
            seconds = index / self.rate
            seed = self._parameters.seed
            if self._mode == 'still':
                seed += int(seconds / STILL_SECONDS)
            shown = scene(seed, t=seconds, size=size, mode=self._mode,
                          difficulty=self._parameters.difficulty, depth=self._parameters.depth)
            yield Frame(seconds, shown.image, truth=truth_of(shown), depth=shown.depth_mm,
                        camera_info=pinhole(ImageSize(*size), shown.camera_matrix))


def truth_of(shown: Scene) -> Truth:
    """Return the visible part of every object, first those that count."""
    objects = sorted((item for item in shown.objects if item.mask.any()),
                     key=lambda item: item.crowd)
    masks = [tighten(item.mask) for item in objects]
    rois = np.array([roi for roi, _ in masks], np.int32).reshape(-1, 4)
    counts = np.array([not item.crowd for item in objects], np.float32)
    instances = Instances(
        image_size=ImageSize(*shown.image.shape[:2]),
        boxes=rois.astype(np.float32), class_scores=counts, mask_scores=counts, scores=counts,
        class_ids=np.array([item.class_id for item in objects], np.int64), rois=rois,
        crops=tuple(crop for _, crop in masks))
    places = None if shown.depth_mm is None else replace(
        Places.unknown(len(objects)), points=instances.areas,
        positions=np.reshape([visible_centre(item.mask, shown) for item in objects], (-1, 3)))
    return Truth(instances, CLASS_NAMES, tuple(item.track_id for item in objects), places)


def visible_centre(mask: np.ndarray, shown: Scene) -> np.ndarray:
    """Return (3,) the mean of the points behind all pixels of a mask [m]."""
    assert shown.depth_mm is not None, 'a scene without depth'
    y, x = np.nonzero(mask)
    rays = np.linalg.solve(shown.camera_matrix, np.stack([x, y, np.ones_like(x)]))
    return (rays * shown.depth_mm[mask] / 1000).mean(axis=1)
