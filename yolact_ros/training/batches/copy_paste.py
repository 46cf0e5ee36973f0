"""Copy-paste augmentation: objects of one image, cut out by their masks, put on another."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from yolact_ros.data.sample import Sample
from yolact_ros.masks import box_of_mask, boxes_of_masks

# An object of which less is left under the pasted ones is taken out of the labels.
MIN_VISIBLE = 0.2
SCALES = (0.6, 1.4)


def paste_objects(sample: Sample, donor: Sample, rng: np.random.Generator) -> Sample:
    """
    Return the sample with some of the donor's objects on top (Ghiasi et al. 2021).

    The objects keep their relative arrangement neither in size nor place: each one is mirrored,
    scaled and moved at random. Masks below lose the covered pixels, and boxes follow them.

    :param sample: uint8 image; not modified.
    :param donor: where the objects come from; crowds are never pasted.
    """
    filled = np.array([cv2.countNonZero(mask) > 0 for mask in donor.masks], bool)
    rows = np.flatnonzero(filled & ~donor.crowd)
    if not len(rows):
        return sample
    chosen = rng.permutation(rows)[:int(rng.integers(1, len(rows) + 1))]
    image = sample.image.copy()
    owner = np.full(image.shape[:2], -1, np.int16)   # which pasted object is seen at a pixel
    class_ids: list[int] = []
    for row in chosen:
        if _paste_one(image, owner, len(class_ids), donor.image, donor.masks[row], rng):
            class_ids.append(donor.class_ids[row])
    if not class_ids:
        return sample
    return _relabel(sample, image, owner, np.array(class_ids, np.int64))


def _paste_one(image: np.ndarray, owner: np.ndarray, number: int, source: np.ndarray,
               mask: np.ndarray, rng: np.random.Generator) -> bool:
    """Paint one object into image and its number into owner; return False if it is too small."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box_of_mask(mask)
    patch, alpha = source[y0:y1, x0:x1], mask[y0:y1, x0:x1].astype(np.float32)
    if rng.random() < 0.5:
        patch, alpha = patch[:, ::-1], alpha[:, ::-1]
    scale = rng.uniform(*SCALES) * min(1.0, width / (x1 - x0), height / (y1 - y0))
    size = (round((x1 - x0) * scale), round((y1 - y0) * scale))
    if min(size) < 2:
        return False
    patch = cv2.resize(np.ascontiguousarray(patch), size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(np.ascontiguousarray(alpha), size, interpolation=cv2.INTER_AREA)
    # The object's middle lands anywhere in the image; what hangs over is cut off.
    left = int(rng.integers(width)) - size[0] // 2
    top = int(rng.integers(height)) - size[1] // 2
    rows = slice(max(top, 0), min(top + size[1], height))
    columns = slice(max(left, 0), min(left + size[0], width))
    inner = (slice(rows.start - top, rows.stop - top),
             slice(columns.start - left, columns.stop - left))
    share = alpha[inner][..., None]
    image[rows, columns] = np.rint(patch[inner] * share + image[rows, columns] * (1 - share))
    seen = alpha[inner] > 0.5
    owner[rows, columns][seen] = number
    return bool(seen.any())


def _relabel(sample: Sample, image: np.ndarray, owner: np.ndarray,
             class_ids: np.ndarray) -> Sample:
    """Return the sample with pasted objects added and what they cover taken from the others."""
    free = (owner < 0).view(np.uint8)
    count = len(sample)
    masks = np.empty((count + len(class_ids), *owner.shape), np.uint8)
    for below, mask in zip(masks, sample.masks):
        cv2.bitwise_and(mask, free, below)
    np.equal(owner, np.arange(len(class_ids), dtype=owner.dtype)[:, None, None],
             out=masks[count:].view(bool))
    before = np.array([cv2.countNonZero(mask) for mask in sample.masks], int)
    left = np.array([cv2.countNonZero(mask) for mask in masks], int)
    touched = (left[:count] < before) & ~sample.crowd
    boxes = boxes_of_masks(masks)
    boxes[:count][~touched] = sample.boxes[~touched]
    kept = left >= 1
    kept[:count] &= left[:count] >= MIN_VISIBLE * before
    return replace(
        sample, image=image, masks=masks, boxes=boxes,
        class_ids=np.concatenate([sample.class_ids, class_ids]),
        crowd=np.concatenate([sample.crowd, np.zeros(len(class_ids), bool)])).select(kept)
