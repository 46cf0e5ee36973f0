"""A share of the photos is kept for measuring."""

import json

import cv2
import numpy as np
import pytest

from yolact_ros.data import split as split_module
from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.datasets import SyntheticScenes
from yolact_ros.data.split import choose, choose_val, split, split_share, write_part


def classes_in(photos):
    return set().union(*photos)


@pytest.mark.parametrize('seed', range(20))
def test_every_class_of_two_photos_is_on_both_sides(seed):
    rng = np.random.default_rng(seed)
    photos = [{0, *rng.choice(4, rng.integers(0, 3)).tolist()} for _ in range(30)]
    photos[int(rng.integers(30))] |= {5}
    photos[3], photos[17] = {4}, {4, 1}
    measured = choose(photos, 6, seed)
    assert 6 <= len(measured) <= 10
    sides = [classes_in(photos[index] for index in range(30) if (index in measured) is side)
             for side in (False, True)]
    twice = {number for number in classes_in(photos)
             if sum(number in photo for photo in photos) > 1}
    assert sides[0] == classes_in(photos)  # also class 5, which is in one photo only
    assert sides[1] >= twice - {5}


@pytest.mark.parametrize('parts, val, wanted', [
    (('train', 'val'), '', (None, 'own')), (('train', 'val'), '0.2', (None, 'own')),
    (('train', 'val'), 'other.json', (None, 'other.json')), (('',), '', (None, '')),
    (('',), '0.2', (0.2, ''))])
def test_a_part_val_of_the_data_comes_before_a_share_and_after_what_is_named(
        monkeypatch, parts, val, wanted):
    monkeypatch.setattr(split_module, 'has_split', lambda path, part: part in parts)
    share, name = choose_val('data', val)
    assert (share, name) == (wanted[0], wanted[1].replace('own', 'data'))


def test_the_same_seed_splits_the_same_way_and_another_does_not():
    photos = [{0}] * 40
    assert choose(photos, 8, 1) == choose(photos, 8, 1) != choose(photos, 8, 2)
    assert len(choose(photos, 8, 1)) == 8


@pytest.mark.parametrize('seed', range(5))
def test_photos_of_one_series_stay_on_one_side(seed):
    series = [index // 4 for index in range(40)]
    measured = choose([{0}] * 40, 8, seed, series)
    assert len(measured) == 8
    assert len({series[index] for index in measured}) == 2


@pytest.mark.parametrize('seed', range(5))
def test_a_long_series_is_cut_into_runs_of_neighbours(seed):
    measured = choose([{0}] * 100, 20, seed, [0] * 100)
    assert len(measured) == 20 and max(measured) - min(measured) == 19


def test_a_class_in_two_series_is_on_both_sides():
    classes = [{0}] * 12 + [{0, 1}] * 8
    for seed in range(5):
        measured = choose(classes, 4, seed, [0] * 12 + [1] * 4 + [2] * 4)
        assert measured in (set(range(12, 16)), set(range(16, 20)))


def test_series_that_each_have_a_class_of_their_own_are_split_all_the_same():
    measured = choose([{0}] * 5 + [{1}] * 5, 5, 0, [0] * 5 + [1] * 5)
    assert {index // 5 for index in measured} == {0, 1}


@pytest.mark.parametrize('val, share', [('0.2', 0.2), ('val.json', None), ('synthetic:easy', None),
                                        ('', None)])
def test_a_number_is_a_share_and_anything_else_is_data(val, share):
    assert split_share(val) == share


@pytest.mark.parametrize('val', ['0', '1', '20', '-0.1', 'nan'])
def test_a_share_out_of_range_is_refused(val):
    with pytest.raises(ValueError, match='between 0 and 1'):
        split_share(val)


def test_scenes_made_on_demand_are_not_split():
    with pytest.raises(ValueError, match='--val synthetic:easy'):
        split(SyntheticScenes('easy', 6, 96), 0.2, 0)


def test_a_side_of_a_split_is_written_as_a_file_of_its_own(tmp_path):
    photos = tmp_path / 'photos'
    photos.mkdir()
    cv2.imwrite(str(photos / 'a b.png'), np.zeros((20, 30, 3), np.uint8))
    square = [[2, 3, 12, 3, 12, 9, 2, 9]]
    labels = photos / 'labels.json'
    labels.write_text(json.dumps({
        'images': [{'id': 9, 'file_name': 'a b.png', 'height': 20, 'width': 30,
                    'not_exhaustive_category_ids': [7]}],
        'categories': [{'id': 5, 'name': 'cup'}, {'id': 7, 'name': 'pen'}],
        'annotations': [
            {'id': 3, 'image_id': 9, 'category_id': 7, 'bbox': [2, 3, 10, 6], 'iscrowd': 0,
             'area': 60, 'segmentation': square},
            {'id': 4, 'image_id': 9, 'category_id': 5, 'bbox': [20, 3, 5, 6], 'iscrowd': 0,
             'area': 30, 'segmentation': []}]}))
    data = CocoDataset(labels)
    (tmp_path / 'run').mkdir()
    write_part(tmp_path / 'run/val.json', data)
    again = CocoDataset(tmp_path / 'run/val.json')
    record, = again.records
    assert json.loads((tmp_path / 'run/val.json').read_text())['images'][0]['file_name'] == (
        '../photos/a b.png')
    assert (again.class_names, record.unlabelled) == (('cup', 'pen'), (1,))
    assert [(item.truth.class_id, item.truth.crowd, tuple(item.truth.bbox))
            for item in record.objects] == [(1, False, (2, 3, 10, 6)), (0, True, (20, 3, 5, 6))]
    mask = again.sample(0).masks[0]
    expected = np.zeros((20, 30), np.uint8)
    expected[3:9, 2:12] = 1
    np.testing.assert_array_equal(mask, expected)
