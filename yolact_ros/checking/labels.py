"""Faults of the annotations themselves, from what their reader noticed and from their shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from yolact_ros.checking.findings import LEFT_OUT, LOOK, NOTE, Finding
from yolact_ros.data.coco import CocoDataset, CocoImage, CocoObject
from yolact_ros.masks import iou_matrix, rle_area, rle_box

FEW = 10             # objects of a class, of which little can be learnt
LEAST_PIXELS = 16    # of a mask
FULL = 0.98          # share of a box or an image
TWICE = 0.9          # IoU of two masks of one class
CURES = {
    'iscrowd': 'write 0 or 1',
    'image_id': 'take the annotation out, or its picture in',
    'second time': 'nothing is lost; the export was made twice over',
    'no mask': 'draw its outline',
    'RLE': 'export it again',
    'box': 'mend the box, or leave bbox out: the mask has one of its own',
}


def book_findings(data: CocoDataset) -> Iterator[Finding]:
    """Yield what the reader of the annotations has booked and noted."""
    book = data.report.book

    def found(kind: str, names: Sequence[Any], text: str, cure: str) -> Finding:
        image = data.paths.get(book.images[names[0]]) if names[0] in book.images else None
        return Finding(kind, f'{len(names)} {text}', cure, image or data.path, names[0])

    for reason, names in book.left_out.items():
        cure = next((cure for word, cure in CURES.items() if word in reason),
                    'draw it again in the labelling tool')
        yield found(LEFT_OUT, names, f'annotations: {reason}', cure)
    if book.regions:
        yield found(LOOK, book.regions, 'objects have a box but no mask and are ignored regions',
                    'draw their outlines; they are neither learnt nor background until then')
    if book.corners:
        yield found(LOOK, book.corners, 'boxes are x, y, x, y; those of the masks are taken',
                    'COCO wants x, y, width, height: export them again, or yolact convert')
    if book.unlike:
        yield found(LOOK, book.unlike, 'boxes do not fit their masks',
                    'look at both; boxes are learnt as they are')
    for note in data.report.notes:
        yield Finding(NOTE, note, file=data.path)


def object_findings(data: CocoDataset) -> Iterator[Finding]:
    """Yield faults of the shapes of objects."""
    objects = [(record, item) for record in data.records for item in record.objects
               if not item.truth.crowd]
    rules: tuple[tuple[str, str, Callable[[CocoImage, CocoObject], bool]], ...] = (
        (f'masks have fewer than {LEAST_PIXELS} pixels',
         'they teach nothing; delete them or draw them again',
         lambda record, item: rle_area(item.truth.rle) < LEAST_PIXELS),
        ('masks cover the whole picture', 'a slip of the tool, most often: delete them',
         lambda record, item: rle_area(item.truth.rle)
         >= FULL * record.size.pixels))
    for text, cure, applies in rules:
        bad = [(record, item) for record, item in objects if applies(record, item)]
        if bad:
            yield Finding(LOOK, f'{len(bad)} {text}', cure, bad[0][0].path, bad[0][1].name)
    boxes = [pair for pair in objects if _is_rectangle(pair[1])]
    if len(boxes) > len(objects) / 2 and len(objects) >= FEW:
        yield Finding(LOOK, f'{len(boxes)} of {len(objects)} masks are rectangles',
                      'outlines are learnt from polygons; boxes exported as polygons teach boxes',
                      boxes[0][0].path, boxes[0][1].name)
    yield from _doubles(data)


def class_findings(train: CocoDataset, val: CocoDataset | None) -> Iterator[Finding]:
    """Yield classes of which there is too little to learn or to measure."""
    counts = train.report.class_counts
    learnt = dict.fromkeys(counts, 0)
    for record in train.records:
        for item in record.objects:
            learnt[train.class_names[item.truth.class_id]] += not item.truth.crowd
    few = {name: count for name, count in learnt.items() if count < FEW}
    if few:
        shown = ', '.join(f'{name} {count}' for name, count in few.items())
        yield Finding(LOOK, f'{len(few)} classes have fewer than {FEW} objects: {shown}',
                      'label more of them, or leave them out with --classes', train.path)
    if val is None:
        yield Finding(NOTE, 'nothing to measure on', 'give --val FILE, or --val 0.2 for a share')
        return
    seen = {val.class_names[item.truth.class_id] for record in val.records
            for item in record.objects if not item.truth.crowd}
    unseen = [name for name in val.class_names if name not in seen]
    if unseen:
        yield Finding(LOOK, f'{len(unseen)} classes are not among the pictures to measure on: '
                            f'{", ".join(unseen)}', 'their AP stays unknown', val.path)


def _is_rectangle(item: CocoObject) -> bool:
    """Return whether a mask fills its box."""
    _, _, width, height = rle_box(item.truth.rle)
    return rle_area(item.truth.rle) >= FULL * width * height


def _doubles(data: CocoDataset) -> Iterator[Finding]:
    """Yield objects that are labelled twice, with outlines that are almost the same."""
    found = []
    for record in data.records:
        items = [item for item in record.objects if not item.truth.crowd]
        overlaps = iou_matrix([item.truth.rle for item in items],
                              [item.truth.rle for item in items])
        classes = np.array([item.truth.class_id for item in items])
        same = np.triu(overlaps > TWICE, 1) & (classes[:, None] == classes)
        found += [(record, items[column]) for column in np.nonzero(same)[1].tolist()]
    if found:
        yield Finding(LOOK, f'{len(found)} objects are labelled twice', 'delete one of each two',
                      found[0][0].path, found[0][1].name)
