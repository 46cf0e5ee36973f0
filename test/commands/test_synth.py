"""`yolact synth`: a COCO data set on disk that says what the scenes say."""

import argparse
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle_codec

from yolact_ros.commands import synth
from yolact_ros.commands.synth import Shot, parse_size, plan, write_dataset
from yolact_ros.data.coco import CocoDataset
from yolact_ros.scenes import CLASS_NAMES, VAL_EASY, VAL_HARD, scene

SIZE = (64, 96)


def options(*arguments):
    parser = argparse.ArgumentParser()
    synth.add_arguments(parser)
    return parser.parse_args(['out', *map(str, arguments)])


def shots(count, mode='still'):
    return [Shot(5 + index, 0.0, SIZE, mode, 'hard') for index in range(count)]


def test_the_files_hold_what_the_scenes_hold(tmp_path):
    path = write_dataset(tmp_path, 'instances_train.json', shots(2))
    content = json.loads(path.read_text())
    assert [entry['name'] for entry in content['categories']] == list(CLASS_NAMES)
    for image_id, entry in enumerate(content['images'], start=1):
        made = scene(entry['seed'], size=SIZE, difficulty='hard')
        image = cv2.imread(str(tmp_path / 'images' / entry['file_name']))[..., ::-1]
        assert np.array_equal(image, made.image)
        found = [item for item in content['annotations'] if item['image_id'] == image_id]
        assert len(found) == len(made.objects) > 0
        for annotation, item in zip(found, made.objects):
            assert annotation['category_id'] == item.class_id + 1
            assert annotation['iscrowd'] == item.crowd
            assert np.array_equal(rle_codec.decode(annotation['segmentation']), item.mask)
    ids = [item['id'] for item in content['annotations']]
    assert ids == list(range(1, len(ids) + 1))


def test_the_data_set_can_be_learnt_from(tmp_path):
    dataset = CocoDataset(write_dataset(tmp_path, 'instances_train.json', shots(3)))
    assert dataset.class_names == CLASS_NAMES
    assert len(dataset) == 3
    assert not dataset.report.book.left_out


def test_several_processes_write_the_same(tmp_path):
    one, two = (write_dataset(tmp_path / str(workers), 'a.json', shots(4), workers=workers)
                for workers in (1, 2))
    assert one.read_text() == two.read_text()
    assert [path.read_bytes() for path in sorted((tmp_path / '1/images').iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / '2/images').iterdir())]


def test_depth_is_written_in_millimetres_with_the_camera_matrix(tmp_path):
    path = write_dataset(tmp_path, 'a.json', shots(1), 'jpg', depth=True)
    entry = json.loads(path.read_text())['images'][0]
    depth = cv2.imread(str(tmp_path / 'depth' / entry['depth_file_name']), cv2.IMREAD_UNCHANGED)
    made = scene(5, size=SIZE, difficulty='hard', depth=True)
    assert depth.dtype == np.uint16
    assert np.array_equal(depth, made.depth_mm)
    assert entry['camera_matrix'] == made.camera_matrix.ravel().tolist()
    assert entry['file_name'].endswith('.jpg')


def test_after_a_failure_the_old_annotations_are_still_there(tmp_path, monkeypatch):
    path = write_dataset(tmp_path, 'a.json', shots(1))
    before = path.read_bytes()

    def full(path, content):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(synth, 'replace_file', full)
    with pytest.raises(OSError, match='No space'):
        write_dataset(tmp_path, 'a.json', shots(2))
    assert path.read_bytes() == before
    assert not list(tmp_path.rglob('*.part'))


def test_val_plans_the_fixed_scenes():
    files = plan(options('--val'))
    assert [shot.seed for shot in files['instances_val_easy.json']] == list(VAL_EASY)
    assert [shot.seed for shot in files['instances_val_hard.json']] == list(VAL_HARD)
    assert {shot.difficulty for shot in files['instances_val_hard.json']} == {'hard'}


def test_mixed_images_alternate_between_easy_and_hard():
    made = plan(options('--count', 4, '--seed', 10))['instances_train.json']
    assert [(shot.seed, shot.difficulty) for shot in made] == [
        (10, 'easy'), (11, 'hard'), (12, 'easy'), (13, 'hard')]


def test_a_moving_mode_plans_a_video_of_one_world():
    made = plan(options('--count', 3, '--mode', 'conveyor', '--rate', 5, '--difficulty', 'hard'))
    assert [(shot.seed, shot.t) for shot in made['instances_train.json']] == [
        (0, 0.0), (0, 0.2), (0, 0.4)]
    assert len({shot.name for shot in made['instances_train.json']}) == 3


@pytest.mark.parametrize('text, size', [('256', (256, 256)), ('640x480', (480, 640))])
def test_sizes_are_a_side_or_width_by_height(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize('arguments, message', [
    (['--count', 0], 'count'), (['--size', '9x'], 'size'), (['--size', '16'], '32 px'),
    (['--size', '1x2x3'], 'size'), (['--workers', 0], 'workers'), (['--seed', -1], 'seeds'),
    (['--seed', 9_999_999, '--count', 2], 'kept for validation'),
    (['--mode', 'pick', '--rate', 0], 'rate')])
def test_options_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan(options(*arguments))


def test_the_command_writes_and_says_where(tmp_path, capsys):
    arguments = options('--count', 1, '--size', 64, '--workers', 1)
    arguments.out = str(tmp_path)
    assert synth.run(arguments) == 0
    assert 'instances_train.json with 1 pictures' in capsys.readouterr().out


def test_a_third_of_the_images_stands_before_photos(tmp_path):
    photos = tmp_path / 'photos'
    photos.mkdir()
    cv2.imwrite(str(photos / 'blue.jpg'), np.full((40, 60, 3), (200, 0, 0), np.uint8))
    (photos / 'notes.txt').write_text('no picture')
    made = plan(options('--count', 200, '--backdrops', photos))['instances_train.json']
    chosen = [shot for shot in made if shot.backdrop]
    assert 30 < len(chosen) < 90
    assert {shot.backdrop.name for shot in chosen} == {'blue.jpg'}
    path = write_dataset(tmp_path, 'a.json', [replace(chosen[0], size=SIZE)])
    entry = json.loads(path.read_text())['images'][0]
    image = cv2.imread(str(tmp_path / 'images' / entry['file_name']))
    assert entry['backdrop'] == 'blue.jpg'
    assert (image[..., 0] > image[..., 2].astype(int) + 40).mean() > 0.3


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='no pictures'):
        plan(options('--backdrops', tmp_path))


def test_a_photo_that_does_not_decode_is_named(tmp_path):
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'nothing')
    with pytest.raises(ValueError, match='broken.png'):
        write_dataset(tmp_path, 'a.json', [replace(shots(1)[0], backdrop=broken)])
