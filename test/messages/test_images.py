"""Images of messages as rosbags reads them; test/ros/test_image_codec.py has all encodings."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from yolact_ros.coded_images import ImageError
from yolact_ros.messages.images import decode_message


def raw(encoding, values, width, step=None, **more):
    data = np.array(values, np.uint8)
    step = step or len(data)
    return SimpleNamespace(encoding=encoding, height=len(data) // step, width=width, step=step,
                           data=data, is_bigendian=0, **more)


def coded(ending, pixels, description):
    data = cv2.imencode(ending, np.array(pixels, np.uint8))[1].ravel()
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
    (SimpleNamespace(format='jpeg', data=np.zeros(5, np.uint8)), '5 bytes of format .* neither'),
    (coded('.png', [[[1, 2, 3]]], '16UC1; compressedDepth png'), 'depth picture')],
    ids=['empty', 'short rows', 'video', 'neither', 'depth'])
def test_what_is_no_colour_image_is_refused_with_the_reason(message, complaint):
    with pytest.raises(ImageError, match=complaint):
        decode_message(message)


def test_a_limit_holds_for_both_kinds():
    messages = raw('mono8', [1, 2], 2), coded('.png', [[[1, 2, 3]] * 2], 'png')
    for message in messages:
        with pytest.raises(ImageError, match='larger than the limit of 1 pixels'):
            decode_message(message, max_pixels=1)
