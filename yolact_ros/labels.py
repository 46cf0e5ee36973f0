"""Labels that can be read: where they go, how large they are, dark or bright letters."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from yolact_ros.structures import Instances

DARK = (24, 24, 24)
BRIGHT = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_CAP_HEIGHT = 21  # [px] of a capital letter at scale 1
MIN_CAP_HEIGHT = 5  # [px] smaller letters cannot be read, so they are not drawn
MIN_MARGIN = 2  # [px] between the letters and the edge of their plate
LIGHT_COLOR = 0.28  # relative luminance above which dark letters are easier to read than white
MOST_COVERED = 0.15  # share of the image that all plates together may hide
HIDDEN_SHARE = 0.3  # a label covered by better ones more than this cannot be read

# What has no mark to take off; everything else with one loses it (é, ü, ñ, č).
LETTERS = str.maketrans({
    'ß': 'ss', 'Æ': 'Ae', 'æ': 'ae', 'Œ': 'Oe', 'œ': 'oe', 'Ø': 'O', 'ø': 'o', 'Đ': 'D', 'đ': 'd',
    'Ł': 'L', 'ł': 'l', 'Þ': 'Th', 'þ': 'th', 'ð': 'd', 'ı': 'i', '\u2019': "'", '\u2013': '-'})

Color = tuple[int, int, int]
Rect = tuple[int, int, int, int]


def draw_labels(canvas: np.ndarray, instances: Instances, class_names: Sequence[str],
                colors: Sequence[Color], numbers: Sequence[int] = (),
                distances: Sequence[float] | np.ndarray = ()) -> None:
    """
    Write number, name, score (where it has one) and distance of every instance at its box.

    The best score chooses its place first; a label that better ones would hide, or whose
    letters were too small to read, is left out, and so are the last ones of a crowd, lest the
    plates hide the image.

    :param canvas: (H, W, 3) uint8 RGB, drawn on.
    :param class_names: name of every class id; ids beyond its end are written as numbers.
    :param colors: of the plate of every instance.
    :param numbers: of the track of every instance, 0 for those without; empty when untracked.
    :param distances: of every instance [m], NaN where unknown; empty when nobody knows.
    """
    height, width = canvas.shape[:2]
    taken: list[Rect] = []
    left = MOST_COVERED * height * width
    plates: list[tuple[Rect, np.ndarray]] = []
    scores = instances.scores.tolist()
    for row, class_id in enumerate(instances.class_ids.tolist()):
        number = f'{numbers[row]} ' if len(numbers) and numbers[row] else ''
        text = f'{number}{_name_of(class_id, class_names)}'
        if not math.isnan(scores[row]):
            text += f' {scores[row]:.2f}'
        if len(distances) and not math.isnan(distances[row]):
            text += f'  {distances[row]:.2f} m'
        box = instances.boxes[row]
        plate = _plate(text, colors[row], _cap_height(height, width, text, box[3] - box[1]))
        if plate is None:
            continue
        place = _free_place(plate.shape[:2], box, (height, width), taken)
        if place is not None and _area(plate) <= left:
            left -= _area(plate)
            taken.append(place)
            plates.append((place, plate))
    for (x0, y0, x1, y1), plate in reversed(plates):
        canvas[y0:y1, x0:x1] = plate


def _name_of(class_id: int, class_names: Sequence[str]) -> str:
    """Return the class's name in the ASCII letters that OpenCV's font has, else its number."""
    name = class_names[class_id] if class_id < len(class_names) else ''
    return transliterated(name) or f'class {class_id}'


def transliterated(name: str) -> str:
    """Return a name in ASCII letters, '' where that would lose some of its own."""
    parts = unicodedata.normalize('NFKD', name.translate(LETTERS))
    plain = ''.join(part for part in parts if not unicodedata.combining(part))
    return plain if plain.isascii() and plain.isprintable() else ''


def _cap_height(height: int, width: int, text: str, box_height: float) -> int:
    """
    Return the height of capital letters [px].

    It follows the image's size, is smaller on small objects lest the label hide them and
    their neighbours, and lets the text fit into the image.
    """
    wanted = max(8, round(min(height, width) / 50))
    for_box = max(8, round(0.6 * wanted), int(box_height / 4))
    (text_width, _), _ = cv2.getTextSize(text, FONT, 1.0, 1)
    by_width = int((width - 2 * MIN_MARGIN) * FONT_CAP_HEIGHT / (text_width + FONT_CAP_HEIGHT))
    return min(wanted, for_box, by_width, height // 2)


@lru_cache(maxsize=4096)
def _plate(text: str, color: Color, cap_height: int) -> np.ndarray | None:
    """Return (h, w, 3) uint8, the text on its coloured plate; None where it were unreadable."""
    if cap_height < MIN_CAP_HEIGHT:
        return None
    scale, pen = cap_height / FONT_CAP_HEIGHT, max(1, round(cap_height / 9))
    (width, _), descent = cv2.getTextSize(text, FONT, scale, pen)
    margin = max(MIN_MARGIN, cap_height // 3)
    plate = np.full((cap_height + descent // 2 + 2 * margin, width + 2 * margin, 3), color,
                    np.uint8)
    ink = DARK if _luminance(color) > LIGHT_COLOR else BRIGHT
    cv2.putText(plate, text, (margin, margin + cap_height), FONT, scale, ink, pen, cv2.LINE_AA)
    cv2.rectangle(plate, (0, 0), (plate.shape[1] - 1, plate.shape[0] - 1), DARK)
    plate.setflags(write=False)
    return plate


def _luminance(color: Color) -> float:
    """Return the relative luminance in [0, 1] (WCAG 2)."""
    return sum(weight * (value / 255) ** 2.2
               for weight, value in zip((0.2126, 0.7152, 0.0722), color))


def _free_place(plate: tuple[int, int], box: np.ndarray, image: tuple[int, int],
                taken: Sequence[Rect]) -> Rect | None:
    """Return a rectangle at the box, inside the image, or None where others would hide it."""
    high, wide = plate
    x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
    corners = ((x0, y0 - high), (x0, y0), (x1 - wide, y0 - high), (x1 - wide, y0),
               (x0, y1), (x0, y1 - high), (x1 - wide, y1 - high), (x0, (y0 + y1 - high) // 2))
    best, least = None, math.inf
    for left, top in corners:
        left = min(max(left, 0), max(image[1] - wide, 0))
        top = min(max(top, 0), max(image[0] - high, 0))
        place = (left, top, min(left + wide, image[1]), min(top + high, image[0]))
        covered = sum(_shared_area(place, other) for other in taken)
        if covered < least:
            best, least = place, covered
        if least == 0:
            break
    return best if least <= HIDDEN_SHARE * high * wide else None


def _area(plate: np.ndarray) -> int:
    """Return the area of a plate [px^2]."""
    return plate.shape[0] * plate.shape[1]


def _shared_area(a: Rect, b: Rect) -> int:
    """Return the area that two rectangles share [px^2]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)
