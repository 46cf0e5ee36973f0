"""What a camera does to an image: light, lens, sensor, compression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

NOISE_MARGIN = 128    # by which the noise tile exceeds the image [px]


@dataclass(frozen=True)
class CameraEffects:
    """
    One camera's faults.

    :param exposure: factor on the light.
    :param balance: factors on R, G, B.
    :param gradient: relative change of the light from the centre to the right and lower edge.
    :param vignette: loss of light in the corners.
    :param defocus: blur [px of an image of 256 rows].
    :param motion: direction [rad] and length [px of an image of 256 rows] of the motion blur.
    :param noise: standard deviation of the sensor's noise at mid grey, of 255.
    :param jpeg: quality, or None for an uncompressed image.
    """

    exposure: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gradient: tuple[float, float] = (0.0, 0.0)
    vignette: float = 0.0
    defocus: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0
    jpeg: int | None = None


def random_effects(rng: np.random.Generator, hard: bool, moving: bool) -> CameraEffects:
    """Return faults as cameras have them; moving images get no random motion blur."""
    strength = 1.0 if hard else 0.5
    balance = 1 + 0.14 * strength * rng.uniform(-1, 1, 3)
    defocus = strength * rng.uniform(0, 1.6) if rng.random() < 0.3 else 0.0
    smear = strength * rng.uniform(2, 6) if rng.random() < 0.2 and not moving else 0.0
    return CameraEffects(
        exposure=float(1 + strength * rng.uniform(-0.45, 0.25)),
        balance=tuple(balance.tolist()),
        gradient=tuple((strength * rng.uniform(-0.35, 0.35, 2)).tolist()),
        vignette=float(strength * rng.uniform(0, 0.5)),
        defocus=float(defocus), motion=(float(rng.uniform(0, np.pi)), float(smear)),
        noise=float(strength * rng.uniform(1, 14)),
        jpeg=int(rng.integers(40, 96)) if rng.random() < 0.6 else None)


def apply_effects(image: np.ndarray, effects: CameraEffects,
                  rng: np.random.Generator) -> np.ndarray:
    """
    Return the image as the camera delivers it.

    :param image: (3, H, W) float32 RGB planes in [0, 255].
    :returns: (H, W, 3) uint8 RGB.
    """
    unit = image.shape[1] / 256
    if effects.defocus * unit > 0.3:
        image = np.stack([cv2.GaussianBlur(plane, (0, 0), effects.defocus * unit)
                          for plane in image])
    if effects.motion[1] * unit >= 2:
        kernel = _motion_kernel(effects.motion[0], effects.motion[1] * unit)
        image = np.stack([cv2.filter2D(plane, -1, kernel) for plane in image])
    image = image * _light_field(image.shape[1:], effects)
    if effects.noise:
        image += _sensor_noise(image, effects.noise, rng)
    pixels = cv2.merge(np.clip(image, 0, 255, out=image).astype(np.uint8))
    if effects.jpeg is None:
        return pixels
    # The codec takes BGR for what it stores; turning both ways would only cost time.
    coded = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, effects.jpeg])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def _motion_kernel(angle: float, length: float) -> np.ndarray:
    """Return a line through the kernel's centre, sum 1."""
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    dx, dy = np.cos(angle) * length / 2, np.sin(angle) * length / 2
    ends = [(round((half + sign * dx) * 16), round((half + sign * dy) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
    return kernel / kernel.sum()


def _light_field(shape: tuple[int, int], effects: CameraEffects) -> np.ndarray:
    """Return (3, H, W) float32 factors: exposure, white balance, uneven light, vignette."""
    axis = np.linspace(-1, 1, 17, dtype=np.float32)
    field = (1 + effects.gradient[0] * axis[None, :]) * (1 + effects.gradient[1] * axis[:, None])
    field *= 1 - effects.vignette * (axis[None, :] ** 2 + axis[:, None] ** 2) / 2
    field = cv2.resize(field.astype(np.float32), shape[::-1]) * np.float32(effects.exposure)
    return field * np.array(effects.balance, np.float32).reshape(3, 1, 1)


@lru_cache(maxsize=4)
def _noise_tile(height: int, width: int) -> np.ndarray:
    """Return normal noise (3, height, width) float32 to cut from; fresh noise would cost 2 ms."""
    return np.random.default_rng(80).standard_normal((3, height, width), np.float32)


def _sensor_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Return shot noise, which grows with the light, and read noise."""
    height, width = image.shape[1:]
    row, column = rng.integers(0, NOISE_MARGIN, 2)
    tile = _noise_tile(height + NOISE_MARGIN, width + NOISE_MARGIN)
    noise = tile[:, row:row + height, column:column + width]
    variance = image * np.float32(deviation ** 2 / 256)
    variance += np.float32(deviation ** 2 / 2)
    return noise * np.sqrt(variance, out=variance)
