"""Images of messages as rosbags reads them; test/ros/test_image_codec.py has all encodings."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from yolact_ros.coded_images import ImageError
from yolact_ros.messages.images import decode_message, doubt_about


def raw(encoding, values, width, step=None, **more):
    data = np.array(values, np.uint8)
    step = step or len(data)
    return SimpleNamespace(encoding=encoding, height=len(data) // step, width=width, step=step,
                           data=data, is_bigendian=0, **more)


def coded(ending, pixels, description, dtype=np.uint8):
    data = cv2.imencode(ending, np.array(pixels, dtype))[1].ravel()
    return SimpleNamespace(format=description, data=data)


@pytest.mark.parametrize('message, rgb', [
    (raw('rgb8', [1, 2, 3, 4, 5, 6], 2), [[[1, 2, 3], [4, 5, 6]]]),
    (raw('bgr8', [1, 2, 3, 9, 4, 5, 6, 9], 1, step=4), [[[3, 2, 1]], [[6, 5, 4]]]),
    (raw('mono8', [7, 8], 2), [[[7, 7, 7], [8, 8, 8]]]),
    (raw('16UC1', [0, 128], 1), [[[128, 128, 128]]])],
    ids=['as it is', 'padded rows', 'grey', '16 bits'])
def test_raw_images_in_numpy_arrays_are_read(message, rgb):
    np.testing.assert_array_equal(decode_message(message), rgb)


def test_a_compressed_image_is_read_in_the_order_of_colours_that_it_names():
    orders = [decode_message(coded('.png', [[[10, 20, 30]]], f'{order}8; png compressed {order}8'))
              for order in ('bgr', 'rgb')]
    np.testing.assert_array_equal(orders, [[[[30, 20, 10]]], [[[10, 20, 30]]]])


@pytest.mark.parametrize('message, complaint', [
    (raw('rgb8', [], 0, step=1), 'at least 1x1 pixels, got 0x0'),
    (raw('rgb8', [1, 2, 3], 2), 'takes 6 bytes, but step is 3'),
    (raw('h264', [1], 1), "unknown encoding 'h264'"),
    (raw('32FC1', [0, 0, 128, 63], 1), '32FC1 is a depth picture.*colour camera'),
    (SimpleNamespace(format='jpeg', data=np.zeros(5, np.uint8)), '5 bytes of format .* neither'),
    (coded('.png', [[[1, 2, 3]]], '16UC1; compressedDepth png'), 'depth picture')],
    ids=['empty', 'short rows', 'video', 'metres', 'neither', 'depth'])
def test_what_is_no_colour_image_is_refused_with_the_reason(message, complaint):
    with pytest.raises(ImageError, match=complaint):
        decode_message(message)


def test_a_limit_holds_for_both_kinds():
    messages = raw('mono8', [1, 2], 2), coded('.png', [[[1, 2, 3]] * 2], 'png')
    for message in messages:
        with pytest.raises(ImageError, match='larger than the limit of 1 pixels'):
            decode_message(message, max_pixels=1)


def wide(encoding, values, width, height=1):
    """Return an image of 16-bit values, least byte first."""
    data = np.array(values, '<u2').ravel().view(np.uint8)
    return SimpleNamespace(encoding=encoding, height=height, width=width,
                           step=len(data) // height, data=data, is_bigendian=0)


@pytest.mark.parametrize('encoding, values, rgb', [
    ('rgb16', [65535, 257, 0], [255, 1, 0]),
    ('bgr16', [65535, 257, 0], [0, 1, 255]),
    ('rgba16', [65535, 257, 0, 9], [255, 1, 0]),
    ('bgra16', [65535, 257, 0, 9], [0, 1, 255])])
def test_colours_of_16_bits_are_read(encoding, values, rgb):
    np.testing.assert_array_equal(decode_message(wide(encoding, values, 1)), [[rgb]])


def mosaic(pattern, rgb, side=6):
    """Return what a sensor with that pattern sees of one colour, (side, side)."""
    tile = np.array([rgb['rgb'.index(letter)] for letter in pattern]).reshape(2, 2)
    return np.tile(tile, (side // 2, side // 2))


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_mosaics_of_16_bits_and_packed_ones_become_colours(pattern):
    seen = mosaic(pattern, (200, 120, 40))
    deep = decode_message(wide(f'bayer_{pattern}16', seen * 257, 6, 6))
    packed = decode_message(coded('.png', seen, f'bayer_{pattern}8; png compressed bgr8'))
    for rgb in (deep, packed):
        np.testing.assert_array_equal(rgb[2:4, 2:4], np.full((2, 2, 3), (200, 120, 40)))


def test_colours_of_a_bayer_camera_that_were_packed_as_colours_stay():
    message = coded('.png', [[[10, 20, 30]] * 4] * 4, 'bayer_rggb8; png compressed bgr8')
    np.testing.assert_array_equal(decode_message(message)[0, 0], [30, 20, 10])


@pytest.mark.parametrize('message, words', [
    (wide('mono16', [4095, 100], 2), 'mono16 reaches from 0 to 65535'),
    (wide('16UC1', [1500, 40000], 2), '16UC1 is how depth is published'),
    (wide('mono16', [65535, 100], 2), ''),
    (raw('mono8', [1, 2], 2), ''),
    (coded('.png', [[[1, 2, 3]]], 'png'), ''),
    (coded('.png', [[4095]], 'mono16; png compressed mono16', np.uint16), 'mono16 reaches from'),
    (coded('.png', [[[9, 9, 4095]]], 'bgr16; png compressed bgr16', np.uint16), 'bgr16 reaches'),
    (coded('.png', [[1500]], '16UC1; png compressed ', np.uint16), '16UC1 is how depth'),
    (coded('.jpg', [[3]], 'mono16; jpeg compressed mono8'), '')],
    ids=['12 of 16 bits', 'depth', 'bright', 'dark but 8 bits', 'compressed', '12 bits packed',
         '12 bits of colour packed', 'depth packed', 'dark but 8 bits packed'])
def test_images_that_are_hardly_what_was_meant_are_doubted(message, words):
    doubt = doubt_about(message, decode_message(message))
    assert doubt.startswith(words) and bool(doubt) == bool(words)
