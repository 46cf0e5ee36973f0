"""`yolact check`: what it prints, draws and returns."""

import json
import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from yolact_ros.commands import check as check_module
from yolact_ros.commands.main import main
from yolact_ros.config import yolact_plus_tiny


@pytest.fixture
def data(tmp_path):
    """Return a COCO file of photos of noise with a rectangle each."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, 13):
        cv2.imwrite(str(tmp_path / f'{number}.png'),
                    cv2.resize(rng.integers(0, 255, (8, 8, 3), np.uint8), (96, 96)))
        images.append({'id': number, 'file_name': f'{number}.png', 'height': 96, 'width': 96})
        annotations.append({'id': number, 'image_id': number, 'category_id': 1, 'iscrowd': 0,
                            'bbox': [20, 20, 40, 40],
                            'segmentation': [[20, 20, 60, 20, 40, 60]]})
    path = tmp_path / 'data.json'
    path.write_text(json.dumps({'images': images, 'annotations': annotations,
                                'categories': [{'id': 1, 'name': 'block'}]}))
    return path


def check(path, *flags):
    sheet = path.with_name('sheet') / 'sheet.png'
    return main(['check', str(path), '--sheet', str(sheet), *flags])


def test_a_sound_data_set_is_described_and_drawn(data, capsys):
    assert check(data, '--strict') == 0
    shown = capsys.readouterr().out
    assert '12 images (0 without objects), 12 instances' in shown
    assert 'pictures from 96x96 to 96x96 px' in shown
    assert 'shorter side of an object at input 256: 107 / 107 / 107 px' in shown
    assert '0 errors, 0 kinds of faults left out, 0 to look at' in shown
    sheet = cv2.imread(str(data.parent / 'sheet/sheet.png'))
    assert sheet.shape == (3 * 320, 4 * 320, 3)
    # The mask of the first photo is tinted, its corner is not.
    small = cv2.resize(cv2.imread(str(data.with_name('1.png'))), (320, 320),
                       interpolation=cv2.INTER_AREA).astype(int)
    different = np.abs(sheet[:320, :320] - small).sum(2)
    assert different[110, 133] > 20 and different[300, 10] <= 6


@pytest.mark.parametrize('flags, code', [((), 0), (('--strict',), 1)])
def test_a_damaged_photo_is_an_error_only_when_strict(data, capsys, flags, code):
    data.with_name('3.png').write_bytes(b'')
    assert check(data, *flags) == code
    assert 'left out: 1 pictures cannot be read' in capsys.readouterr().out


def test_a_part_named_val_or_a_file_of_its_own_is_measured_on(data, capsys):
    for name in ('train', 'val'):
        (data.parent / f'set/{name}').mkdir(parents=True)
        for file in (data, *data.parent.glob('*.png')):
            shutil.copy(file, data.parent / f'set/{name}')
    for flags in ((data.parent / 'set',), (data, '--val', data.parent / 'set/val/data.json',
                                           '--ignore-exif')):
        assert check(flags[0], *map(str, flags[1:])) == 0
        shown = capsys.readouterr().out
        assert shown.count('12 images (0 without objects)') == 2
        assert '12 of 12 pictures to measure on are (nearly) learnt' in shown


def test_objects_too_small_for_the_input_get_the_price_of_a_larger_one(data, capsys, monkeypatch):
    monkeypatch.setattr(check_module, 'frame_ms', lambda model: model.input_size / 10)
    content = json.loads(data.read_text())
    for item in content['annotations']:
        item.update(bbox=[20, 20, 8, 8], segmentation=[[20, 20, 28, 20, 24, 28]])
    data.write_text(json.dumps(content))
    assert check(data, '--input-size', '64', '--preset', 'yolact_plus_tiny') == 0
    # 8 of 96 px are 5.3 at input 64; 12 px need an input of 144, the next multiple of 32 is 160.
    line, = re.findall('the network takes .*', capsys.readouterr().out)
    assert '6 ms at input 64' in line and '16 ms at input 160' in line


def test_the_time_of_a_network_is_measured():
    small = replace(yolact_plus_tiny(1), input_size=64, mask_rescoring=False)
    assert check_module.frame_ms(small) > 0


def test_a_share_is_measured_on(data, capsys):
    assert check(data, '--val', '0.25') == 0
    assert '3 pictures of it to measure on' in capsys.readouterr().out
