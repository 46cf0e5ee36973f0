"""Instances as COCO results."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_api

from yolact_ros.config import COCO_CLASSES
from yolact_ros.media.coco_results import (
    CocoResultFile,
    category_ids,
    coco_results,
    image_ids,
)
from yolact_ros.structures import ImageSize, Instances


def found(size: ImageSize, roi: tuple[int, int, int, int], crop: np.ndarray) -> Instances:
    """Return one instance of class 1."""
    x0, y0, x1, y1 = roi
    one = np.array([0.75], np.float32)
    return Instances(size, np.array([[x0 + 0.25, y0, x1, y1]], np.float32), one, one * np.nan, one,
                     np.array([1]), np.array([roi], np.int32), (crop,))


def test_a_image_without_instances_has_no_results():
    assert coco_results(Instances.empty(ImageSize(4, 5)), 3, ('a', 'b')) == []


def test_a_result_has_the_fields_that_coco_wants():
    size = ImageSize(20, 30)
    result, = coco_results(found(size, (4, 5, 10, 9), np.ones((4, 6), bool)), 17,
                           ('a', 'b'), 'img.png')
    assert result['image_id'] == 17
    assert (result['category_id'], result['category_name']) == (2, 'b')
    assert result['file_name'] == 'img.png'
    assert result['score'] == 0.75
    assert result['bbox'] == [4.2, 5.0, 5.8, 4.0]
    assert mask_api.area(result['segmentation']) == 24


def test_category_ids_are_cocos_for_its_classes():
    ids = dict(zip(COCO_CLASSES, category_ids(COCO_CLASSES)))
    assert len(ids) == 80
    assert (ids['person'], ids['stop sign'], ids['parking meter']) == (1, 13, 14)
    assert (ids['backpack'], ids['dining table'], ids['toilet'], ids['tv']) == (27, 67, 70, 72)
    assert (ids['book'], ids['toothbrush']) == (84, 90)


def test_category_ids_leave_out_what_coco_never_labelled():
    # Of the 91 things of its first list; such as 12, street sign, and 26, hat.
    unlabelled = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
    assert list(category_ids(COCO_CLASSES)) == sorted(set(range(1, 92)) - unlabelled)


def test_category_ids_of_other_classes_count_from_one():
    assert category_ids(('mug', 'bowl')) == (1, 2)


@pytest.mark.parametrize(('names', 'expected'), [
    (['000000397133.jpg', '000000000139.jpg'], [397133, 139]),
    (['COCO_val2014_000000000042.jpg'], [42]),
    (['cup.jpg', '7.jpg'], [1, 2]),
    (['7.jpg', '07.png'], [1, 2]),
    (['run1_0005.jpg'], [1]),
], ids=['numbers', '2014', 'a name', 'twice', 'other prefix'])
def test_image_ids_are_the_numbers_in_the_names_where_all_have_one(names, expected):
    assert image_ids([Path(name) for name in names]) == expected


def test_the_file_is_read_by_pycocotools(tmp_path):
    from pycocotools.coco import COCO
    size = ImageSize(80, 100)
    (tmp_path / 'truth.json').write_text(json.dumps({
        'images': [{'id': 139, 'file_name': '139.jpg', 'height': 80, 'width': 100}],
        'annotations': [], 'categories': [
            {'id': key, 'name': name}
            for key, name in zip(category_ids(COCO_CLASSES), COCO_CLASSES)]}))
    truth = COCO(str(tmp_path / 'truth.json'))
    with CocoResultFile(tmp_path / 'r.json', COCO_CLASSES) as file:
        file.add(139, found(size, (4, 5, 10, 9), np.ones((4, 6), bool)))
        file.add(139, found(size, (40, 50, 60, 70), np.ones((20, 20), bool)))
    results = truth.loadRes(str(tmp_path / 'r.json'))
    assert [int(mask_api.area(row['segmentation']))
            for row in results.loadAnns(results.getAnnIds())] == [24, 400]


def test_a_file_without_results_is_an_empty_list(tmp_path):
    with CocoResultFile(tmp_path / 'r.json', ('a',)):
        pass
    assert json.loads((tmp_path / 'r.json').read_text()) == []


def test_an_interrupted_file_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), CocoResultFile(tmp_path / 'r.json', ('a',)):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
