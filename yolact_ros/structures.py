"""Value types on the host: what an image's segmentation is once it has left the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ImageSize:
    """Height and width of an image [px]."""

    height: int
    width: int

    def __post_init__(self) -> None:
        """Refuse sizes that no image has."""
        if self.height < 1 or self.width < 1:
            raise ValueError(f'an image has at least 1x1 pixels, got {self.height}x{self.width}')

    @property
    def pixels(self) -> int:
        """Return how many pixels there are."""
        return self.height * self.width


@dataclass(frozen=True, eq=False)
class Instances:
    """
    The N objects found in one image, best score first.

    Coordinates are pixels of the source image: origin top-left, x right, y down. A mask is a
    boolean crop plus the integer rectangle (roi) it covers, which is tight around the mask
    itself: masks may reach a few pixels beyond their box, because the original crops them on
    the coarser prototype grid. An object without a single mask pixel has the roi (0, 0, 0, 0).

    :param image_size: size of the source image.
    :param boxes: (N, 4) float32 x_min, y_min, x_max, y_max [px], clipped to the image.
    :param class_scores: (N,) float32 in [0, 1], confidence of the class.
    :param mask_scores: (N,) float32, predicted mask IoU; NaN where the model has no re-scoring.
    :param scores: (N,) float32, class_scores * mask_scores, or class_scores without re-scoring.
    :param class_ids: (N,) int64, 0-based index into the model's class names (no background).
    :param rois: (N, 4) int32 x0, y0, x1, y1 [px], half-open.
    :param crops: N boolean arrays of shape (y1 - y0, x1 - x0), True on the object.
    :raises ValueError: when shapes disagree or scores are not sorted.
    """

    image_size: ImageSize
    boxes: np.ndarray
    class_scores: np.ndarray
    mask_scores: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    rois: np.ndarray
    crops: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        """Check that the rows of all fields belong together."""
        count = len(self.crops)
        shapes = {'boxes': (count, 4), 'class_scores': (count,), 'mask_scores': (count,),
                  'scores': (count,), 'class_ids': (count,), 'rois': (count, 4)}
        for name, shape in shapes.items():
            got = getattr(self, name).shape
            if got != shape:
                raise ValueError(f'{name} must be {shape} for {count} crops, got {got}')
        if np.any(np.diff(self.scores) > 0):
            raise ValueError('scores must be sorted, best first')
        for (x0, y0, x1, y1), crop in zip(self.rois.tolist(), self.crops):
            if crop.shape != (y1 - y0, x1 - x0):
                raise ValueError(f'a crop must fill its roi {(x0, y0, x1, y1)}, '
                                 f'got shape {crop.shape}')

    @classmethod
    def empty(cls, image_size: ImageSize) -> Instances:
        """Return the result of an image without objects."""
        none = np.zeros(0, np.float32)
        return cls(image_size, np.zeros((0, 4), np.float32), none, none.copy(), none.copy(),
                   np.zeros(0, np.int64), np.zeros((0, 4), np.int32), ())

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.crops)

    @property
    def areas(self) -> np.ndarray:
        """(N,) int64, mask pixels of each object."""
        return np.array([np.count_nonzero(crop) for crop in self.crops], np.int64)

    def select(self, rows: np.ndarray | list[int] | slice) -> Instances:
        """
        Return the chosen objects, still best first; arrays may be shared with this one.

        :param rows: boolean mask (N,), indices, or a slice.
        :raises IndexError: when a row does not exist.
        """
        chosen = np.sort(np.atleast_1d(np.arange(len(self))[rows]))
        return Instances(self.image_size, self.boxes[chosen], self.class_scores[chosen],
                         self.mask_scores[chosen], self.scores[chosen], self.class_ids[chosen],
                         self.rois[chosen], tuple(self.crops[row] for row in chosen))

    def full_masks(self) -> np.ndarray:
        """Return (N, H, W) bool masks at image size; N * H * W bytes, so ask for few."""
        masks = np.zeros((len(self), self.image_size.height, self.image_size.width), bool)
        for mask, (x0, y0, x1, y1), crop in zip(masks, self.rois.tolist(), self.crops):
            mask[y0:y1, x0:x1] = crop
        return masks

    def label_image(self) -> np.ndarray:
        """
        Return (H, W) with 0 for background and i + 1 for object i; the better score wins a pixel.

        :returns: uint8 for up to 255 objects, else uint16.
        """
        dtype = np.uint8 if len(self) <= np.iinfo(np.uint8).max else np.uint16
        labels = np.zeros((self.image_size.height, self.image_size.width), dtype)
        for row in reversed(range(len(self))):
            x0, y0, x1, y1 = self.rois[row].tolist()
            labels[y0:y1, x0:x1][self.crops[row]] = row + 1
        return labels


def class_id_of(key: str | int, class_names: Sequence[str]) -> int:
    """
    Return the 0-based class id of a class name or id.

    :param key: a name, an id, or an id in digits; where a name is made of digits the name wins.
    :raises ValueError: when the model has no such class.
    """
    if isinstance(key, str) and key in class_names:
        return list(class_names).index(key)
    number = int(key) if isinstance(key, int) or key.isascii() and key.isdecimal() else -1
    if 0 <= number < len(class_names):
        return number
    shown = ', '.join(class_names[:10]) + (', ...' if len(class_names) > 10 else '')
    raise ValueError(f'class {key!r} is not one of the model\'s {len(class_names)} classes '
                     f'({shown}; ids 0 to {len(class_names) - 1})')


# Of a network: the side of a square, or height and width [px].
InputSize = int | tuple[int, int]
SMALLEST_INPUT, LARGEST_INPUT = 64, 4096   # [px]
INPUT_STEP = 32   # [px] the stride of P5: a rectangle has whole cells on both sides


def input_shape(input_size: InputSize) -> ImageSize:
    """Return height and width of a network's input."""
    return ImageSize(input_size, input_size) if isinstance(input_size, int) \
        else ImageSize(*input_size)


def change_sides(input_size: InputSize, change: Callable[[int], int]) -> InputSize:
    """Return an input of the same kind with each side changed."""
    if isinstance(input_size, int):
        return change(input_size)
    height, width = input_size
    return change(height), change(width)


def parse_input_size(value: object) -> InputSize:
    """
    Return what was written as 256, '192x352' or [192, 352] (height, width).

    :raises ValueError: for anything else.
    """
    parts: Any = value.lower().split('x') if isinstance(value, str) else value
    parts = list(parts) if isinstance(parts, (list, tuple)) else [parts]
    try:
        sides = [int(part) for part in parts]
        if 1 <= len(sides) <= 2 and not any(
                isinstance(part, bool) or side != float(part)
                for side, part in zip(sides, parts)):
            return sides[0] if len({*sides}) == 1 else (sides[0], sides[1])
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError('input_size must be the side of a square such as 256, or height and width '
                     f'such as 192x352 or [192, 352], got {value!r}')


def format_input_size(input_size: InputSize) -> str:
    """Return what parse_input_size reads: '256', or '192x352' for height and width."""
    return str(input_size) if isinstance(input_size, int) else 'x'.join(map(str, input_size))


def check_positive(name: str, values: Sequence[float], count: int | None = None) -> None:
    """
    Check numbers that are divided by or multiplied with.

    :param count: of the numbers; None takes any but zero.
    :raises ValueError: naming what they are.
    """
    if not all(value > 0 and math.isfinite(value) for value in values) or (
            len(values) != count if count else not values):
        raise ValueError(f'{name} must be {count or "some"} numbers above 0, got {list(values)}')


def check_input_size(input_size: InputSize) -> None:
    """Refuse an input that no network is made for."""
    pair = isinstance(input_size, tuple)
    sides: tuple[int, ...] = input_size if isinstance(input_size, tuple) else (input_size,)
    if not all(type(side) is int for side in sides) or len(sides) != 1 + pair:
        raise ValueError('input_size must be a whole number or (height, width), '
                         f'got {input_size!r}')
    if min(sides) < SMALLEST_INPUT:
        raise ValueError(f'input_size must be at least {SMALLEST_INPUT} px, '
                         f'got {format_input_size(input_size)}')
    if max(sides) > LARGEST_INPUT:
        raise ValueError(f'input_size must be in [{SMALLEST_INPUT}, {LARGEST_INPUT}], '
                         f'got {format_input_size(input_size)}')
    if pair and any(side % INPUT_STEP for side in sides):
        nearest = change_sides(input_size, lambda side: max(round(side / INPUT_STEP), 2)
                               * INPUT_STEP)
        raise ValueError(f'height and width of input_size must be multiples of {INPUT_STEP}, got '
                         f'{format_input_size(input_size)}; nearest: {format_input_size(nearest)}')
