"""What an evaluation scores: detections of a model, or of a result file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolact_ros.data.coco_file import is_box, load_json
from yolact_ros.data.segmentation import LeftOut, is_number, read_segmentation
from yolact_ros.evaluation.ground_truth import GroundTruth, ImageId, TrueObject
from yolact_ros.files import replace_file
from yolact_ros.masks import Rle, encode_crop, rle_box
from yolact_ros.structures import ImageSize, Instances


@dataclass(frozen=True)
class Detection:
    """
    One object that was found.

    :param class_id: 0-based index into the truth's class names.
    :param score: of the class; ranks boxes.
    :param mask_score: re-scored; ranks masks.
    :param bbox: x, y, width, height [px]; None when only masks were saved.
    :param rle: compressed COCO RLE at image size; None when only boxes were saved.
    """

    image_id: ImageId
    class_id: int
    score: float
    mask_score: float
    bbox: tuple[float, float, float, float] | None
    rle: Rle | None


def box_of(item: Detection | TrueObject) -> tuple[float, float, float, float]:
    """Return x, y, width, height [px] of an object, around its mask where it has no box."""
    if item.bbox is not None:
        return item.bbox
    assert item.rle is not None, 'a detection without box and mask'
    return rle_box(item.rle)


def masks_of(items: Sequence[Detection]) -> list[Rle]:
    """Return the masks of detections, all of which are to have one."""
    return [item.rle for item in items if item.rle is not None]


@dataclass(frozen=True)
class ResultFile:
    """
    The content of a result file.

    :param image_ids: the images it speaks of, also those without detections; None when the
        format does not tell.
    :param notes: what was left out, and why.
    """

    detections: tuple[Detection, ...]
    image_ids: tuple[ImageId, ...] | None
    notes: tuple[str, ...]


def detections_of(instances: Instances, image_id: ImageId,
                  class_of: Sequence[int | None] | None = None) -> list[Detection]:
    """
    Return the detections of one image.

    :param class_of: the truth's class id for each of the model's, None where it has none;
        left out when both agree.
    """
    found = []
    for row in range(len(instances)):
        own_id = int(instances.class_ids[row])
        class_id = own_id if class_of is None else class_of[own_id]
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
    :raises ValueError: when it is broken or speaks of other images or classes than the truth.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'result file {path} not found; write one with '
                                'yolact eval --save-detections PATH')
    content = load_json(path)
    if isinstance(content, dict) and _is_entries(content.get('images')):
        image_ids = tuple(entry.get('image_id') for entry in content['images'])
        entries = _web_entries(content['images'], path)
    elif _is_entries(content):
        image_ids, entries = None, content
    else:
        raise ValueError(f'{path} is neither a COCO result list nor a web JSON with "images"')
    return _sort_out(entries, image_ids, truth, path)


def write_results(path: str | Path, detections: Sequence[Detection], truth: GroundTruth) -> None:
    """Write a COCO result list; mask_score is ours, other readers ignore it."""
    entries = []
    for item in detections:
        entry: dict[str, Any] = {
            'image_id': item.image_id, 'category_id': truth.category_ids[item.class_id],
                 'score': item.score, 'mask_score': item.mask_score}
        if item.bbox is not None:
            entry['bbox'] = [round(value, 2) for value in item.bbox]
        if item.rle is not None:
            counts = item.rle['counts']
            entry['segmentation'] = {'size': list(item.rle['size']), 'counts':
                                     counts if isinstance(counts, str) else counts.decode()}
        entries.append(entry)
    replace_file(path, json.dumps(entries).encode())


def _is_entries(value: Any) -> bool:
    """Return whether this is a list of JSON objects."""
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _web_entries(images: Sequence[Mapping[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Return the detections of a web JSON as entries like COCO's, with names of classes."""
    entries = []
    for number, image in enumerate(images):
        if not _is_entries(image.get('dets')):
            raise ValueError(f'{path}, image {number} needs a list of detections named "dets"')
        entries += [{'image_id': image.get('image_id'), 'category_name': found.get('category'),
                     'score': found.get('score'), 'bbox': found.get('bbox'),
                     'segmentation': found.get('mask')} for found in image['dets']]
    return entries


@dataclass(frozen=True)
class _Keys:
    """
    How entries of a result file are found in the truth.

    Names win over numbers: `yolact segment` sees a folder, not the annotation file, and has to
    number images and classes by itself.
    """

    images: Mapping[str, ImageId]
    class_ids: Mapping[Any, int]
    class_names: Mapping[str, int]
    truth: GroundTruth

    @classmethod
    def of(cls, truth: GroundTruth) -> _Keys:
        """Return the keys of a truth; a file name that two images share is none."""
        counts = Counter(map(_base_name, truth.file_names.values()))
        images = {_base_name(name): key for key, name in truth.file_names.items()
                  if counts[_base_name(name)] == 1}
        return cls(images, {key: index for index, key in enumerate(truth.category_ids)},
                   {name: index for index, name in enumerate(truth.class_names)}, truth)

    def image(self, entry: Mapping[str, Any]) -> ImageId | None:
        """Return the entry's image id in the truth, None when it is not there."""
        if isinstance(entry.get('file_name'), str):
            return self.images.get(_base_name(entry['file_name']))
        return _known(entry.get('image_id'), self.truth.sizes)

    def class_id(self, entry: Mapping[str, Any]) -> int | None:
        """Return the entry's class id in the truth, None when it has no such class."""
        if entry.get('category_name') is not None:
            return self.class_names.get(str(entry['category_name']))
        key = _known(entry.get('category_id'), self.class_ids)
        return None if key is None else self.class_ids[key]


def _base_name(name: str) -> str:
    """Return a file name without folders, also Windows' ones."""
    return name.replace('\\', '/').rsplit('/', 1)[-1]


def _known(key: Any, among: Mapping[Any, Any]) -> Any:
    """Return the key if it is there, else None."""
    return key if isinstance(key, (int, float, str)) and key in among else None


def _sort_out(entries: Sequence[Mapping[str, Any]], image_ids: tuple[Any, ...] | None,
              truth: GroundTruth, path: Path) -> ResultFile:
    """Return what the truth can judge, and note the rest."""
    keys = _Keys.of(truth)
    detections, foreign, unknown = [], set(), set()
    for number, entry in enumerate(entries):
        image_id, class_id = keys.image(entry), keys.class_id(entry)
        if image_id is None:
            foreign.add(str(entry.get('file_name', entry.get('image_id'))))
        elif class_id is None:
            unknown.add(str(entry.get('category_name', entry.get('category_id'))))
        else:
            detections.append(_detection(entry, image_id, class_id, truth.sizes[image_id],
                                         f'{path}, entry {number}'))
    known = None
    if image_ids is not None:
        known = tuple(key for key in image_ids if _known(key, truth.sizes) is not None)
        foreign |= {str(key) for key in image_ids} - {str(key) for key in known}
    notes = []
    if foreign:
        notes.append(f'{path.name}: {len(foreign)} pictures that are not in the annotation file')
    if unknown:
        notes.append(f'{path.name}: detections of {len(unknown)} classes that the annotation file '
                     'does not have')
    if (entries and not detections) or (known is not None and not known):
        raise ValueError(f'{path} has nothing in common with the annotation file: '
                         f'{"; ".join(notes)}; check that both belong together')
    return ResultFile(tuple(detections), known, tuple(f'left out: {note}' for note in notes))


def _detection(entry: Mapping[str, Any], image_id: ImageId, class_id: int, size: ImageSize,
               where: str) -> Detection:
    """
    Return one entry of a result file.

    :raises ValueError: when it lacks what it needs, or its mask is damaged.
    """
    score, mask, bbox = entry.get('score'), entry.get('segmentation'), entry.get('bbox')
    if not is_number(score) or (mask is None and bbox is None):
        raise ValueError(f'{where} needs a score (a number), and a bbox or a segmentation; got '
                         f'score {str(score)[:20]!r} and the keys {", ".join(entry)}')
    if bbox is not None and not is_box(bbox):
        raise ValueError(f'{where}: bbox must be x, y, width, height, got {bbox}')
    try:
        rle = None if mask is None else read_segmentation(mask, size)
    except LeftOut as reason:
        raise ValueError(f'{where}: {reason}; the picture is {size.width}x{size.height}, got '
                         f'{str(mask)[:80]}') from reason
    mask_score = entry.get('mask_score')
    box = None
    if bbox is not None:
        left, top, width, height = map(float, bbox)
        box = left, top, width, height
    return Detection(image_id, class_id, float(score),
                     float(mask_score if is_number(mask_score) else score),
                     box, rle)
