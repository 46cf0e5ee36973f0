"""The table of published weights and the place where they are kept."""

import csv
import json
from pathlib import Path

import pytest

from yolact_ros.config import MODEL_PRESETS
from yolact_ros.weights.published import (
    DEMO_WEIGHTS,
    PUBLISHED,
    cache_dir,
    cache_path,
    find_published,
)

# Those under which a work may be shared again by everybody, also when it is sold.
FREE_LICENCES = {'CC BY 2.0', 'CC BY-SA 2.0', 'No known copyright restrictions'}


def test_names_and_files_are_unique_and_every_preset_exists():
    assert len({row.name for row in PUBLISHED}) == len(PUBLISHED)
    assert len({row.file_name for row in PUBLISHED}) == len(PUBLISHED)
    assert {row.preset for row in PUBLISHED} <= set(MODEL_PRESETS)


def test_the_address_is_the_file_in_the_authors_hugging_face_repository():
    row = find_published('yolact_plus_resnet50')
    assert row.url() == ('https://huggingface.co/dbolya/yolact-plus-resnet50/resolve/main/'
                         'yolact_plus_resnet50_54_800000.pth')


def test_a_mirror_keeps_the_layout_below_its_base():
    assert find_published('yolact_base').url('http://localhost:8000/') == (
        'http://localhost:8000/dbolya/yolact-base/resolve/main/yolact_base_54_800000.pth')


def test_models_have_a_published_figure_and_backbones_none():
    assert find_published('yolact_im700').mask_ap == 31.2
    assert not find_published('yolact_im700').is_backbone
    assert find_published('resnet50_imagenet').is_backbone


def test_a_complete_file_has_four_bytes_for_every_parameter():
    assert find_published('yolact_resnet50').min_bytes == 124_659_772


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match='yolact_bse.*yolact_base'):
        find_published('yolact_bse')


def test_the_cache_follows_xdg_cache_home(monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', '/somewhere')
    assert cache_path('yolact_base') == Path('/somewhere/yolact_ros/yolact_base_54_800000.pth')


def test_without_xdg_cache_home_the_cache_is_below_the_home_folder(monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', '')
    monkeypatch.setenv('HOME', '/home/robot')
    assert cache_dir() == Path('/home/robot/.cache/yolact_ros')


@pytest.fixture(scope='module')
def photos():
    """Return the rows of the file that names the photos of the demo model's training."""
    with (DEMO_WEIGHTS.parent / 'ATTRIBUTION.csv').open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def test_every_photo_of_the_training_is_named_once_with_source_and_licence(photos):
    assert len({row['coco_file'] for row in photos}) == len(photos) > 0
    assert {row['licence'] for row in photos} <= FREE_LICENCES
    for row in photos:
        number = row['photo'].rpartition('/')[2].partition('_')[0]
        assert row['page_with_title_and_author'] == f'https://www.flickr.com/photo.gne?id={number}'
        assert row['licence_url'].startswith('http')


def test_the_named_photos_are_those_that_the_data_of_the_demo_model_is_made_of(
        photos, shared_data):
    used = [image['file_name'] for name in ('coco_mini', 'coco_person', 'coco_person_more')
            for image in json.loads((shared_data / name / 'annotations' / 'instances_train.json')
                                    .read_text(encoding='utf-8'))['images']]
    assert sorted(used) == sorted(row['coco_file'] for row in photos)
