"""`yolact convert`: what it writes is what was read."""

import json

import cv2
import numpy as np
import pytest
import yaml

from yolact_ros.commands.main import main
from yolact_ros.data.coco import CocoDataset

SIDE = 40


@pytest.fixture
def yolo(tmp_path):
    """Return the folder of a YOLO data set with two splits, a mug and a pen in each photo."""
    folder = tmp_path / 'yolo'
    for split in ('train', 'val'):
        for kind in ('images', 'labels'):
            (folder / split / kind).mkdir(parents=True)
        cv2.imwrite(str(folder / split / 'images/a.png'), np.zeros((SIDE, SIDE, 3), np.uint8))
        (folder / split / 'labels/a.txt').write_text(
            '0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n1 0.6 0.6 0.9 0.6 0.9 0.9\n1 0.5 0.5 0.2 0.2\n')
    (folder / 'data.yaml').write_text(yaml.safe_dump(
        {'train': 'train/images', 'val': 'val/images', 'names': ['mug', 'pen']}))
    return folder


def test_every_split_becomes_a_file_with_the_same_samples(yolo, tmp_path, capsys):
    assert main(['convert', str(yolo), str(tmp_path / 'out/labels.json')]) == 0
    assert '1 pictures, 3 objects, 2 classes' in capsys.readouterr().out
    for split in ('train', 'val'):
        one = CocoDataset(yolo, split=split).sample(0)
        two = CocoDataset(tmp_path / f'out/labels.{split}.json').sample(0)
        for field in ('image', 'boxes', 'masks', 'class_ids', 'crowd'):
            np.testing.assert_allclose(getattr(two, field), getattr(one, field), atol=1e-4)


def test_polygons_stay_polygons_and_classes_can_be_chosen(yolo, tmp_path):
    out = tmp_path / 'out.json'
    assert main(['convert', str(yolo), str(out), '--classes', 'mug=cup']) == 0
    content = json.loads(out.with_suffix('.train.json').read_text())
    assert content['categories'] == [{'id': 1, 'name': 'cup'}]
    assert content['annotations'][0]['segmentation'] == [[4, 4, 20, 4, 20, 20, 4, 20]]
    assert content['images'][0]['file_name'] == 'yolo/train/images/a.png'


def test_the_written_file_is_read_as_it_is(yolo, tmp_path):
    main(['convert', str(yolo), str(tmp_path / 'out.json')])
    first = tmp_path / 'out.train.json'
    assert main(['convert', str(first), str(tmp_path / 'again.json')]) == 0
    assert json.loads((tmp_path / 'again.json').read_text()) == json.loads(first.read_text())


@pytest.mark.parametrize('source, output, message', [
    ('nothing.json', 'out.json', 'nothing.json not found'), ('yolo', 'out.txt', 'end in .json'),
    ('a.json', 'a.json', 'is the source itself')])
def test_what_cannot_be_converted_is_told(yolo, tmp_path, capsys, source, output, message):
    (tmp_path / 'a.json').write_text('{}')
    assert main(['convert', str(tmp_path / source), str(tmp_path / output)]) == 1
    assert message in capsys.readouterr().err


def test_classes_that_an_image_is_not_labelled_for_stay_so(yolo, tmp_path):
    plain, out = tmp_path / 'plain.train.json', tmp_path / 'out.json'
    assert main(['convert', str(yolo), str(tmp_path / 'plain.json')]) == 0
    content = json.loads(plain.read_text())
    content['images'][0]['not_exhaustive_category_ids'] = [2]
    plain.write_text(json.dumps(content))

    assert main(['convert', str(plain), str(out), '--classes', 'pen', 'mug']) == 0

    assert CocoDataset(out).sample(0).unlabelled == (0,)


@pytest.mark.parametrize('key', [[1], {}])
def test_an_id_that_is_none_is_told(yolo, tmp_path, capsys, key):
    plain = tmp_path / 'plain.train.json'
    assert main(['convert', str(yolo), str(tmp_path / 'plain.json')]) == 0
    content = json.loads(plain.read_text())
    content['annotations'][0]['id'] = key
    plain.write_text(json.dumps(content))
    assert main(['convert', str(plain), str(tmp_path / 'out.json')]) == 1
    assert 'an id must be a number or text' in capsys.readouterr().err


def test_several_sets_become_one_and_missing_classes_are_not_asked_for(yolo, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'b.png'), np.zeros((SIDE, SIDE, 3), np.uint8))
    other = tmp_path / 'other.json'
    other.write_text(json.dumps({
        'images': [{'id': 70, 'file_name': 'b.png', 'height': SIDE, 'width': SIDE}],
        'categories': [{'id': 4, 'name': 'key'}, {'id': 9, 'name': 'pen'}],
        'annotations': [{'id': 5, 'image_id': 70, 'category_id': category, 'iscrowd': 0,
                         'bbox': [4, 4, 16, 16], 'area': 256,
                         'segmentation': [[4, 4, 20, 4, 20, 20, 4, 20]]} for category in (9, 4)]}))
    assert main(['convert', str(yolo), str(other), str(tmp_path / 'both.json')]) == 0
    assert '2 pictures, 5 objects, 3 classes' in capsys.readouterr().out
    both = CocoDataset(tmp_path / 'both.train.json')
    assert both.class_names == ('mug', 'pen', 'key')
    names = [[both.class_names[item.truth.class_id] for item in record.objects]
             for record in both.records]
    assert names == [['mug', 'pen', 'pen'], ['pen', 'key']]
    assert [record.unlabelled for record in both.records] == [(2,), (0,)]
    assert [record.path.name for record in both.records] == ['a.png', 'b.png']
    assert len(CocoDataset(tmp_path / 'both.val.json')) == 1


def test_sets_without_parts_are_joined_whole(yolo, tmp_path):
    main(['convert', str(yolo), str(tmp_path / 'part.json')])
    assert main(['convert', str(tmp_path / 'part.train.json'), str(tmp_path / 'part.val.json'),
                 str(tmp_path / 'both.json')]) == 0
    content = json.loads((tmp_path / 'both.json').read_text())
    assert [image['id'] for image in content['images']] == [1, 2]
    assert [item['id'] for item in content['annotations']] == [1, 2, 3, 4, 5, 6]
    assert [item['image_id'] for item in content['annotations']] == [1, 1, 1, 2, 2, 2]
    assert not any('not_exhaustive_category_ids' in image for image in content['images'])
