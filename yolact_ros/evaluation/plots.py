"""Images of an evaluation: precision over recall, confusions, the worst images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from yolact_ros.evaluation.ap import ApSummary
from yolact_ros.evaluation.confusion import Confusion, ImageErrors, matches_of
from yolact_ros.evaluation.curves import mean_over_classes
from yolact_ros.evaluation.detections import box_of
from yolact_ros.evaluation.evaluate import EvalResult
from yolact_ros.evaluation.ground_truth import ImageId, TrueObject
from yolact_ros.evaluation.marked_images import MARKS, SIDE, mark, shown
from yolact_ros.figures import open_figure
from yolact_ros.files import plain_name, write_image
from yolact_ros.masks import decode_mask
from yolact_ros.overlay import OverlayStyle, color_by_of, draw_instances
from yolact_ros.structures import ImageSize, Instances

RECALLS = np.linspace(0, 1, 101)
SHOWN_IOUS = ((0, '0.50', 'tab:blue'), (5, '0.75', 'tab:orange'), (8, '0.90', 'tab:green'))
MOST_CLASS_CURVES = 10
MOST_NUMBERED_CLASSES = 15
LETTERS = (cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)


def plot_precision_recall(result: EvalResult, path: Path) -> None:
    """
    Write a PNG: left the mean over classes for boxes and masks, right the classes by themselves.

    :raises ImportError: when matplotlib is missing.
    """
    with open_figure(path, 12, 5) as figure:
        means, classes = figure.subplots(1, 2)
        for summary, style, name in ((result.mask, '-', 'mask'), (result.box, '--', 'box')):
            if summary is None:
                continue
            for row, iou, color in SHOWN_IOUS:
                curve = mean_over_classes(summary.precision[row])
                means.plot(RECALLS, curve, style, color=color,
                           label=f'{name}, IoU {iou}: {curve.mean():.3f}')
        kind = 'mask' if result.mask else 'box'
        if (summary := result.mask or result.box) is not None:
            _plot_classes(classes, summary)
        means.set_title('mean over classes')
        classes.set_title(f'{kind}, IoU 0.50, classes with the lowest AP50 first')
        for axes in (means, classes):
            axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1), ylim=(0, 1.02))
            axes.grid(alpha=0.3)
            if axes.has_data():
                axes.legend(loc='lower left', fontsize=8)


def _plot_classes(axes, summary: ApSummary) -> None:
    """Draw a curve for each of the classes with the lowest AP50."""
    scored = [index for index, row in enumerate(summary.per_class) if row.instances]
    scored.sort(key=lambda index: summary.per_class[index].ap50)
    for index in scored[:MOST_CLASS_CURVES]:
        row = summary.per_class[index]
        axes.plot(RECALLS, summary.precision[0, :, index],
                  label=f'{row.name} ({row.instances}): {row.ap50:.3f}')


def plot_confusion(matrix: Confusion, class_names: Sequence[str], path: Path) -> None:
    """
    Write a PNG of the confusion matrix: colour is the share of a true class, numbers are counts.

    Classes that neither exist nor are found are left out.

    :raises ImportError: when matplotlib is missing.
    """
    used = np.flatnonzero(matrix.matrix.sum(0) + matrix.matrix.sum(1))
    used = np.union1d(used, [len(class_names)])
    counts = matrix.matrix[np.ix_(used, used)]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = max(5.0, 1.8 + 0.42 * len(used))
    with open_figure(path, side + 1, side) as figure:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
        figure.colorbar(image, label='share of the row')
        names = [*class_names, 'nothing']
        axes.set_xticks(range(len(used)), [names[index].replace('nothing', 'missed')
                                           if index == len(class_names) else names[index]
                                           for index in used], rotation=60, ha='right')
        axes.set_yticks(range(len(used)), [names[index].replace('nothing', 'false alarm')
                                           if index == len(class_names) else names[index]
                                           for index in used])
        axes.set(xlabel='found', ylabel='true',
                 title=f'score >= {matrix.score_threshold:g}, IoU >= {matrix.iou_threshold:g}')
        if len(used) <= MOST_NUMBERED_CLASSES:
            for row, column in zip(*np.nonzero(counts)):
                axes.text(column, row, str(counts[row, column]), ha='center', va='center',
                          fontsize=9, color='white' if shares[row, column] > 0.5 else 'black')


def save_worst(result: EvalResult, matrix: Confusion, read: Callable[[ImageId], np.ndarray],
               folder: Path, count: int) -> list[Path]:
    """
    Write the images with the lowest F1 as PNG: the truth left, what became of it marked right.

    :param read: returns the (H, W, 3) uint8 RGB image of an image id.
    """
    written = []
    class_names = result.truth.class_names
    style = OverlayStyle(color_by=color_by_of(class_names))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob('worst_[0-9][0-9]_*.png'):  # of an evaluation before
        old.unlink()
    for rank, errors in enumerate(matrix.worst(count), start=1):
        rgb = read(errors.image_id)
        matches = matches_of(errors.image_id, result.truth, result.detections, matrix)
        panels = [draw_instances(shown(rgb), _shown_truth(matches.true, rgb.shape[:2]),
                                 class_names, style),
                  mark(rgb, matches, class_names)]
        name = Path(result.truth.file_names.get(errors.image_id, str(errors.image_id))).stem
        path = folder / f'worst_{rank:02d}_{plain_name(name)}.png'
        canvas = np.vstack([_caption(errors, 2 * panels[0].shape[1]), np.hstack(panels)])
        write_image(path, canvas)
        written.append(path)
    return written


def _shown_truth(items: Sequence[TrueObject], shape: tuple[int, int]) -> Instances:
    """Return objects as Instances of the shown image, with NaN for scores."""
    factor = SIDE / max(shape)
    size = ImageSize(*(round(length * factor) for length in shape))
    masks = [_mask(item, size) for item in items]
    unknown = np.full(len(items), np.nan, np.float32)
    boxes = np.array([box_of(item) for item in items],
                     np.float32).reshape(-1, 4) * factor
    boxes[:, 2:] += boxes[:, :2]
    whole = np.tile(np.array([0, 0, size.width, size.height], np.int32), (len(items), 1))
    return Instances(size, boxes, unknown, unknown, unknown,
                     np.array([item.class_id for item in items], np.int64), whole, tuple(masks))


def _mask(item: TrueObject, size: ImageSize) -> np.ndarray:
    """Return an object's mask at the shown size."""
    if item.rle is None:
        return np.zeros((size.height, size.width), bool)
    return cv2.resize(decode_mask(item.rle), (size.width, size.height),
                      interpolation=cv2.INTER_NEAREST).astype(bool)


def _caption(errors: ImageErrors, width: int) -> np.ndarray:
    """Return a white strip with what went wrong in an image."""
    strip = np.full((28, width, 3), 255, np.uint8)
    cv2.putText(strip, f'{errors.image_id}: truth', (8, 19), *LETTERS)
    left = width // 2
    for what, count in zip(MARKS, (errors.right, errors.missed, errors.false_alarms,
                                   errors.wrong_class)):
        text = f'{what}: {count}'
        (length, _), _ = cv2.getTextSize(text, LETTERS[0], LETTERS[1], LETTERS[3])
        cv2.rectangle(strip, (left + 4, 2), (left + 12 + length, 25), MARKS[what], cv2.FILLED)
        cv2.putText(strip, text, (left + 8, 19), *LETTERS)
        left += length + 16
    return strip
