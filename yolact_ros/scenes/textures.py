"""Surface patterns: noise, stripes, letters for objects; wood, cloth, metal, tiles for tables."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

PATTERNS = 120      # object patterns in the pool
TABLES = 48         # table tops in the pool
PATTERN_SIDE = 128
TABLE_SIDE = 256
LABEL_WORDS = ('TEA', 'Oat', 'No 7', 'BIO', 'mix', 'LAB', 'A-12', 'pure', '500', 'ROBO', 'K9',
               'Zest')


def value_noise(rng: np.random.Generator, side: int, cells: tuple[int, int],
                octaves: int = 3) -> np.ndarray:
    """
    Return smooth noise: random grids of rising fineness, resized and added.

    :param side: height and width of the result [px].
    :param cells: rows and columns of the coarsest grid; unequal ones give streaks.
    :returns: (side, side) float32 in [0, 1].
    """
    noise = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        shape = [min(side, count * 2 ** octave + 1) for count in cells]
        grid = rng.random(shape, np.float32)
        noise += cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) / 2 ** octave
    return np.clip(cv2.normalize(noise, None, 0, 1, cv2.NORM_MINMAX), 0, 1)


@lru_cache(maxsize=PATTERNS)
def pattern(index: int) -> np.ndarray:
    """
    Return one object pattern of the pool: how much of the second colour is where.

    :returns: (128, 128) float32 in [0, 1], to be read only.
    """
    rng = np.random.default_rng((77, index))
    makers = (_mottled, _stripes, _dots, _checks, _streaks, _brushed)
    texture = makers[index % len(makers)](rng).astype(np.float32)
    texture.setflags(write=False)
    return texture


@lru_cache(maxsize=64)
def label(index: int) -> np.ndarray:
    """Return a printed label with a word and bars, (128, 128) float32 in [0, 1], read only."""
    rng = np.random.default_rng((78, index))
    print_ = np.zeros((PATTERN_SIDE, PATTERN_SIDE), np.uint8)
    word = LABEL_WORDS[int(rng.integers(len(LABEL_WORDS)))]
    scale = 3.2 / len(word) * rng.uniform(0.8, 1.2)
    cv2.putText(print_, word, (14, int(rng.integers(45, 75))), cv2.FONT_HERSHEY_DUPLEX, scale,
                255, int(rng.integers(3, 7)), cv2.LINE_AA)
    for row in range(85, 120, int(rng.integers(9, 16))):
        end = (int(rng.integers(50, 115)), row)
        cv2.line(print_, (14, row), end, 255, int(rng.integers(2, 6)))
    if rng.random() < 0.5:
        cv2.rectangle(print_, (4, 4), (123, 123), 255, 4)
    texture = print_.astype(np.float32) / 255
    texture.setflags(write=False)
    return texture


def _mottled(rng: np.random.Generator) -> np.ndarray:
    """Return blotches: glaze, rust, marble."""
    return value_noise(rng, PATTERN_SIDE, (4, 4)) ** rng.uniform(0.7, 2)


def _streaks(rng: np.random.Generator) -> np.ndarray:
    """Return long streaks in one direction, as in wood."""
    return value_noise(rng, PATTERN_SIDE, (1, int(rng.integers(8, 20))))


def _brushed(rng: np.random.Generator) -> np.ndarray:
    """Return fine faint noise, as on metal or cast plastic."""
    return 0.35 * value_noise(rng, PATTERN_SIDE, (24, 24), octaves=2)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    """Return bands of random direction, width and sharpness."""
    angle, count = rng.uniform(0, np.pi), rng.uniform(1.5, 6)
    axis = np.linspace(0, 2 * np.pi * count, PATTERN_SIDE, dtype=np.float32)
    phase = axis[None, :] * np.cos(angle) + axis[:, None] * np.sin(angle)
    return np.clip(0.5 + np.sin(phase) * rng.uniform(1, 8), 0, 1)


def _dots(rng: np.random.Generator) -> np.ndarray:
    """Return discs, on a grid or strewn."""
    dots = np.zeros((PATTERN_SIDE, PATTERN_SIDE), np.uint8)
    step, radius = int(rng.integers(20, 42)), int(rng.integers(4, 9))
    jitter = rng.choice([0, step // 3])
    for y in range(step // 2, PATTERN_SIDE, step):
        for x in range(step // 2, PATTERN_SIDE, step):
            dx, dy = rng.integers(-jitter, jitter + 1, 2)
            cv2.circle(dots, (x + int(dx), y + int(dy)), radius, 255, -1, cv2.LINE_AA)
    return dots.astype(np.float32) / 255


def _checks(rng: np.random.Generator) -> np.ndarray:
    """Return a tartan: two sets of bands over each other."""
    bands = [np.sin(np.linspace(0, rng.uniform(10, 30), PATTERN_SIDE) + rng.uniform(0, 6)) > 0
             for _ in range(2)]
    return 0.5 * (bands[0][None, :].astype(np.float32) + bands[1][:, None])


@lru_cache(maxsize=TABLES)
def table_top(index: int) -> np.ndarray:
    """
    Return one table top of the pool.

    :returns: (256, 256, 3) uint8 RGB, to be read only.
    """
    rng = np.random.default_rng((79, index))
    makers = (_wood, _cloth, _metal, _tiles, _stone, _plain)
    factor = makers[index % len(makers)](rng)
    base = _table_color(rng)
    second = np.clip(base * rng.uniform(0.55, 1.35) + rng.uniform(-18, 18, 3), 0, 255)
    texture = base + factor[..., None] * (second - base)
    texture = np.clip(texture + 5 * rng.standard_normal((TABLE_SIDE, TABLE_SIDE, 1)), 0, 255)
    texture = texture.astype(np.uint8)
    texture.setflags(write=False)
    return texture


def _table_color(rng: np.random.Generator) -> np.ndarray:
    """Return a muted colour: tables are rarely as colourful as what stands on them."""
    hue, saturation, value = rng.uniform(0, 180), rng.uniform(0, 110), rng.uniform(50, 235)
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _wood(rng: np.random.Generator) -> np.ndarray:
    """Return planks with grain."""
    grain = value_noise(rng, TABLE_SIDE, (2, 24))
    plank = TABLE_SIDE // int(rng.integers(2, 6))
    for start in range(0, TABLE_SIDE, plank):
        grain[:, start:start + plank] = np.roll(grain[:, start:start + plank],
                                                int(rng.integers(TABLE_SIDE)), axis=0)
        grain[:, start:start + plank] *= rng.uniform(0.6, 1)
        grain[:, start:start + 1] = 1.6
    return grain


def _cloth(rng: np.random.Generator) -> np.ndarray:
    """Return a woven or checked cloth with soft folds."""
    step = rng.uniform(0.12, 0.5)
    axis = np.arange(TABLE_SIDE, dtype=np.float32) * step
    weave = 0.25 * (np.sin(axis)[None, :] > 0) + 0.25 * (np.sin(axis)[:, None] > 0)
    return weave + 0.5 * value_noise(rng, TABLE_SIDE, (3, 3))


def _metal(rng: np.random.Generator) -> np.ndarray:
    """Return brushed metal."""
    fine = value_noise(rng, TABLE_SIDE, (120, 2), octaves=1)
    return 0.5 * fine + 0.5 * value_noise(rng, TABLE_SIDE, (2, 2))


def _tiles(rng: np.random.Generator) -> np.ndarray:
    """Return tiles with joints, each of its own shade."""
    count = int(rng.integers(3, 9))
    shades = cv2.resize(rng.random((count, count)).astype(np.float32), (TABLE_SIDE, TABLE_SIDE),
                        interpolation=cv2.INTER_NEAREST)
    tiles = 0.4 * shades + 0.2 * value_noise(rng, TABLE_SIDE, (8, 8))
    for position in np.linspace(0, TABLE_SIDE, count, endpoint=False).astype(int):
        tiles[position:position + 3] = tiles[:, position:position + 3] = 1
    return tiles


def _stone(rng: np.random.Generator) -> np.ndarray:
    """Return granite: large blotches and fine grains."""
    grains = value_noise(rng, TABLE_SIDE, (60, 60), octaves=2) > rng.uniform(0.55, 0.7)
    return 0.6 * value_noise(rng, TABLE_SIDE, (4, 4)) + 0.4 * grains


def _plain(rng: np.random.Generator) -> np.ndarray:
    """Return a nearly even coat of paint."""
    return 0.4 * value_noise(rng, TABLE_SIDE, (2, 2), octaves=2)
