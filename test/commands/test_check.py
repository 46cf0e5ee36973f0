"""`yolact check`: what it prints, draws and returns."""

import json

import cv2
import numpy as np
import pytest

from yolact_ros.commands.main import main


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


def test_a_share_is_measured_on(data, capsys):
    assert check(data, '--val', '0.25') == 0
    assert '3 pictures of it to measure on' in capsys.readouterr().out
