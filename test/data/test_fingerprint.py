"""A resumed training notices that its data is another."""

import json

import cv2
import numpy as np
import pytest

from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.fingerprint import check_same_data, fingerprint


def data_set(folder, files=('a.png', 'b.png'), names=('cup', 'fork'), left=10):
    """Return a data set of black images with an object each."""
    folder.mkdir(exist_ok=True)
    for file in files:
        cv2.imwrite(str(folder / file), np.zeros((32, 32, 3), np.uint8))
    images = [{'id': number, 'file_name': file, 'height': 32, 'width': 32}
              for number, file in enumerate(files)]
    annotations = [{'id': number, 'image_id': number, 'category_id': number % 2, 'iscrowd': 0,
                    'bbox': [left, 10, 12, 12],
                    'segmentation': [[left, 10, left + 12, 10, left + 12, 22, left, 22]]}
                   for number in range(len(files))]
    path = folder / 'data.json'
    path.write_text(json.dumps({
        'images': images, 'annotations': annotations,
        'categories': [{'id': number, 'name': name} for number, name in enumerate(names)]}))
    return CocoDataset(path)


def test_the_same_data_in_another_folder_is_the_same(tmp_path):
    first, second = (fingerprint(data_set(tmp_path / name)) for name in 'ab')
    assert first == second
    assert check_same_data(first, second) is None


@pytest.mark.parametrize('changes, message', [
    ({'files': ('a.png', 'b.png', 'c.png')}, 'pictures 2 -> 3, cup 1 -> 2; .*--new-data'),
    ({'left': 11}, 'the same counts, but other file names, boxes or masks'),
    ({'files': ('a.png', 'z.png')}, 'the same counts, but other')],
    ids=['photos added', 'a label moved', 'another photo'])
def test_other_data_is_refused_with_the_difference_unless_it_is_meant(tmp_path, changes, message):
    before, now = (fingerprint(data_set(tmp_path / 'a')),
                   fingerprint(data_set(tmp_path / 'b', **changes)))
    with pytest.raises(ValueError, match=message):
        check_same_data(before, now)
    assert check_same_data(before, now, new_data=True) is None


@pytest.mark.parametrize('names', [('fork', 'cup'), ('cup', 'fork', 'knife')],
                         ids=['swapped', 'one more'])
def test_other_classes_are_refused_in_any_case(tmp_path, names):
    before, now = (fingerprint(data_set(tmp_path / 'a')),
                   fingerprint(data_set(tmp_path / 'b', names=names)))
    with pytest.raises(ValueError, match='began with the classes cup, fork, the data now has '
                       f'{", ".join(names)}'):
        check_same_data(before, now, new_data=True)
