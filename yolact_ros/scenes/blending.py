"""Put painted objects and their shadows into the image."""

from __future__ import annotations

import cv2
import numpy as np

from yolact_ros.scenes.painter import Sprite


def blend(image: np.ndarray, sprite: Sprite) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """
    Put the sprite into the image (modified in place).

    :param image: (3, H, W) float32 RGB planes.
    :returns: the image's rows and columns it touches and its (h, w) bool silhouette there; None
        when it lies outside.
    """
    inside = overlap(image.shape[1:], sprite.corner, sprite.alpha.shape)
    if inside is None:
        return None
    target, source = inside
    alpha = sprite.alpha[source]
    everywhere = slice(None),  # in all planes
    image[everywhere + target] *= 1 - alpha
    image[everywhere + target] += sprite.color[everywhere + source]
    return target, alpha >= 0.5


def cast_shadow(image: np.ndarray, sprite: Sprite, leans: list[tuple[np.ndarray, float]],
                softness: float) -> None:
    """
    Darken the image where the sprite keeps the light away (modified in place).

    :param leans: for each light the (2, 3) map from the sprite's pixels in the image to its
        shadow's, and the shadow's strength: 0 none, 1 black.
    :param softness: width of the shadow's edge [px].
    """
    height, width = sprite.alpha.shape
    x, y = sprite.corner
    corners = np.array([[x, y, 1], [x + width, y, 1], [x, y + height, 1],
                        [x + width, y + height, 1]])
    reached = np.concatenate([corners @ lean.T for lean, _ in leans])
    low = np.maximum(np.floor(reached.min(0) - 2 * softness).astype(int), 0)
    high = np.minimum(np.ceil(reached.max(0) + 2 * softness).astype(int), image.shape[:0:-1])
    if np.any(high <= low):
        return
    # At half the resolution: a blurred thing needs no more.
    size = tuple(((high - low + 1) // 2).tolist())
    light = np.ones(size[::-1], np.float32)
    for lean, strength in leans:
        shift = lean / 2
        shift[:, 2] += (lean[:, :2] @ (x, y) - low) / 2
        light -= strength * (light * cv2.warpAffine(sprite.alpha, shift, size))
    kernel = 2 * int(softness / 2) + 1
    light = cv2.blur(cv2.blur(light, (kernel, kernel)), (kernel, kernel))
    light = cv2.resize(light, tuple((high - low).tolist()))
    image[:, low[1]:high[1], low[0]:high[0]] *= light


def overlap(frame: tuple[int, int], corner: tuple[int, int], shape: tuple[int, int],
            ) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return the slices of frame and of patch where both lie over each other, or None."""
    target: list[slice] = []
    source: list[slice] = []
    for length, start, extent in zip(frame, corner[::-1], shape):
        low, high = max(start, 0), min(start + extent, length)
        if high <= low:
            return None
        target.append(slice(low, high))
        source.append(slice(low - start, high - start))
    return (target[0], target[1]), (source[0], source[1])
