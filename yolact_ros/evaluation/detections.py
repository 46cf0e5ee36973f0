"""What an evaluation scores: detections of a model, or of a result file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolact_ros.evaluation.ground_truth import GroundTruth, ImageId
from yolact_ros.files import replace_file
from yolact_ros.masks import Rle, compress_runs, encode_crop
from yolact_ros.structures import Instances


@dataclass(frozen=True)
class Detection:
    """
    One object that was found.

    :param class_id: 0-based index into the truth's class names.
    :param score: of the class; ranks boxes.
    :param mask_score: re-scored; ranks masks.
    :param bbox: x, y, width, height [px]; None when only masks were saved.
    :param rle: compressed COCO RLE at picture size; None when only boxes were saved.
    """

    image_id: ImageId
    class_id: int
    score: float
    mask_score: float
    bbox: tuple[float, float, float, float] | None
    rle: Rle | None


@dataclass(frozen=True)
class ResultFile:
    """
    The content of a result file.

    :param image_ids: the pictures it speaks of, also those without detections; None when the
        format does not tell.
    :param notes: what was left out, and why.
    """

    detections: tuple[Detection, ...]
    image_ids: tuple[ImageId, ...] | None
    notes: tuple[str, ...]


def detections_of(instances: Instances, image_id: ImageId,
                  class_of: Sequence[int | None] | None = None) -> list[Detection]:
    """
    Return the detections of one picture.

    :param class_of: the truth's class id for each of the model's, None where it has none;
        left out when both agree.
    """
    found = []
    for row in range(len(instances)):
        class_id = int(instances.class_ids[row])
        class_id = class_id if class_of is None else class_of[class_id]
        if class_id is None:
            continue
        rle = encode_crop(instances.crops[row], instances.rois[row].tolist(),
                          instances.image_size)
        left, top, right, bottom = instances.boxes[row].tolist()
        found.append(Detection(image_id, class_id, float(instances.class_scores[row]),
                               float(instances.scores[row]),
                               (left, top, right - left, bottom - top), rle))
    return found


def read_results(path: str | Path, truth: GroundTruth) -> ResultFile:
    """
    Return the detections of a file: a COCO result list, or the original's web JSON.

    :raises FileNotFoundError: when there is no such file.
    :raises ValueError: when it is broken or speaks of other pictures or classes than the truth.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'result file {path} not found; write one with '
                                'yolact eval --save-detections PATH')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not valid JSON ({error}); write it again') from error
    if isinstance(content, dict) and isinstance(content.get('images'), list):
        image_ids = tuple(entry['image_id'] for entry in content['images'])
        entries = _web_entries(content['images'])
        class_of = {name: index for index, name in enumerate(truth.class_names)}
    elif isinstance(content, list):
        image_ids, entries = None, content
        class_of = {key: index for index, key in enumerate(truth.category_ids)}
    else:
        raise ValueError(f'{path} is neither a COCO result list nor a web JSON with "images"')
    return _sort_out(entries, image_ids, class_of, truth, path)


def write_results(path: str | Path, detections: Sequence[Detection], truth: GroundTruth) -> None:
    """Write a COCO result list; mask_score is ours, other readers ignore it."""
    entries = []
    for item in detections:
        entry = {'image_id': item.image_id, 'category_id': truth.category_ids[item.class_id],
                 'score': item.score, 'mask_score': item.mask_score}
        if item.bbox is not None:
            entry['bbox'] = [round(value, 2) for value in item.bbox]
        if item.rle is not None:
            counts = item.rle['counts']
            entry['segmentation'] = {'size': list(item.rle['size']), 'counts':
                                     counts if isinstance(counts, str) else counts.decode()}
        entries.append(entry)
    replace_file(path, json.dumps(entries).encode())


def _web_entries(images: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the detections of a web JSON as entries like COCO's, with names for ids."""
    return [{'image_id': image['image_id'], 'category_id': found['category'],
             'score': found['score'], 'bbox': found['bbox'], 'segmentation': found['mask']}
            for image in images for found in image['dets']]


def _sort_out(entries: Sequence[Mapping[str, Any]], image_ids: tuple[ImageId, ...] | None,
              class_of: Mapping[Any, int], truth: GroundTruth, path: Path) -> ResultFile:
    """Return what the truth can judge, and note the rest."""
    detections, foreign, unknown = [], set(), set()
    for number, entry in enumerate(entries):
        if entry.get('image_id') not in truth.sizes:
            foreign.add(entry.get('image_id'))
        elif entry.get('category_id') not in class_of:
            unknown.add(entry.get('category_id'))
        else:
            detections.append(_detection(entry, class_of, truth, f'{path}, entry {number}'))
    notes = []
    known = None
    if image_ids is not None:
        known = tuple(image_id for image_id in image_ids if image_id in truth.sizes)
        foreign |= set(image_ids) - set(known)
    if foreign:
        notes.append(f'{path.name}: {len(foreign)} pictures that are not in the annotation file')
    if unknown:
        notes.append(f'{path.name}: detections of {len(unknown)} classes that the annotation file '
                     'does not have')
    if (entries and not detections) or (known is not None and not known):
        raise ValueError(f'{path} has nothing in common with the annotation file: '
                         f'{"; ".join(notes)}; check that both belong together')
    return ResultFile(tuple(detections), known, tuple(f'left out: {note}' for note in notes))


def _detection(entry: Mapping[str, Any], class_of: Mapping[Any, int], truth: GroundTruth,
               where: str) -> Detection:
    """
    Return one entry of a result file.

    :raises ValueError: when it lacks what it needs, or its mask is not of the picture's size.
    """
    score, rle, bbox = entry.get('score'), entry.get('segmentation'), entry.get('bbox')
    if not isinstance(score, (int, float)) or (rle is None and bbox is None):
        raise ValueError(f'{where} needs a score, and a bbox or a segmentation; got the keys '
                         f'{", ".join(entry)}')
    if bbox is not None and len(bbox) != 4:
        raise ValueError(f'{where}: bbox must be x, y, width, height, got {bbox}')
    size = truth.sizes[entry['image_id']]
    if rle is not None and list(rle.get('size', ())) != [size.height, size.width]:
        raise ValueError(f'{where}: the mask is of size {rle.get("size")}, the picture of '
                         f'{[size.height, size.width]}')
    if rle is not None and isinstance(rle['counts'], list):
        rle = compress_runs(rle['counts'], size)
    return Detection(entry['image_id'], class_of[entry['category_id']], float(score),
                     float(entry.get('mask_score', score)),
                     None if bbox is None else tuple(map(float, bbox)), rle)
