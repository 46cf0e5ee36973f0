"""Images in every shape that files have, and sources as users name them."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg

from yolact_ros.media.images import (
    Images,
    Video,
    decode_image,
    find_source,
    list_images,
    read_image,
    rgb_of,
)

RED_RGB = (250, 10, 30)


def red(height: int = 24, width: int = 32) -> np.ndarray:
    """Return a (H, W, 3) uint8 BGR image, red as RGB_RED."""
    return np.full((height, width, 3), RED_RGB[::-1], np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    """Write an array as OpenCV does."""
    # OpenCV 4.5 packs floating point with a loss unless told not to, and no colours of 64 bits.
    written = cv2.imwrite(str(path), image,
                          [cv2.IMWRITE_TIFF_COMPRESSION, 1] if image.dtype.kind == 'f' else [])
    if not written and image.dtype == np.float64:
        pytest.skip('this OpenCV writes no colours in 64 bits')
    assert written
    return path


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Return the JPEG with an EXIF segment that holds nothing but the orientation tag."""
    tiff = (b'II*\0' + (8).to_bytes(4, 'little') + (1).to_bytes(2, 'little')
            + (0x0112).to_bytes(2, 'little') + (3).to_bytes(2, 'little')
            + (1).to_bytes(4, 'little') + orientation.to_bytes(4, 'little') + bytes(4))
    body = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + (len(body) + 2).to_bytes(2, 'big') + body + jpeg[2:]


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tif', '.webp', '.ppm', '.jpg'])
def test_images_come_back_as_rgb(tmp_path, suffix):
    rgb = read_image(save(tmp_path / f'a{suffix}', red()))
    assert rgb.shape == (24, 32, 3)
    assert rgb.dtype == np.uint8
    # lossy formats move a flat colour by a few steps
    np.testing.assert_allclose(rgb[12, 16].astype(int), RED_RGB, atol=8)


@pytest.mark.parametrize('size', [(1, 1), (1, 5000), (5000, 1)])
def test_thin_images_are_images(tmp_path, size):
    assert read_image(save(tmp_path / 'a.png', red(*size))).shape == (*size, 3)


def test_grey_becomes_three_equal_channels(tmp_path):
    rgb = read_image(save(tmp_path / 'a.png', np.full((4, 5), 77, np.uint8)))
    np.testing.assert_array_equal(rgb, np.full((4, 5, 3), 77, np.uint8))


def test_transparency_is_dropped(tmp_path):
    rgba = np.dstack([red(), np.full((24, 32), 3, np.uint8)])
    assert tuple(read_image(save(tmp_path / 'a.png', rgba))[0, 0]) == RED_RGB


@pytest.mark.parametrize('channels', [(), (3,), (4,)], ids=['grey', 'colour', 'transparent'])
def test_sixteen_bits_become_eight_by_full_range(tmp_path, channels):
    image = np.full((4, 5, *channels), 65535, np.uint16)
    image[0] = 257 * 100
    rgb = read_image(save(tmp_path / 'a.png', image))
    assert (rgb[0] == 100).all()
    assert (rgb[1:] == 255).all()


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('channels', [(), (3,)], ids=['grey', 'colour'])
def test_floating_point_is_taken_from_zero_to_one(tmp_path, dtype, channels):
    image = np.zeros((4, 5, *channels), dtype)
    image[1] = 1.0
    image[2] = 0.4
    rgb = read_image(save(tmp_path / 'a.tiff', image))
    assert rgb[:3, 0, 0].tolist() == [0, 255, 102]


@pytest.mark.parametrize('value', [1.5, -0.5, np.nan], ids=['above', 'below', 'nan'])
def test_floating_point_outside_zero_to_one_is_refused_with_its_range(tmp_path, value):
    image = np.zeros((4, 5, 3), np.float32)
    image[0] = value
    with pytest.raises(ValueError, match=r'floating point pixels from .* wanted 0 to 1.*PNG'):
        read_image(save(tmp_path / 'a.tiff', image))


def test_signed_pixels_are_refused():
    with pytest.raises(ValueError, match="'depth' has int32 pixels; wanted 8 or 16 bits"):
        rgb_of(np.zeros((4, 5), np.int32), 'depth')


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match='has 2 channels; wanted 1'):
        rgb_of(np.zeros((4, 5, 2), np.uint8), 'flow')


def test_photos_are_turned_upright_by_their_exif_orientation(tmp_path):
    upright = np.zeros((40, 80, 3), np.uint8)
    upright[:, :40] = 255
    jpeg = cv2.imencode('.jpg', upright)[1].tobytes()
    path = tmp_path / 'a.jpg'
    path.write_bytes(with_exif_orientation(jpeg, 6))  # 6: turn by 90 degrees clockwise
    rgb = read_image(path)
    assert rgb.shape == (80, 40, 3)
    assert rgb[10, 20, 0] > 240, 'the left half is above now'
    assert rgb[70, 20, 0] < 15


def test_an_empty_file_is_named_as_such(tmp_path):
    (tmp_path / 'a.png').touch()
    with pytest.raises(ValueError, match=r"a.png' is an empty file; wanted a picture"):
        read_image(tmp_path / 'a.png')


def test_a_web_page_is_named_as_such():
    with pytest.raises(ValueError, match="'a.jpg' is a web page or other text"):
        decode_image(b'\n<!DOCTYPE html><html></html>', 'a.jpg')


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tif', '.webp', '.jpg'])
def test_a_file_that_is_cut_in_half_is_refused(suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    data = cv2.imencode(suffix, noise)[1].tobytes()
    with pytest.raises(ValueError, match='is cut off|is damaged'):
        decode_image(data[:len(data) // 2], f'a{suffix}')


def test_a_jpeg_with_a_thumbnail_that_is_cut_off_later_is_refused():
    thumbnail = cv2.imencode('.jpg', red(8, 8))[1].tobytes()
    jpeg = cv2.imencode('.jpg', red(64, 80))[1].tobytes()
    segment = b'\xff\xe2' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = jpeg[:2] + segment + jpeg[2:]
    assert decode_image(whole, 'a.jpg').shape == (64, 80, 3)
    with pytest.raises(ValueError, match="'a.jpg' is cut off or damaged .*; copy it again"):
        decode_image(whole[:-40], 'a.jpg')


def test_a_jpeg_that_is_garbled_in_the_middle_is_refused():
    noise = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    jpeg = bytearray(cv2.imencode('.jpg', noise)[1].tobytes())
    middle = len(jpeg) // 2
    jpeg[middle:middle + 40] = b'\xff\xd0' * 20  # restarts that no encoder would write
    with pytest.raises(ValueError, match="'a.jpg' is cut off or damaged"):
        decode_image(bytes(jpeg), 'a.jpg')


@pytest.mark.parametrize('orientation', range(1, 9))
def test_every_way_to_hold_a_camera_is_turned_as_opencv_does(orientation):
    noise = np.random.default_rng(0).integers(0, 255, (16, 24, 3), np.uint8)
    jpeg = with_exif_orientation(cv2.imencode('.jpg', noise)[1].tobytes(), orientation)
    turned = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_allclose(decode_image(jpeg, 'a.jpg').astype(int), turned, atol=2)
    assert decode_image(jpeg, 'a.jpg', upright=False).shape == (16, 24, 3)


def test_a_jpeg_for_printing_is_read():
    paper = np.full((16, 16, 4), 255, np.uint8)  # inverted, as Adobe writes: no ink at all
    jpeg = simplejpeg.encode_jpeg(paper, colorspace='CMYK')
    np.testing.assert_allclose(decode_image(jpeg, 'a.jpg'), np.full((16, 16, 3), 255), atol=2)


def test_what_a_phone_appends_behind_a_jpeg_does_not_matter():
    jpeg = cv2.imencode('.jpg', red(64, 80))[1].tobytes()
    assert decode_image(jpeg + b'\xff\xda trailer', 'a.jpg').shape == (64, 80, 3)


def test_noise_is_no_image():
    with pytest.raises(ValueError, match=r"'a.png' cannot be read as a picture \(4 bytes\)"):
        decode_image(b'\1\2\3\4', 'a.png')


def test_an_exr_is_refused_with_the_switch_that_opens_it():
    with pytest.raises(ValueError, match='OPENCV_IO_ENABLE_OPENEXR=1'):
        decode_image(b'\x76\x2f\x31\x01 rest of an exr', 'a.exr')


def test_exr_is_read_where_opencv_may(tmp_path):
    script = ('import cv2, numpy as np, pathlib\n'
              'from yolact_ros.media.images import read_image\n'
              f'path = pathlib.Path({str(tmp_path)!r}) / "a.exr"\n'
              'cv2.imwrite(str(path), np.full((4, 5, 3), 0.4, np.float32))\n'
              'print(read_image(path)[0, 0].tolist())')
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True,
                          env={'OPENCV_IO_ENABLE_OPENEXR': '1', 'PYTHONPATH': ':'.join(sys.path)})
    assert done.stdout.strip() == '[102, 102, 102]', done.stderr


def test_a_missing_image_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / 'none.png')


def test_file_names_beyond_ascii_are_fine(tmp_path):
    path = tmp_path / 'Küche ☕.png'
    path.write_bytes(cv2.imencode('.png', red())[1].tobytes())
    assert read_image(path).shape == (24, 32, 3)


def test_real_photos_are_read(shared_data):
    assert read_image(shared_data / 'media/photos/truck.jpg').shape == (1200, 1800, 3)
    assert read_image(shared_data / 'media/robot_camera/ycbv_000629_depth16.png').shape == (
        480, 640, 3)


def test_a_folder_is_its_images_in_natural_order(tmp_path):
    for name in ('img10.png', 'img2.png', 'IMG1.PNG', '.hidden.png', 'notes.txt'):
        (tmp_path / name).touch()
    (tmp_path / 'folder.png').mkdir()
    assert [path.name for path in list_images(tmp_path)] == ['IMG1.PNG', 'img2.png', 'img10.png']
    assert find_source(str(tmp_path)) == Images(list_images(tmp_path), tmp_path)


def test_a_folder_without_images_is_refused_with_the_endings(tmp_path):
    with pytest.raises(ValueError, match=r'has no pictures; .* \.jpg .* \.png'):
        find_source(str(tmp_path))


@pytest.mark.parametrize(('text', 'expected'), [
    ('0', Video(0, live=True)),
    ('12', Video(12, live=True)),
    ('rtsp://robot/camera', Video('rtsp://robot/camera', live=True)),
    ('/dev/null', Video('/dev/null', live=True)),
])
def test_cameras_streams_and_devices_are_live(text, expected):
    assert find_source(text) == expected


@pytest.mark.parametrize('name', ['a.png', 'a', 'a.dat'])
def test_a_image_is_known_by_its_ending_or_its_content(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(cv2.imencode('.png', red())[1].tobytes())
    assert find_source(str(path)) == Images((path,))


@pytest.mark.parametrize('name', ['a.mp4', 'a.MKV', 'a', 'a.dat'])
def test_any_other_file_is_taken_for_a_video(tmp_path, name):
    (tmp_path / name).write_bytes(b'\0' * 100)
    assert find_source(str(tmp_path / name)) == Video(str(tmp_path / name))


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(ValueError, match='/pipe. is a pipe, socket or disk; wanted a regular'):
        find_source(str(tmp_path / 'pipe'))


def test_a_missing_source_is_answered_with_what_would_do(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.png.* does not exist; give a picture'):
        find_source(str(tmp_path / 'none.png'))


@pytest.mark.parametrize(('address', 'name'), [(0, 'camera0'), ('/a/b.mp4', 'b'),
                                               ('rtsp://robot/camera', 'camera')])
def test_a_video_has_a_name_for_its_outputs(address, name):
    assert Video(address).name == name


def test_12_bits_in_16_are_scaled(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.uint16([[0, 2048, 4095]]))
    assert read_image(path)[0, :, 0].tolist() == [0, 128, 255]
    cv2.imwrite(str(path), np.uint16([[0, 2048, 65535]]))
    assert read_image(path)[0, :, 0].tolist() == [0, 8, 255]


def test_a_png_whose_chunk_asks_for_gigabytes_is_refused_before_memory_is_taken():
    data = bytearray(cv2.imencode('.png', red())[1].tobytes())
    start = data.index(b'IDAT')
    data[start - 4:start] = (0x7fffffff).to_bytes(4, 'big')
    with pytest.raises(ValueError, match='is cut off or damaged .*claims 2147483647 bytes'):
        decode_image(bytes(data), 'a.png')


@pytest.mark.parametrize('data', [
    b'GIF89a' + struct.pack('<HHBBB', 65000, 16000, 0x80, 0, 0) + b'\0\0\0\xff\xff\xff,'
    + struct.pack('<4HB', 0, 0, 65000, 16000, 0) + b'\2\2\x44\1\0;',
    b'BM' + struct.pack('<IHHI', 1084, 0, 0, 1078)
    + struct.pack('<IiiHHIIiiII', 40, 30000, -30000, 1, 8, 1, 6, 0, 0, 256, 0) + bytes(1024)
    + b'\0\1' * 3], ids=['GIF', 'BMP of runs'])
def test_runs_that_claim_gigabytes_are_refused_before_memory_is_taken(data):
    with pytest.raises(ValueError, match='a.gif.*cannot hold the .*pixels'):
        decode_image(data, 'a.gif')


@pytest.mark.skipif(not cv2.haveImageWriter('a.gif'), reason='this OpenCV knows no GIF')
def test_a_gif_of_one_colour_is_read(tmp_path):
    image = np.full((2000, 3000, 3), 80, np.uint8)  # its strings are as long as they can be
    cv2.imwrite(str(tmp_path / 'a.gif'), image)
    assert read_image(tmp_path / 'a.gif').shape == image.shape


def test_a_photo_with_damage_in_the_middle_is_refused():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8),
                             (0, 0), 2)
    data = cv2.imencode('.jpg', image)[1].tobytes()
    middle = len(data) // 2
    assert decode_image(data, 'a.jpg').shape == (240, 320, 3)
    with pytest.raises(ValueError, match="'a.jpg' is cut off or damaged"):
        decode_image(data[:middle] + data[middle + 700:], 'a.jpg')
