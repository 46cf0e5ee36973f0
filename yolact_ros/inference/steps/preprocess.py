"""From an image in host memory to the network's input."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from yolact_ros.config import ModelConfig
from yolact_ros.structures import ImageSize


def check_image(rgb: np.ndarray, name: str = 'a picture') -> np.ndarray:
    """
    Return the image if it is one, in memory that torch can share.

    :param name: what the error calls it.
    :raises TypeError: when it is no array of uint8.
    :raises ValueError: when it is not (H, W, 3) or has no pixels.
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        if not isinstance(rgb, np.ndarray):
            raise TypeError(f'{name} must be a uint8 numpy array, got {type(rgb).__name__}')
        raise TypeError(f'{name} must be a uint8 numpy array in [0, 255], got a {rgb.dtype} '
                        'array; scale and convert it first')
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f'{name} must be (H, W, 3) RGB, got {rgb.shape}; turn grey into RGB '
                         'with cv2.COLOR_GRAY2RGB, drop alpha with cv2.COLOR_RGBA2RGB')
    if rgb.size == 0:
        raise ValueError(f'{name} must have pixels, got {rgb.shape}')
    if min(rgb.strides) < 0 or not rgb.flags.writeable:
        return rgb.copy()
    return rgb


def preprocess(rgb: np.ndarray, config: ModelConfig, device: torch.device) -> Tensor:
    """
    Return the (1, 3, Hi, Wi) float32 input of one image on the device, channels last.

    The image is stretched to the input's size without keeping its aspect ratio. It is resized as
    float32, before normalising: resizing bytes gives other numbers (reference section 3).

    :param rgb: (H, W, 3) uint8.
    """
    shape = config.input_shape
    image = _stretch_few_pixels(rgb, shape) if device.type == 'cpu' and _needs_few_pixels(
        rgb, shape) else _stretch(rgb, shape, device)
    # Whole rows: an axis of three colours would keep the processor from vectorising.
    mean, std = (torch.tensor(numbers, device=device).repeat(shape.width)
                 for numbers in (config.pixel_mean, config.pixel_std))
    image = image.reshape(shape.height, shape.width * 3).sub_(mean).div_(std)
    # (1, Hi, Wi, 3) seen as (1, 3, Hi, Wi): so torch knows the channels-last layout and keeps it.
    return image.view(1, shape.height, shape.width, 3).permute(0, 3, 1, 2)


def _stretch(rgb: np.ndarray, shape: ImageSize, device: torch.device) -> Tensor:
    """Return the (Hi, Wi, 3) float32 stretch of an image, all of which becomes float32."""
    image = torch.from_numpy(rgb).to(device)[None].permute(0, 3, 1, 2).float()
    image = functional.interpolate(image, (shape.height, shape.width), mode='bilinear',
                                   align_corners=False)
    return image[0].permute(1, 2, 0)


def _needs_few_pixels(rgb: np.ndarray, shape: ImageSize) -> bool:
    """Return whether the four neighbours of every input pixel are less than half of an image."""
    height, width = rgb.shape[:2]
    return (8 * shape.pixels <= height * width
            and max(height, width) <= np.iinfo(np.int16).max)


def _stretch_few_pixels(rgb: np.ndarray, shape: ImageSize) -> Tensor:
    """Return the (Hi, Wi, 3) float32 stretch of an image, of which only neighbours are read."""
    places, share_y, share_x = _neighbours(ImageSize(*rgb.shape[:2]), shape)
    pixels = torch.from_numpy(cv2.remap(rgb, places, None, cv2.INTER_NEAREST))
    corners = pixels.view(shape.height, 2, 2, shape.width * 3).float()
    rows = torch.lerp(corners[:, :, 0], corners[:, :, 1], share_x)            # (Hi, 2, Wi * 3)
    return torch.lerp(rows[:, 0], rows[:, 1], share_y).view(shape.height, shape.width, 3)


@lru_cache(maxsize=16)  # sizes of images: cameras that share a model may all differ
def _neighbours(image: ImageSize, shape: ImageSize) -> tuple[np.ndarray, Tensor, Tensor]:
    """
    Return which pixels of an image make its stretch, and how much of each.

    :returns: (Hi * 4, Wi, 2) int16 x and y: above left, above right, below left, below right of
        each row; the share of the lower (Hi, 1), and of the right of the three colours (Wi * 3,).
    """
    (above, below, share_y), (left, right, share_x) = (
        _axis(pixels, size)
        for pixels, size in ((image.height, shape.height), (image.width, shape.width)))
    places = np.empty((shape.height, 2, 2, shape.width, 2), np.int16)
    places[..., 0] = np.stack((left, right))
    places[..., 1] = np.stack((above, below), 1)[:, :, None, None]
    return (places.reshape(shape.height * 4, shape.width, 2), torch.from_numpy(share_y)[:, None],
            torch.from_numpy(share_x.repeat(3)))


def _axis(pixels: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels before and after each of S positions and the share of the latter."""
    # In float32, as torch computes it.
    at = np.maximum((np.arange(size, dtype=np.float32) + np.float32(0.5))
                    * np.float32(pixels / size) - np.float32(0.5), 0)
    before = np.minimum(at.astype(np.int64), pixels - 1)
    return before, np.minimum(before + 1, pixels - 1), at - before.astype(np.float32)
