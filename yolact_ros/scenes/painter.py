"""Turn the parts of an object into shaded pixels, an exact mask and a shadow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from yolact_ros.scenes.textures import PATTERN_SIDE

IDENTITY_FRAME = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
SUBPIXEL_BITS = 4
AMBIENT, DIFFUSE = 0.42, 0.68


@dataclass(frozen=True, eq=False)
class Material:
    """
    What a surface looks like.

    :param color: (3,) float RGB in [0, 255].
    :param second_color: (3,) float RGB where the texture is 1.
    :param texture: (128, 128) float in [0, 1], or None for one plain colour.
    :param texture_scale: texture widths across one unit of the part's frame.
    :param gloss: strength of the highlight, 0 to 1.
    """

    color: np.ndarray
    second_color: np.ndarray
    texture: np.ndarray | None = None
    texture_scale: float = 0.5
    gloss: float = 0.2

    def scaled(self, factor: float) -> Material:
        """Return the same material, darker or lighter."""
        return Material(np.clip(self.color * factor, 0, 255),
                        np.clip(self.second_color * factor, 0, 255),
                        self.texture, self.texture_scale, self.gloss)


@dataclass(frozen=True, eq=False)
class Part:
    """
    One surface of an object, in units of the object's size: x right, y down, origin on the table.

    :param outlines: polygons (K, 2) whose union is filled; open lines when stroke is set.
    :param shade: 'flat', 'cylinder', 'sphere', 'hollow' (a sphere seen from inside) or
        'relief' (rounded towards its outline).
    :param frame: (2, 3) affine map from object units to the part's own (s, t), in [-1, 1] across
        the part; carries the shading and the texture.
    :param holes: polygons that are cut out; what lies behind stays visible.
    :param stroke: width of the lines, 0 for filled polygons.
    :param normal: (3,) direction of a flat face: x right, y down, z towards the viewer.
    :param detail: lies on the parts before it and never reaches beyond them.
    """

    outlines: tuple[np.ndarray, ...]
    material: Material
    shade: str = 'relief'
    frame: np.ndarray = field(default_factory=lambda: IDENTITY_FRAME)
    holes: tuple[np.ndarray, ...] = ()
    stroke: float = 0.0
    normal: tuple[float, float, float] = (0.0, 0.0, 1.0)
    detail: bool = False


@dataclass(frozen=True, eq=False)
class Placement:
    """
    Where in the image an object's units are.

    :param origin: (2,) x, y of the object's contact point [px].
    :param scale: pixels per object unit.
    :param roll: turn of the image about the origin [rad].
    """

    origin: np.ndarray
    scale: float
    roll: float = 0.0

    def matrix(self) -> np.ndarray:
        """Return the (2, 3) map from object units to pixels."""
        cos, sin = self.scale * np.cos(self.roll), self.scale * np.sin(self.roll)
        return np.array([[cos, -sin, self.origin[0]], [sin, cos, self.origin[1]]])


@dataclass(frozen=True, eq=False)
class Sprite:
    """
    A painted object before it is put into the image.

    :param corner: (x, y) of its top-left pixel in the image; may lie outside.
    :param color: (3, h, w) float32 RGB planes, multiplied by alpha. Planes, because NumPy
        multiplies them by alpha several times as fast as interleaved colours.
    :param alpha: (h, w) float32 in [0, 1].
    """

    corner: tuple[int, int]
    color: np.ndarray
    alpha: np.ndarray

    @property
    def silhouette(self) -> np.ndarray:
        """(h, w) bool, the pixels that belong to the object for the most part."""
        return self.alpha >= 0.5


def paint(parts: list[Part], placement: Placement, light: np.ndarray) -> Sprite:
    """
    Paint the parts in their order.

    :param light: (3,) unit vector towards the light: x right, y down, z towards the viewer.
    """
    to_pixels = placement.matrix()
    outlines = [[outline @ to_pixels[:, :2].T + to_pixels[:, 2] for outline in part.outlines]
                for part in parts]
    windows = [_window(lines, part.stroke * placement.scale)
               for part, lines in zip(parts, outlines)]
    solid = [window for part, window in zip(parts, windows) if not part.detail]
    low = np.min([window[0] for window in solid], 0)
    width, height = (np.max([window[1] for window in solid], 0) - low).tolist()
    color = np.zeros((3, height, width), np.float32)
    alpha = np.zeros((height, width), np.float32)
    for part, lines, (first, last) in zip(parts, outlines, windows):
        first, last = np.maximum(first, low), np.minimum(last, low + (width, height))
        if np.all(last > first):
            corner = first - low
            window = (..., slice(corner[1], corner[1] + last[1] - first[1]),
                      slice(corner[0], corner[0] + last[0] - first[0]))
            to_window = to_pixels.copy()
            to_window[:, 2] -= first
            _paint_part(part, [line - first for line in lines], to_window, color[window],
                        alpha[window], light, placement.scale)
    _darken_rim(color, alpha, placement.scale)
    np.minimum(color, 255 * alpha, out=color)
    return Sprite((int(low[0]), int(low[1])), color, alpha)


def _paint_part(part: Part, outlines: list[np.ndarray], to_pixels: np.ndarray, color: np.ndarray,
                alpha: np.ndarray, light: np.ndarray, scale: float) -> None:
    """
    Paint one part over those before it (color and alpha are modified in place).

    :param outlines: the part's, in pixels of this window.
    :param color: (3, h, w) and alpha: (h, w), the window of the part.
    """
    cover = _coverage(part, outlines, to_pixels, alpha.shape, scale)
    if part.detail:
        cover *= alpha
    surface = _surface(part, to_pixels, cover, light, scale)
    surface -= color
    surface *= cover
    color += surface
    alpha += cover * (1 - alpha)


def _window(outlines: list[np.ndarray], stroke: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the top-left and the bottom-right pixel (2,) int of a window around outlines."""
    pixels = outlines[0] if len(outlines) == 1 else np.concatenate(outlines)
    margin = 2 + stroke / 2
    return (np.floor(pixels.min(0) - margin).astype(int),
            np.ceil(pixels.max(0) + margin).astype(int))


def _coverage(part: Part, outlines: list[np.ndarray], to_pixels: np.ndarray,
              shape: tuple[int, int], scale: float) -> np.ndarray:
    """Return the share of each pixel that the part covers, (h, w) float32."""
    fine = 4 if max(shape) <= 90 else 2
    canvas = np.zeros((shape[0] * fine, shape[1] * fine), np.uint8)
    for outline in outlines:
        if part.stroke:
            thickness = max(1, round(part.stroke * scale * fine))
            cv2.polylines(canvas, [_fixed_point(outline, fine)], False, 255, thickness,
                          cv2.LINE_8, SUBPIXEL_BITS)
        else:
            cv2.fillPoly(canvas, [_fixed_point(outline, fine)], 255, cv2.LINE_8, SUBPIXEL_BITS)
    for hole in part.holes:
        pixels = hole @ to_pixels[:, :2].T + to_pixels[:, 2]
        cv2.fillPoly(canvas, [_fixed_point(pixels, fine)], 0, cv2.LINE_8, SUBPIXEL_BITS)
    small = cv2.resize(canvas, shape[::-1], interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) * np.float32(1 / 255)


def _fixed_point(pixels: np.ndarray, fine: int) -> np.ndarray:
    """Return pixels as OpenCV draws them on a finer canvas: centres at whole numbers, shifted."""
    unit = 2 ** SUBPIXEL_BITS
    return np.rint(pixels * (fine * unit) - 0.5 * unit).astype(np.int32)


def _surface(part: Part, to_pixels: np.ndarray, cover: np.ndarray, light: np.ndarray,
             scale: float) -> np.ndarray:
    """Return the part's lit colour, (3, h, w) float32, at least 0."""
    from_pixels = cv2.invertAffineTransform(to_pixels)
    frame = part.frame[:, :2] @ from_pixels
    frame[:, 2] += part.frame[:, 2]
    material = part.material
    lit = np.empty((3, *cover.shape), np.float32)
    lit[:] = material.color.reshape(3, 1, 1)
    if material.texture is not None:
        change = (material.second_color - material.color).astype(np.float32)
        lit += change.reshape(3, 1, 1) * _textured(material, frame, cover.shape)
    facing = np.maximum(_facing(part, frame, cover, light, scale), 0)
    lit *= AMBIENT + DIFFUSE * facing
    if material.gloss > 0.05 and part.shade != 'flat':
        sixth = np.square(facing * facing * facing)
        lit += (200 * material.gloss) * np.square(sixth)
    return lit


def _textured(material: Material, frame: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the texture as it lies on the part, (h, w) float32."""
    to_texture = frame * (PATTERN_SIDE * material.texture_scale)
    to_texture[:, 2] += PATTERN_SIDE / 2
    return cv2.warpAffine(material.texture, to_texture, shape[::-1],
                          flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REFLECT)


def _facing(part: Part, frame: np.ndarray, cover: np.ndarray, light: np.ndarray,
            scale: float) -> np.ndarray:
    """Return the cosine between surface and light, (h, w) float32 or a scalar array."""
    if part.shade == 'flat':
        return np.asarray(np.dot(part.normal, light), np.float32)
    if part.shade == 'relief':
        kernel = max(3, 2 * int(0.05 * scale) + 1)
        height = cv2.blur(cover, (kernel, kernel))
        slope = 0.6 * kernel
        gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=slope / 8)
        gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=slope / 8)
        return (light[2] - gx * light[0] - gy * light[1]) / np.sqrt(1 + gx * gx + gy * gy)
    rows = np.arange(cover.shape[0], dtype=np.float32)[:, None]
    columns = np.arange(cover.shape[1], dtype=np.float32)[None, :]
    s, t = (np.float32(a) * columns + np.float32(b) * rows + np.float32(c) for a, b, c in frame)
    if part.shade == 'hollow':
        s, t = -s, -t
    along_s, along_t = ((a * light[0] + b * light[1]) / (math.hypot(a, b) + 1e-9)
                        for a, b, _ in frame.tolist())
    if part.shade == 'cylinder':
        side, depth = s * np.float32(along_s), 1 - s * s
    else:
        side, depth = s * np.float32(along_s) + t * np.float32(along_t), 1 - s * s - t * t
    return side + np.float32(light[2]) * np.sqrt(np.maximum(depth, 0))


def _darken_rim(color: np.ndarray, alpha: np.ndarray, scale: float) -> None:
    """Let colours fall off towards the silhouette (modified in place)."""
    kernel = 2 * int(0.03 * scale) + 3
    depth = cv2.blur(alpha, (kernel, kernel))
    color *= np.minimum(0.35 + 0.75 * depth, 1)
