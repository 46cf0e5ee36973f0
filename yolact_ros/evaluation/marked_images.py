"""An image with what went wrong in it marked: misses, false alarms, wrong classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from yolact_ros.evaluation.confusion import ImageMatches
from yolact_ros.evaluation.detections import Detection, box_of
from yolact_ros.evaluation.ground_truth import TrueObject
from yolact_ros.masks import decode_mask

SIDE = 560  # longer side of a marked image [px]
# What happened -> its colour as red, green, blue; far apart also for the colour-blind.
MARKS = {'right': (0, 158, 115), 'missed': (213, 94, 0), 'false alarm': (204, 121, 167),
         'wrong class': (240, 228, 66)}
ORDER = ('wrong class', 'missed', 'false alarm', 'right')  # what is named first, and on top
TEXT_PX = 0.42
SMALL_PX = 40        # sides of objects up to which thick lines would hide them
MOST_COVERED = 0.15  # share of the image that all names together may hide
JPEG_QUALITY = 82
Mark = tuple[str, Detection | TrueObject, str]


def mark(rgb: np.ndarray, matches: ImageMatches, class_names: Sequence[str]) -> np.ndarray:
    """
    Return the image, at the size it is shown in, with an outline for every object and finding.

    A found object has the outline of what was found, a missed one that of the truth. Names are
    left out where they would hide each other, or too much.

    :param rgb: (H, W, 3) uint8, not modified.
    """
    canvas = shown(rgb)
    factor = SIDE / max(rgb.shape[:2])
    marks = sorted(_marks(matches, class_names), key=lambda mark: ORDER.index(mark[0]))
    for what, item, _ in reversed(marks):
        _outline(canvas, item, factor, MARKS[what])
    _write_names(canvas, marks, factor)
    return canvas


def _marks(matches: ImageMatches, class_names: Sequence[str]) -> Iterator[Mark]:
    """Yield what happened, with which object, and the words beside it."""
    for item, partner, excused in zip(matches.found, matches.partners, matches.excused):
        name = f'{class_names[item.class_id]} {item.score:.2f}'
        if partner < 0:
            if not excused:
                yield 'false alarm', item, name
        elif matches.true[partner].class_id == item.class_id:
            yield 'right', item, name
        else:
            true_name = class_names[matches.true[partner].class_id]
            yield 'wrong class', item, f'{name}, is {true_name}'
    for missed in matches.missed:
        yield 'missed', missed, class_names[missed.class_id]


def shown(rgb: np.ndarray) -> np.ndarray:
    """Return the image at the size it is shown in."""
    factor = SIDE / max(rgb.shape[:2])
    return cv2.resize(rgb, None, fx=factor, fy=factor,
                      interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def to_jpeg(rgb: np.ndarray) -> bytes:
    """Return an image as JPEG."""
    _, coded = cv2.imencode('.jpg', rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return coded.tobytes()


def _outline(canvas: np.ndarray, item: Detection | TrueObject, factor: float,
             color: tuple[int, int, int]) -> None:
    """Draw mask or box, in thin lines where the object is small."""
    x, y, width, height = (round(factor * each) for each in box_of(item))
    if item.rle is None:
        contours: Sequence[np.ndarray] = [
            np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])]
    else:
        mask = cv2.resize(decode_mask(item.rle), canvas.shape[1::-1],
                          interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    lines = ((4, (0, 0, 0)), (2, color)) if min(width, height) > SMALL_PX else ((2, color),)
    for line, tone in lines:
        cv2.polylines(canvas, contours, True, tone, line, cv2.LINE_AA)


def _write_names(canvas: np.ndarray, marks: Sequence[Mark], factor: float) -> None:
    """Write a name at each mark, but none on another, nor more than can be looked past."""
    taken = np.zeros(canvas.shape[:2], bool)
    for what, item, text in marks:
        x, y = (round(factor * each) for each in box_of(item)[:2])
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, TEXT_PX, 1)
        left = max(0, min(x, canvas.shape[1] - width - 6))
        top = max(0, min(y - height - 8, canvas.shape[0] - height - 8))
        place = taken[top:top + height + 8, left:left + width + 7]
        if place.any() or taken.mean() > MOST_COVERED:
            continue
        place[:] = True
        cv2.rectangle(canvas, (left, top), (left + width + 6, top + height + 7), MARKS[what],
                      cv2.FILLED)
        cv2.putText(canvas, text, (left + 3, top + height + 3), cv2.FONT_HERSHEY_SIMPLEX, TEXT_PX,
                    (0, 0, 0), 1, cv2.LINE_AA)
