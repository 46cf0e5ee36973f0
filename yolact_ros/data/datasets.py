"""Open what a configuration calls data: a COCO JSON, or synthetic scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from yolact_ros.data.classes import ClassChoice
from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.sample import Sample, SampleSource
from yolact_ros.scenes import CLASS_NAMES, TRAINING_SEEDS, VAL_EASY, VAL_HARD, Scene, scene
from yolact_ros.structures import InputSize, input_shape

PREFIX = 'synthetic:'
SCENE_SIDE = 256  # [px] of the scenes that networks are measured on
KINDS = ('easy', 'hard', 'mixed')
# Moving scenes bring the blur and the cut-off objects that still ones lack.
MODES = ('still', 'still', 'still', 'conveyor', 'shuffle', 'camera', 'pick')
LONGEST_S = 20.0


class SyntheticScenes:
    """
    Table-top scenes rendered on demand (a SampleSource); every epoch sees new ones.

    :param kind: 'easy', 'hard', or 'mixed' for one of each in turn.
    :param count: images in an epoch.
    :param size: of the images, the side of a square or height and width [px].
    :param fixed: the fixed validation scenes instead of new ones.
    :param class_names: in the order of class ids, those of the scenes and any others.
    :raises ValueError: for an unknown kind, and when a class of the scenes is missing.
    """

    def __init__(self, kind: str, count: int, size: InputSize, fixed: bool = False,
                 class_names: Sequence[str] = CLASS_NAMES) -> None:
        if missing := [name for name in CLASS_NAMES if name not in class_names]:
            raise ValueError(f'{PREFIX}{kind} has the classes {", ".join(CLASS_NAMES)}; '
                             f'{", ".join(missing)} is not among the wanted '
                             f'{", ".join(class_names)}; make the lists agree')
        if kind not in KINDS:
            raise ValueError(f'{PREFIX}{kind} is unknown; known: '
                             f'{", ".join(PREFIX + name for name in KINDS)}')
        self.kind = kind
        self.size = input_shape(size)
        self.fixed = fixed
        self.class_names = tuple(class_names)
        self.count = count

    def __len__(self) -> int:
        """Return the number of images in an epoch."""
        return self.count

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """Return a scene; rng draws which, unless they are fixed."""
        difficulty = ('easy', 'hard')[index % 2] if self.kind == 'mixed' else self.kind
        if self.fixed:
            seeds = VAL_HARD if difficulty == 'hard' else VAL_EASY
            seed, mode, t = seeds[index // 2 if self.kind == 'mixed' else index], 'still', 0.0
        else:
            seed = int(rng.choice(TRAINING_SEEDS.stop))
            mode, t = MODES[rng.integers(len(MODES))], float(rng.uniform(0, LONGEST_S))
        size = self.size.height, self.size.width
        return scene_sample(scene(seed, t, size, mode, difficulty),
                            f'{PREFIX}{difficulty} seed {seed} {mode} t={t:.2f}',
                            self.class_names)


def scene_sample(shown: Scene, name: str, class_names: Sequence[str] = CLASS_NAMES) -> Sample:
    """Return a scene's image and labels as a sample."""
    class_of = [class_names.index(class_name) for class_name in CLASS_NAMES]
    objects, (height, width) = shown.objects, shown.image.shape[:2]
    masks = np.array([item.mask for item in objects], np.uint8).reshape(-1, height, width)
    return Sample(shown.image, np.array([item.box for item in objects], np.float32).reshape(-1, 4),
                  masks, np.array([class_of[item.class_id] for item in objects], np.int64),
                  np.array([item.crowd for item in objects], bool), name)


def open_dataset(data: str, images: str = '',
                 class_names: Sequence[str] | ClassChoice | None = None, scenes: int = 0,
                 size: InputSize = SCENE_SIDE, split: str = 'train') -> SampleSource:
    """
    Return the images that a configuration names.

    :param data: path of a COCO JSON or of what else read_labels knows, or synthetic:easy,
        synthetic:hard, synthetic:mixed.
    :param scenes: new synthetic images in an epoch; 0 gives the fixed validation scenes.
    :param size: of synthetic images, the side of a square or height and width [px].
    :param split: part of a folder that has several.
    :raises FileNotFoundError: when a file is missing.
    :raises ValueError: when it is broken, or has other classes than class_names.
    """
    if not data.startswith(PREFIX):
        return CocoDataset(data, images or None, class_names, split)
    kind = data.removeprefix(PREFIX)
    fixed = len(VAL_EASY) * (2 if kind == 'mixed' else 1)
    names = class_names.names if isinstance(class_names, ClassChoice) else tuple(class_names or ())
    return SyntheticScenes(kind, scenes or fixed, size, not scenes, names or CLASS_NAMES)
