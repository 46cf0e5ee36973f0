"""Which classes are taken for which, what is missed, and which images go wrong most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolact_ros.evaluation.detections import Detection, box_of, masks_of
from yolact_ros.evaluation.ground_truth import GroundTruth, ImageId, TrueObject
from yolact_ros.masks import greedy_matches, iou_matrix


@dataclass(frozen=True)
class ImageErrors:
    """What went wrong in one image, at a fixed score and overlap."""

    image_id: ImageId
    right: int
    wrong_class: int
    missed: int
    false_alarms: int

    @property
    def score(self) -> float:
        """Return F1: 1 for an image without any error, also an empty one."""
        errors = self.missed + self.false_alarms + 2 * self.wrong_class
        return 2 * self.right / (2 * self.right + errors) if self.right or errors else 1.0


@dataclass(frozen=True, eq=False)
class Confusion:
    """
    Matches of detections and objects, of the right class and of wrong ones.

    :param matrix: (C + 1, C + 1) int64, true class by found class; the last row is false alarms,
        the last column what was missed.
    :param images: in the order of the truth's images.
    """

    matrix: np.ndarray
    images: tuple[ImageErrors, ...]
    score_threshold: float
    iou_threshold: float

    def worst(self, count: int) -> list[ImageErrors]:
        """Return the images with the lowest F1, worst first, only those with errors."""
        wrong = [image for image in self.images if image.score < 1]
        return sorted(wrong, key=lambda image: image.score)[:count]


def confusion(truth: GroundTruth, detections: Sequence[Detection], score_threshold: float = 0.3,
              iou_threshold: float = 0.5) -> Confusion:
    """
    Match detections above a score with objects: of their class first, else of any.

    Masks are compared where detections have them, else boxes. A detection that matches nothing is
    neither right nor wrong where it lies in a crowd region for more than half, or is of a class
    that its image is not labelled for.
    """
    background = len(truth.class_names)
    matrix = np.zeros((background + 1, background + 1), np.int64)
    found = defaultdict(list)
    for item in detections:
        if item.score >= score_threshold:
            found[item.image_id].append(item)
    true = defaultdict(list)
    for real in truth.objects:
        true[real.image_id].append(real)
    images = []
    for image_id in truth.sizes:
        matches = match_image(true[image_id], found[image_id], iou_threshold,
                              truth.unlabelled.get(image_id, ()))
        pairs = _pairs(matches, background)
        for pair in pairs:
            matrix[pair] += 1
        images.append(ImageErrors(
            image_id, sum(a == b for a, b in pairs),
            sum(a != b and background not in (a, b) for a, b in pairs),
            sum(b == background for _, b in pairs), sum(a == background for a, _ in pairs)))
    return Confusion(matrix, tuple(images), score_threshold, iou_threshold)


@dataclass(frozen=True, eq=False)
class ImageMatches:
    """
    What was found for what in one image.

    :param true: objects that are to be found; crowd regions are none.
    :param found: detections.
    :param partners: for every detection the row of its object, -1 for none.
    :param excused: for every detection, whether it is no false alarm without a partner: it lies
        in a crowd region, or is of a class that the image is not labelled for.
    """

    true: tuple[TrueObject, ...]
    found: tuple[Detection, ...]
    partners: tuple[int, ...]
    excused: tuple[bool, ...]

    @property
    def missed(self) -> list[TrueObject]:
        """Return the objects that nothing was found for."""
        return [item for row, item in enumerate(self.true) if row not in self.partners]


def match_image(true: Sequence[TrueObject], found: Sequence[Detection], iou_threshold: float,
                unlabelled: Sequence[int] = ()) -> ImageMatches:
    """
    Return the matches of one image, best overlap first: those of one class, then of any.

    An object that was found twice, as what it is and as something else, was found; the other
    finding is a false alarm.

    :param unlabelled: classes of which not every object in the image is labelled.
    """
    real = [item for item in true if not item.crowd]
    crowds = [item for item in true if item.crowd]
    overlaps = _overlaps(real, found)
    same = np.array([[one.class_id == other.class_id for other in real] for one in found],
                    bool).reshape(overlaps.shape)
    partners = greedy_matches(np.where(same, overlaps, -1), iou_threshold, best_overlap_first=True)
    overlaps[partners >= 0] = -1
    overlaps[:, partners[partners >= 0]] = -1
    others = greedy_matches(overlaps, iou_threshold, best_overlap_first=True)
    partners = np.where(partners >= 0, partners, others)
    crowded = _overlaps(crowds, found).max(1, initial=0) > 0.5
    excused = [inside or item.class_id in unlabelled
               for inside, item in zip(crowded.tolist(), found)]
    return ImageMatches(tuple(real), tuple(found), tuple(partners.tolist()), tuple(excused))


def matches_of(image_id: ImageId, truth: GroundTruth, detections: Sequence[Detection],
               matrix: Confusion) -> ImageMatches:
    """Return the matches of one image by the thresholds of a confusion."""
    return match_image([item for item in truth.objects if item.image_id == image_id],
                       [item for item in detections if item.image_id == image_id
                        and item.score >= matrix.score_threshold], matrix.iou_threshold,
                       truth.unlabelled.get(image_id, ()))


def _pairs(matches: ImageMatches, background: int) -> list[tuple[int, int]]:
    """Return (true class, found class) of every match, miss and false alarm of one image."""
    pairs = [(matches.true[partner].class_id, item.class_id) if partner >= 0
             else (background, item.class_id)
             for item, partner, excused in zip(matches.found, matches.partners, matches.excused)
             if partner >= 0 or not excused]
    return pairs + [(item.class_id, background) for item in matches.missed]


def _overlaps(true: Sequence[TrueObject], found: Sequence[Detection]) -> np.ndarray:
    """Return the (found, true) IoU; for crowds the share of the detection that lies inside."""
    crowd = [item.crowd for item in true]
    if all(item.rle is not None for item in found):
        return iou_matrix(masks_of(found), [item.rle for item in true], crowd)
    return iou_matrix(np.array([box_of(item) for item in found]),
                      np.array([item.bbox for item in true]), crowd)
