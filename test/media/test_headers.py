"""Size and orientation from the first bytes agree with the decoder."""

import struct

import cv2
import numpy as np
import pytest

from yolact_ros.media.headers import ON_ITS_SIDE, UPSIDE_DOWN, read_header
from yolact_ros.media.images import read_image
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


def turned_webp(pixels, value):
    """Return a WebP without loss in the extended form, whose EXIF tells the orientation."""
    height, width = pixels.shape[:2]
    plain = cv2.imencode('.webp', pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    exif = b'II' + struct.pack('<HIHHHIHHI', 42, 8, 1, 0x0112, 3, 1, value, 0, 0)
    sides = struct.pack('<I', width - 1)[:3] + struct.pack('<I', height - 1)[:3]
    chunks = b'VP8X' + struct.pack('<II', 10, 8) + sides + plain[12:]
    chunks += b'EXIF' + struct.pack('<I', len(exif)) + exif
    return b'RIFF' + struct.pack('<I', 4 + len(chunks)) + b'WEBP' + chunks


@pytest.mark.parametrize('value, kinds', [(1, (1,)), (3, UPSIDE_DOWN), (6, ON_ITS_SIDE),
                                          (8, ON_ITS_SIDE)])
def test_a_webp_that_opencv_turns_is_known_to_be_turned(tmp_path, value, kinds):
    pixels = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)
    path = tmp_path / 'a.webp'
    path.write_bytes(turned_webp(pixels, value))
    if np.array_equal(cv2.imread(str(path)), pixels):
        kinds = (1,)  # nothing to turn, or an OpenCV as old as 4.5, which does not
    header = read_header(path)
    assert header.size == ImageSize(30, 50) and header.orientation in kinds
    assert header.upright_size == ImageSize(*read_image(path).shape[:2])


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
