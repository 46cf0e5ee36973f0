"""From an image in host memory to the network's input."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from yolact_ros.config import ModelConfig


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
    # (1, H, W, 3) seen as (1, 3, H, W): so torch knows the channels-last layout and keeps it.
    image = torch.from_numpy(rgb).to(device)[None].permute(0, 3, 1, 2).float()
    image = functional.interpolate(image, (shape.height, shape.width), mode='bilinear',
                                   align_corners=False)
    mean = torch.tensor(config.pixel_mean, device=device).reshape(1, 3, 1, 1)
    std = torch.tensor(config.pixel_std, device=device).reshape(1, 3, 1, 1)
    return image.sub_(mean).div_(std)
