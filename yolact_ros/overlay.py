"""Draw what was found on a copy of the image: masks, contours, boxes, labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np

from yolact_ros.labels import DARK, Color, draw_labels
from yolact_ros.structures import Instances

GOLDEN_TURN = (math.sqrt(5) - 1) / 2  # successive multiples never come close to each other soon
# Chosen by search: the first 8, 12 and 20 classes stay 37, 26 and 20 apart in CIE Lab.
FIRST_HUE = 0.06  # [turns]
LIGHTNESS = (0.68, 0.55, 0.82)
COLOR_BY = ('class', 'track', 'instance')
GREY = (150, 150, 150)  # of no class and no track
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class OverlayStyle:
    """
    What is drawn for every instance.

    :param alpha: opacity of the mask in [0, 1]; 0 leaves the object as it is.
    :param boxes: draw the bounding box.
    :param labels: draw class name, score, and what else is known.
    :param contours: draw the outline of the mask.
    :param color_by: 'class'; 'track': an object keeps a colour of its own; 'instance': all of an
        image differ, whatever they are.
    """

    alpha: float = 0.45
    boxes: bool = True
    labels: bool = True
    contours: bool = True
    color_by: str = 'class'

    def __post_init__(self) -> None:
        """Refuse an opacity that is none, and colours of what is not known."""
        if self.color_by not in COLOR_BY:
            raise ValueError(f'color_by must be one of {", ".join(COLOR_BY)}, '
                             f'got {self.color_by!r}')
        if not 0.0 <= self.alpha <= 1.0:
            raise ValueError(f'alpha must be in [0, 1], got {self.alpha}')


@dataclass(frozen=True, eq=False)
class TrackMarks:
    """
    Which objects the instances are, and the ways they took.

    :param ids: (N,) int, 0 for an object without a number.
    :param trails: N arrays (K, 2) of x, y [px], oldest first; or none at all.
    """

    ids: np.ndarray
    trails: tuple[np.ndarray, ...] = ()


def draw_instances(rgb: np.ndarray, instances: Instances, class_names: Sequence[str],
                   style: OverlayStyle = OverlayStyle(), tracks: TrackMarks | None = None,
                   distances: Sequence[float] | np.ndarray = ()) -> np.ndarray:
    """
    Return a copy of the image with the instances on it, the best score on top.

    Lines and letters grow with the image, so that they look alike at any resolution.

    :param rgb: (H, W, 3) uint8, not modified.
    :param class_names: name of every class id; ids beyond its end are written as numbers.
    :param tracks: numbers to write before the names, and trails.
    :param distances: [m] to write behind the scores, NaN where unknown; empty when nobody knows.
    :returns: (H, W, 3) uint8, a new array.
    :raises ValueError: when the instances belong to an image of another size.
    """
    _check_image(rgb, instances)
    canvas = np.array(rgb, order='C')
    colors = instance_colors(instances, style, tracks)
    line = max(1, round(min(canvas.shape[:2]) / 280))
    rows = range(len(instances) - 1, -1, -1)
    if style.alpha > 0:
        for row in rows:
            _blend_mask(canvas, instances.crops[row], instances.rois[row], colors[row],
                        style.alpha)
    for row in rows:
        if style.contours:
            _draw_contour(canvas, instances.crops[row], instances.rois[row], colors[row], line)
        if style.boxes:
            _draw_box(canvas, instances.boxes[row], colors[row], (line + 1) // 2)
    for trail, color in zip(tracks.trails if tracks else (), colors):
        _draw_trail(canvas, trail, color, line)
    if style.labels:
        draw_labels(canvas, instances, class_names, colors,
                    tracks.ids.tolist() if tracks else (), distances)
    return canvas


def color_by_of(class_names: Sequence[str]) -> str:
    """Return how to colour labelled objects: by class, by instance if there is one class only."""
    return 'class' if len(class_names) > 1 else 'instance'


def instance_colors(instances: Instances, style: OverlayStyle,
                    tracks: TrackMarks | None) -> list[Color]:
    """Return the colour of every instance: its class's, or its track's, grey without one."""
    if style.color_by == 'track' and tracks is not None:
        return [class_color(track) if track else GREY for track in tracks.ids.tolist()]
    if style.color_by == 'instance':
        return [class_color(row) for row in range(len(instances))]
    return [class_color(class_id) for class_id in instances.class_ids.tolist()]


def _draw_trail(canvas: np.ndarray, trail: np.ndarray, color: Color, line: int) -> None:
    """Draw a way as a coloured line with a dark rim, and a dot where it ends."""
    if len(trail) < 2:
        return
    points = np.rint(trail).astype(np.int32)
    for width, tone in ((2 * line + 3, DARK), (2 * line + 1, color)):  # odd: solid in the middle
        cv2.polylines(canvas, [points[:, None]], False, tone, width, cv2.LINE_AA)
        cv2.circle(canvas, points[-1].tolist(), width, tone, cv2.FILLED, cv2.LINE_AA)


@cache
def class_color(class_id: int) -> Color:
    """
    Return the colour of a class: the same in every run, far from the classes next to it.

    The hue turns by the golden ratio in OKLCH, where equal steps look equal; lightness
    alternates, so that hues which come close after many classes still differ.

    :returns: red, green, blue in [0, 255].
    """
    hue = 2 * math.pi * ((FIRST_HUE + class_id * GOLDEN_TURN) % 1.0)
    lightness = LIGHTNESS[class_id % len(LIGHTNESS)]
    chroma = 0.19
    while True:  # less colourful until the screen can show it
        linear = _oklab_to_linear_rgb(lightness, chroma * math.cos(hue), chroma * math.sin(hue))
        if all(-1e-4 <= value <= 1 + 1e-4 for value in linear):
            red, green, blue = linear
            return _gamma(red), _gamma(green), _gamma(blue)
        chroma -= 0.005


def _oklab_to_linear_rgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Return linear sRGB, outside [0, 1] where no screen can show it (Ottosson 2020, OKLab)."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short)


def _gamma(linear: float) -> int:
    """Return the 8-bit sRGB value of a linear one."""
    value = min(max(linear, 0.0), 1.0)
    curved = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * curved)


def _check_image(rgb: np.ndarray, instances: Instances) -> None:
    """Refuse arrays that are not the image the instances were found in."""
    size = instances.image_size
    if rgb.dtype != np.uint8 or rgb.shape != (size.height, size.width, 3):
        raise ValueError(f'the picture of these instances is ({size.height}, {size.width}, 3) '
                         f'uint8, got {rgb.shape} {rgb.dtype}')


def _blend_mask(canvas: np.ndarray, crop: np.ndarray, roi: np.ndarray, color: Color,
                alpha: float) -> None:
    """Tint the pixels of one mask; the work is one table look-up inside the roi."""
    x0, y0, x1, y1 = roi.tolist()
    if crop.size == 0:
        return
    window = canvas[y0:y1, x0:x1]
    tinted = cv2.LUT(window, _tint_table(color, alpha))
    cv2.copyTo(tinted, crop.view(np.uint8), window)


@lru_cache(maxsize=256)
def _tint_table(color: Color, alpha: float) -> np.ndarray:
    """Return (256, 1, 3) uint8: every pixel value mixed with the colour."""
    mixed = np.arange(256)[:, None] * (1 - alpha) + np.array(color) * alpha
    return np.rint(mixed).astype(np.uint8)[:, None]


def _draw_contour(canvas: np.ndarray, crop: np.ndarray, roi: np.ndarray, color: Color,
                  line: int) -> None:
    """
    Draw the outline of one mask: a coloured line inside it, a dark rim around it.

    The two tones stand out from any background; holes and parts get theirs, because the
    bands are the mask minus its erosion and its dilation minus the mask.
    """
    if crop.size == 0:
        return
    rim = max(1, line // 2)
    mask = cv2.copyMakeBorder(crop.view(np.uint8), rim, rim, rim, rim, cv2.BORDER_CONSTANT)
    band = mask - _octagonal(cv2.erode, mask, line)
    x0, y0, x1, y1 = (roi + np.array((-rim, -rim, rim, rim))).tolist()
    height, width = canvas.shape[:2]
    inside = np.s_[max(-y0, 0):mask.shape[0] - max(y1 - height, 0),
                   max(-x0, 0):mask.shape[1] - max(x1 - width, 0)]
    window = canvas[max(y0, 0):y1, max(x0, 0):x1]
    _paint(window, (_octagonal(cv2.dilate, mask, rim) - mask)[inside], DARK)
    _paint(window, band[inside], color)


def _octagonal(morph: Callable[..., np.ndarray], mask: np.ndarray, radius: int) -> np.ndarray:
    """
    Return cv2.erode or cv2.dilate of the mask with a nearly round element.

    A square and repeated crosses make an octagon, at radius 11 in a tenth of a disc's time.
    """
    square = 2 * ((radius + 1) // 2) + 1
    result = morph(mask, np.ones((square, square), np.uint8))
    return morph(result, CROSS, iterations=radius // 2) if radius > 1 else result


def _paint(window: np.ndarray, mask: np.ndarray, color: Color) -> None:
    """Set the pixels of a mask to a colour."""
    solid = np.empty_like(window, order='C')
    cv2.rectangle(solid, (0, 0), (window.shape[1], window.shape[0]), color, cv2.FILLED)
    cv2.copyTo(solid, mask, window)


def _draw_box(canvas: np.ndarray, box: np.ndarray, color: Color, line: int) -> None:
    """Draw one bounding box, its lines inside the image."""
    height, width = canvas.shape[:2]
    x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
    last = (min(max(x1 - 1, x0), width - 1), min(max(y1 - 1, y0), height - 1))
    cv2.rectangle(canvas, (min(x0, width - 1), min(y0, height - 1)), last, color, line)
