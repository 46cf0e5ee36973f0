"""
Random changes to a training image: colours, canvas, crop, mirror, size.

The order and all distributions are the original's (its SSDAugmentation; reference section 9.2).
The sample's image is float32 RGB on a 0..255 scale from the first step on and is never clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from yolact_ros.data.sample import Sample
from yolact_ros.masks import boxes_of_masks
from yolact_ros.structures import InputSize, input_shape

CROP_TRIES = 50
# Six equally likely crop modes; five of them differ only in an IoU rule that never rejects.
CROP_MODES = 6


@dataclass(frozen=True)
class AugmentConfig:
    """
    Which random changes a training image goes through; the defaults are the published recipe.

    :param photometric: brightness, contrast, saturation and hue.
    :param max_expand: largest canvas the image is put on, times its size; 1 switches it off.
    :param crop: random crop.
    :param min_crop: smallest crop side as a share of the image's.
    :param mirror: left-right mirror.
    :param flip: up-down mirror.
    :param rotate: turns by 90 degrees.
    :param min_box_px: objects whose box is not wider and higher are dropped [px of the input].
    :param tight_boxes: boxes follow what the crop left of the mask, and objects whose mask is
        gone are dropped; the original only clips the box.
    :param copy_paste: probability of pasting objects of another image.
    """

    photometric: bool = True
    max_expand: float = 4.0
    crop: bool = True
    min_crop: float = 0.3
    mirror: bool = True
    flip: bool = False
    rotate: bool = False
    min_box_px: float = 4 / 550
    tight_boxes: bool = False
    copy_paste: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values outside their range, naming the field."""
        if self.max_expand < 1:
            raise ValueError(f'max_expand must be at least 1, got {self.max_expand}')
        if not 0 < self.min_crop <= 1:
            raise ValueError(f'min_crop must be in (0, 1], got {self.min_crop}')
        if self.min_box_px < 0:
            raise ValueError(f'min_box_px must be at least 0, got {self.min_box_px}')
        if not 0 <= self.copy_paste <= 1:
            raise ValueError(f'copy_paste must be in [0, 1], got {self.copy_paste}')


def augment(sample: Sample, config: AugmentConfig, size: InputSize, fill: Sequence[float],
            rng: np.random.Generator) -> Sample:
    """
    Return a randomly changed sample of the network's input size.

    :param fill: RGB of the canvas outside the image, the network's mean.
    """
    sample = replace(sample, image=sample.image.astype(np.float32))
    if config.photometric:
        sample = replace(sample, image=distort_colours(sample.image, rng))
    if config.max_expand > 1 and rng.random() < 0.5:
        sample = expand(sample, config.max_expand, fill, rng)
    if config.crop:
        sample = random_crop(sample, config.min_crop, rng)
    if config.mirror and rng.random() < 0.5:
        sample = mirror(sample)
    if config.flip and rng.random() < 0.5:
        sample = flip(sample)
    if config.rotate:
        sample = rotate(sample, int(rng.integers(4)))
    if config.tight_boxes:
        sample = tighten_boxes(sample)
    return drop_small(resize(sample, size), config.min_box_px)


def distort_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """
    Return the image with random brightness, contrast, saturation and hue.

    :param image: (H, W, 3) float32 RGB.
    """
    if rng.random() < 0.5:
        image = image + np.float32(rng.uniform(-32, 32))
    contrast_first = rng.random() < 0.5
    if contrast_first:
        image = _distort_contrast(image, rng)
    image = _distort_hue_saturation(image, rng)
    return image if contrast_first else _distort_contrast(image, rng)


def _distort_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image multiplied by a random factor, or as it is."""
    return image * np.float32(rng.uniform(0.5, 1.5)) if rng.random() < 0.5 else image


def _distort_hue_saturation(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image with saturation scaled and hue turned, or as it is."""
    saturation = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else None
    hue = rng.uniform(-18, 18) if rng.random() < 0.5 else None
    if saturation is None and hue is None:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    if saturation is not None:
        hsv[..., 1] *= np.float32(saturation)
    if hue is not None:
        hsv[..., 0] = np.mod(hsv[..., 0] + np.float32(hue), np.float32(360))
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def expand(sample: Sample, max_ratio: float, fill: Sequence[float],
           rng: np.random.Generator) -> Sample:
    """Return the sample at a random place of a canvas up to max_ratio times as large."""
    height, width = sample.image.shape[:2]
    ratio = rng.uniform(1, max_ratio)
    left = int(rng.uniform(0, width * ratio - width))
    top = int(rng.uniform(0, height * ratio - height))
    size = (int(height * ratio), int(width * ratio))
    rows, columns = slice(top, top + height), slice(left, left + width)
    image = np.empty((*size, 3), np.float32)
    image[:] = np.array(fill, np.float32)
    image[rows, columns] = sample.image
    masks = np.zeros((len(sample), *size), np.uint8)
    masks[:, rows, columns] = sample.masks
    shift = np.array([left, top, left, top], np.float32)
    return replace(sample, image=image, masks=masks, boxes=sample.boxes + shift)


def random_crop(sample: Sample, min_crop: float, rng: np.random.Generator) -> Sample:
    """
    Return a random part of the sample that keeps at least one object, or the whole sample.

    Objects stay when their box centre is strictly inside; their boxes are clipped. A sample
    without objects may be cropped anywhere.
    """
    while rng.integers(CROP_MODES):
        for _ in range(CROP_TRIES):
            rect = _random_rect(len(sample.image), sample.image.shape[1], min_crop, rng)
            kept = _centres_inside(sample.boxes, rect)
            if rect is not None and (np.any(kept & ~sample.crowd) or np.all(sample.crowd)):
                return crop(sample.select(kept), rect)
    return sample


def _random_rect(height: int, width: int, min_crop: float,
                 rng: np.random.Generator) -> tuple[int, int, int, int] | None:
    """Return x0, y0, x1, y1 of a random crop, or None when it came out too narrow or low."""
    crop_w = rng.uniform(min_crop * width, width)
    crop_h = rng.uniform(min_crop * height, height)
    if not 0.5 <= crop_h / crop_w <= 2:
        return None
    # The original draws between the free room and 1, in whichever order the two come.
    left = (width - crop_w) + (1 - (width - crop_w)) * rng.random()
    top = (height - crop_h) + (1 - (height - crop_h)) * rng.random()
    rect = int(left), int(top), int(left + crop_w), int(top + crop_h)
    return rect if rect[2] > rect[0] and rect[3] > rect[1] else None


def _centres_inside(boxes: np.ndarray, rect: tuple[int, int, int, int] | None) -> np.ndarray:
    """Return (N,) bool, True where the box centre is strictly inside the rectangle."""
    if rect is None:
        return np.zeros(len(boxes), bool)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    low, high = np.array(rect, np.float32).reshape(2, 2)
    return np.all((centres > low) & (centres < high), 1)


def crop(sample: Sample, rect: tuple[int, int, int, int]) -> Sample:
    """Return the part of the sample inside x0, y0, x1, y1 [px]; boxes are clipped to it."""
    left, top, right, bottom = rect
    low, high = np.array([[left, top], [right, bottom]], np.float32)
    corners = np.clip(sample.boxes.reshape(-1, 2, 2), low, high) - low
    return replace(sample, image=sample.image[top:bottom, left:right],
                   masks=sample.masks[:, top:bottom, left:right],
                   boxes=corners.reshape(-1, 4).astype(np.float32))


def mirror(sample: Sample) -> Sample:
    """Return the sample seen in a mirror: left and right change places."""
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = sample.image.shape[1] - sample.boxes[:, [2, 0]]
    return replace(sample, image=sample.image[:, ::-1], masks=sample.masks[:, :, ::-1],
                   boxes=boxes)


def flip(sample: Sample) -> Sample:
    """Return the sample upside down (mirrored, not turned)."""
    boxes = sample.boxes.copy()
    boxes[:, [1, 3]] = sample.image.shape[0] - sample.boxes[:, [3, 1]]
    return replace(sample, image=sample.image[::-1], masks=sample.masks[:, ::-1], boxes=boxes)


def rotate(sample: Sample, quarters: int) -> Sample:
    """Return the sample turned counter-clockwise by so many quarters of a turn."""
    for _ in range(quarters % 4):
        width = sample.image.shape[1]
        x0, y0, x1, y1 = sample.boxes.T
        boxes = np.stack([y0, width - x1, y1, width - x0], 1)
        sample = replace(sample, image=np.rot90(sample.image), boxes=boxes,
                         masks=np.rot90(sample.masks, axes=(1, 2)))
    return sample


def tighten_boxes(sample: Sample) -> Sample:
    """Return the sample with boxes drawn anew around the masks; empty masks are dropped."""
    sample = replace(sample, boxes=boxes_of_masks(sample.masks))
    return sample.select(sample.boxes[:, 2] > 0)


def resize(sample: Sample, size: InputSize) -> Sample:
    """Return the sample stretched to a size; masks stay 0 and 1 (linear, then rounded)."""
    height, width = sample.image.shape[:2]
    shape = input_shape(size)
    image = cv2.resize(np.ascontiguousarray(sample.image), (shape.width, shape.height))
    masks = np.empty((len(sample), shape.height, shape.width), np.uint8)
    for out, mask in zip(masks, sample.masks):
        out[:] = cv2.resize(np.ascontiguousarray(mask), (shape.width, shape.height))
    scale = np.array([shape.width / width, shape.height / height] * 2, np.float32)
    return replace(sample, image=image, masks=masks, boxes=sample.boxes * scale)


def drop_small(sample: Sample, min_box_px: float) -> Sample:
    """Return the sample without objects whose box is not wider and higher than min_box_px."""
    sides = sample.boxes[:, 2:] - sample.boxes[:, :2]
    return sample.select(np.all(sides > min_box_px, 1))
