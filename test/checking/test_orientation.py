"""Labels that ignore the EXIF orientation are found out by the sizes, or asked for."""

import json
import struct

import cv2
import numpy as np
import pytest

from yolact_ros.checking.check import check_lists
from yolact_ros.data.coco import CocoDataset
from yolact_ros.media.images import read_image

HEIGHT, WIDTH = 40, 64


def write(folder, orientations, labelled_as_stored):
    """Write photos with a red left upper corner as they are stored, and labels of it."""
    images, annotations = [], []
    for number, orientation in enumerate(orientations, start=1):
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[:16, :16] = 0, 0, 255
        jpeg = cv2.imencode('.jpg', pixels)[1].tobytes()
        entry = struct.pack('<HHIHH', 0x0112, 3, 1, orientation, 0)
        body = b'Exif\0\0II' + struct.pack('<HIH', 42, 8, 1) + entry + b'\0' * 4
        path = folder / f'{number}.jpg'
        path.write_bytes(jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body
                         + jpeg[2:])
        image = read_image(path, upright=not labelled_as_stored)
        rows, columns = np.nonzero(image[..., 0] > 128)
        x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        images.append({'id': number, 'file_name': path.name, 'height': image.shape[0],
                       'width': image.shape[1]})
        annotations.append({'id': number, 'image_id': number, 'category_id': 1, 'iscrowd': 0,
                            'segmentation': [[int(value) for value in
                                              (x0, y0, x1, y0, x1, y1, x0, y1)]]})
    path = folder / 'labels.json'
    path.write_text(json.dumps({'images': images, 'annotations': annotations,
                                'categories': [{'id': 1, 'name': 'corner'}]}))
    return CocoDataset(path)


def is_right(sample):
    """Return whether the masks lie on the red corner."""
    return bool(np.mean(sample.image[sample.masks[0] == 1][:, 0] > 128) > 0.9)


@pytest.mark.parametrize('as_stored', [False, True], ids=['labelled upright', 'as stored'])
def test_images_on_their_side_tell_how_those_upside_down_are_labelled(tmp_path, as_stored):
    data = write(tmp_path, (3, 6, 1, 8, 4), as_stored)
    findings = check_lists(data, None, 256)
    assert all(is_right(data.sample(index)) for index in range(5))
    assert any('labels ignore' in item.text for item in findings) is as_stored
    assert not any('cannot tell' in item.text for item in findings)


@pytest.mark.parametrize('as_stored', [False, True], ids=['labelled upright', 'as stored'])
def test_where_nothing_tells_it_is_asked(tmp_path, as_stored):
    data = write(tmp_path, (1, 3, 1), as_stored)
    found, = (item for item in check_lists(data, None, 256) if 'cannot tell' in item.text)
    assert '--ignore-exif' in found.cure and found.file.name == '2.jpg'
    assert is_right(data.sample(1)) is not as_stored
    data.ignore_exif()
    assert is_right(data.sample(1)) is as_stored
    assert not any('cannot tell' in item.text for item in check_lists(data, None, 256))
