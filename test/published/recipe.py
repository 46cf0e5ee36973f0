"""
Weights and an image that come out the same, bit by bit, on every machine.

Every number comes from a counter by a 64-bit mixer (splitmix64; Steele, Lea and Flood 2014),
integer arithmetic, + - * / and sqrt in IEEE double and one rounding to float32. The reference
numbers beside this file were computed with them by the original network (float32 on a CPU).
"""

from __future__ import annotations

import json
import math
import re
import zlib
from functools import partial
from pathlib import Path

import numpy as np

SHAPES = Path(__file__).parent / 'state_dict_keys.json'
GAMMA, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

# Gain of a convolution's weight, std = gain / sqrt(fan_in); the first pattern that fits counts.
GAINS = [(r'maskiou_net\.10\.weight$', 0.55), (r'maskiou_net\.', 1.5),
         (r'conv_offset_mask\.weight$', 1.1), (r'^proto_net\.10\.', 1.6), (r'^proto_net\.', 1.7),
         (r'^fpn\.pred_layers\.0\.', 2.4), (r'^fpn\.pred_layers\.1\.', 1.7),
         (r'^fpn\.pred_layers\.2\.', 1.4), (r'^fpn\.downsample_layers\.', 1.3),
         (r'upfeature\.', 1.2), (r'bbox_layer\.', 2.0), (r'mask_layer\.', 1.6),
         (r'^semantic_seg_conv\.', 1.0), (r'^backbone\.conv1\.', 2.0), (r'^backbone\.', 1.3),
         (r'^fpn\.lat_layers\.', 0.42), (r'conf_layer', 4.4)]
# Bias of the background logit, and which draw of the class layer: chosen so that no decision
# lies within rounding noise.
BACKGROUND = {'yolact_resnet50': 17.25, 'yolact_plus_resnet50': 16.25}
CLASS_DRAW = {'yolact_resnet50': 7, 'yolact_plus_resnet50': 50}


def published_shapes() -> dict[str, dict[str, list[int]]]:
    """Return key -> shape of every published file, by the name of its configuration."""
    shapes = json.loads(SHAPES.read_text())['configs']
    return {name: shapes[keys] if isinstance(keys, str) else keys
            for name, keys in shapes.items()}


def state_dict(config: str) -> dict[str, np.ndarray]:
    """Return the weights of a configuration, keys in order."""
    return {key: _parameter(config, key, tuple(shape))
            for key, shape in sorted(published_shapes()[config].items())}


def reference_image(height: int = 480, width: int = 640, seed: int = 20190404) -> np.ndarray:
    """Return (480, 640, 3) uint8 BGR: smooth ground, discs, rings, stripes, rectangles, noise."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.int64)
    image = np.stack([_smooth_noise(height, width, 90, seed + c) for c in range(3)], -1)
    image = (image * 2 + 60) // 3
    draws = (_mix(seed + 100, 24 * 16) >> np.uint64(40)).astype(np.int64).reshape(24, 16)
    for index, draw in enumerate(draws.tolist()):
        y, x = rows - draw[0] % height, columns - draw[1] % width
        radius_y, radius_x = 14 + draw[2] % (height // 5), 14 + draw[3] % (width // 6)
        inside = _shape(draw[7] % 5, y, x, radius_y, radius_x, 4 + draw[8] % 9)
        shade = np.array(draw[4:7]) % 256 + (
            (y * (draw[9] % 7 - 3) + x * (draw[10] % 7 - 3)) // 4)[..., None]
        texture = (_noise(height, width, 2 + draw[11] % 6, seed + 200 + index) - 128)[..., None]
        image = np.where(inside[..., None], shade + texture * (draw[12] % 4) // 6, image)
    image = image + (_noise(height, width, 1, seed + 900)[..., None] - 128) // 10
    return np.clip(image, 0, 255).astype(np.uint8)


def _shape(kind: int, y: np.ndarray, x: np.ndarray, radius_y: int, radius_x: int,
           stripe: int) -> np.ndarray:
    """Return where a rectangle, disc, ring, striped rectangle or diamond covers the image."""
    ellipse, full = (y * radius_x) ** 2 + (x * radius_y) ** 2, (radius_x * radius_y) ** 2
    box = (abs(y) < radius_y) & (abs(x) < radius_x)
    return (box, ellipse < full, (ellipse < full) & (4 * ellipse > full),
            box & ((y + x) // stripe % 2 == 0),
            abs(y) * radius_x + abs(x) * radius_y < radius_x * radius_y)[kind]


def _mix(seed: int, count: int) -> np.ndarray:
    """Return splitmix64 of the counters after the seed, (count,) uint64."""
    with np.errstate(over='ignore'):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
        return z ^ (z >> np.uint64(31))


def _whole(seed: int, count: int) -> np.ndarray:
    """Return integers of [-2**23, 2**23), (count,) int64."""
    return (_mix(seed, count) >> np.uint64(40)).astype(np.int64) - (1 << 23)


def _seed(name: str, draw: int) -> int:
    """Return the seed of a tensor."""
    salted = zlib.crc32(f'{name}|{draw}'.encode())
    return (zlib.crc32(name.encode()) << 32) | salted


def _parameter(config: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one entry of a state dict."""
    if key.endswith('num_batches_tracked'):
        return np.zeros(shape, np.int64)
    count = math.prod(shape)
    seed = _seed(key, CLASS_DRAW[config] if 'conf_layer' in key else 0)
    if len(shape) == 4:
        return _convolution(key, shape, seed).astype(np.float32)
    return _vector(config, key, _whole(seed, count) * 2.0 ** -23).astype(np.float32)


def _convolution(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return a weight; but for re-scoring every filter sums to nearly zero."""
    gain = next(gain for pattern, gain in GAINS if re.search(pattern, key))
    whole = _whole(seed, math.prod(shape)).reshape(shape[0], -1)
    if 'maskiou' not in key:
        whole = whole - whole.sum(1, keepdims=True) // whole.shape[1]
    deviation = gain / math.sqrt(math.prod(shape[1:]))
    return (whole * (deviation * math.sqrt(3.0) * 2.0 ** -23)).reshape(shape)


def _vector(config: str, key: str, uniform: np.ndarray) -> np.ndarray:
    """Return a bias or what belongs to a batch norm, made from numbers of [-1, 1)."""
    if key.endswith('running_mean'):
        return 0.1 * uniform
    if key.endswith('running_var'):
        return 0.9 + 0.7 * uniform
    if re.search(r'(bn\d|downsample\.1)\.weight$', key):
        return (0.25 if key.endswith('bn3.weight') else 1.0) * (1.0 + 0.25 * uniform)
    if key.endswith('conf_layer.bias'):
        biases = (0.3 * uniform).reshape(-1, 81)
        biases[:, 0] += BACKGROUND[config]
        return biases.reshape(-1)
    if key.endswith('maskiou_net.10.bias'):
        return 0.35 + 0.1 * uniform
    return 0.1 * uniform


def _noise(height: int, width: int, cell: int, seed: int, smooth: bool = False) -> np.ndarray:
    """Return square cells of noise of [0, 255]; smooth ones run into each other."""
    rows, columns = (height // cell + 2, width // cell + 2) if smooth else (
        -(-height // cell), -(-width // cell))
    grid = (_mix(seed, rows * columns) >> np.uint64(56)).astype(np.int64).reshape(rows, columns)
    y, x = np.arange(height), np.arange(width)
    if not smooth:
        return grid[y // cell][:, x // cell]
    down, across = (y % cell)[:, None], (x % cell)[None, :]
    upper, lower = ((cell - across) * grid[top][:, x // cell]
                    + across * grid[top][:, x // cell + 1]
                    for top in (y // cell, y // cell + 1))
    return ((cell - down) * upper + down * lower) // (cell * cell)


_smooth_noise = partial(_noise, smooth=True)
