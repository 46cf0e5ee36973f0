"""Size and orientation from the first bytes agree with the decoder."""

import struct

import cv2
import numpy as np
import pytest

from yolact_ros.media.headers import read_header
from yolact_ros.structures import ImageSize


def with_orientation(jpeg, value, order='<'):
    """Return a JPEG with an EXIF segment that tells the orientation, and another tag before."""
    mark = b'II' if order == '<' else b'MM'
    entries = struct.pack(f'{order}HHII', 0x010F, 2, 1, 0) + struct.pack(
        f'{order}HHIHH', 0x0112, 3, 1, value, 0)
    tiff = mark + struct.pack(f'{order}HIH', 42, 8, 2) + entries + b'\0' * 4
    body = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + jpeg[2:]


def coded(ending, height=30, width=50):
    return cv2.imencode(ending, np.full((height, width, 3), 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize('ending', ['.jpg', '.png', '.bmp', '.webp'])
def test_the_size_is_that_of_the_pixels(tmp_path, ending):
    path = tmp_path / f'a{ending}'
    path.write_bytes(coded(ending))
    assert read_header(path).size == ImageSize(30, 50)


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('value', range(1, 9))
def test_the_upright_size_is_what_the_decoder_gives(tmp_path, value, order):
    path = tmp_path / 'a.jpg'
    path.write_bytes(with_orientation(coded('.jpg'), value, order))
    header = read_header(path)
    assert header.orientation == value
    assert header.upright_size == ImageSize(*cv2.imread(str(path)).shape[:2])


@pytest.mark.parametrize('data', [b'', b'hello', b'\xff\xd8\xff\xe1', b'\x89PNG\r\n\x1a\n'],
                         ids=['empty', 'text', 'cut off JPEG', 'cut off PNG'])
def test_what_is_no_image_is_refused(tmp_path, data):
    path = tmp_path / 'a.jpg'
    path.write_bytes(data)
    with pytest.raises(ValueError, match='a.jpg'):
        read_header(path)


def test_an_orientation_that_does_not_exist_is_upright(tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(with_orientation(coded('.jpg'), 77))
    assert read_header(path).orientation == 1
