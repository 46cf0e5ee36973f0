"""Every listed encoding becomes the RGB that its bytes mean, and damaged messages are named."""

import struct
import sys
import types
import zlib

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from yolact_ros.ros import image_codec
from yolact_ros.ros.image_codec import (
    ImageError,
    decode_compressed,
    decode_image,
    encode_image,
    encode_jpeg,
)

PADDINGS = [0, 5]


def message_of(rows: list[list[int]], encoding: str, width: int, height: int | None = None,
               padding: int = 0, is_bigendian: bool = False) -> Image:
    """Return an image message with these bytes, every row followed by rubbish."""
    message = Image(height=height or len(rows), width=width, encoding=encoding,
                    step=len(rows[0]) + padding, is_bigendian=int(is_bigendian))
    for row in rows:
        message.data.frombytes(bytes(row) + b'\xaa' * padding)
    return message


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
DARK, ODD = (1, 2, 3), (40, 50, 60)

# Two pixels a row, by hand.
HAND_WRITTEN = {
    'rgb8': [[255, 0, 0, 1, 2, 3], [0, 0, 255, 40, 50, 60]],
    'bgr8': [[0, 0, 255, 3, 2, 1], [255, 0, 0, 60, 50, 40]],
    '8UC3': [[0, 0, 255, 3, 2, 1], [255, 0, 0, 60, 50, 40]],
    'rgba8': [[255, 0, 0, 9, 1, 2, 3, 9], [0, 0, 255, 0, 40, 50, 60, 255]],
    'bgra8': [[0, 0, 255, 9, 3, 2, 1, 9], [255, 0, 0, 0, 60, 50, 40, 255]],
    '8UC4': [[0, 0, 255, 9, 3, 2, 1, 9], [255, 0, 0, 0, 60, 50, 40, 255]],
}


@pytest.mark.parametrize('padding', PADDINGS)
@pytest.mark.parametrize('encoding', HAND_WRITTEN)
def test_colour_encodings_become_rgb(encoding, padding):
    message = message_of(HAND_WRITTEN[encoding], encoding, width=2, padding=padding)
    image = decode_image(message)
    assert image.dtype == np.uint8
    assert image.tolist() == [[list(RED), list(DARK)], [list(BLUE), list(ODD)]]


@pytest.mark.parametrize('padding', PADDINGS)
@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_becomes_three_equal_channels(encoding, padding):
    message = message_of([[0, 7, 255], [1, 2, 3]], encoding, width=3, padding=padding)
    image = decode_image(message)
    assert image[..., 0].tolist() == [[0, 7, 255], [1, 2, 3]]
    assert np.all(image == image[..., :1])


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize('is_bigendian', [False, True], ids=['little endian', 'big endian'])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_16_bit_grey_is_scaled_from_its_whole_range(encoding, is_bigendian, padding):
    # 65535 / 257 = 255; 128 is below and 129 above half of 257.
    values, expected = [0, 65535, 257, 128, 129, 32896], [0, 255, 1, 0, 1, 128]
    row = list(struct.pack('>6H' if is_bigendian else '<6H', *values))
    message = message_of([row], encoding, width=6, padding=padding, is_bigendian=is_bigendian)
    image = decode_image(message)
    assert image.dtype == np.uint8
    assert image[0].tolist() == [[value] * 3 for value in expected]


@pytest.mark.parametrize('padding', PADDINGS)
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_a_mosaic_of_one_colour_becomes_that_colour(pattern, padding):
    colour = {'r': 200, 'g': 100, 'b': 50}
    rows = [[colour[pattern[y % 2 * 2 + x % 2]] for x in range(8)] for y in range(6)]
    message = message_of(rows, f'bayer_{pattern}8', width=8, padding=padding)
    np.testing.assert_array_equal(decode_image(message), np.full((6, 8, 3), (200, 100, 50)))


def rgb_of_yuv(y: int, u: int, v: int) -> np.ndarray:
    """Return BT.601 with Y in [16, 235], as cameras send it."""
    brightness = 1.164 * (y - 16)
    return np.clip([brightness + 1.596 * (v - 128),
                    brightness - 0.813 * (v - 128) - 0.391 * (u - 128),
                    brightness + 2.018 * (u - 128)], 0, 255)


@pytest.mark.parametrize('padding', PADDINGS)
@pytest.mark.parametrize('encoding, order', [
    ('yuv422', 'UYVY'), ('uyvy', 'UYVY'), ('yuv422_yuy2', 'YUYV'), ('yuyv', 'YUYV')])
def test_422_shares_colours_between_two_neighbours(encoding, order, padding):
    pairs = [(80, 160, 90, 200), (235, 16, 128, 128)]  # Y, Y of the right neighbour, U, V
    expected, row = [], []
    for left, right, u, v in pairs:
        brightness = iter((left, right))
        row += [next(brightness) if letter == 'Y' else {'U': u, 'V': v}[letter]
                for letter in order]
        expected += [rgb_of_yuv(left, u, v), rgb_of_yuv(right, u, v)]
    image = decode_image(message_of([row, row], encoding, width=4, padding=padding))
    # OpenCV computes in integers; 2 of 255 is its rounding.
    np.testing.assert_allclose(image, [expected, expected], atol=2)


@pytest.mark.parametrize('padding', PADDINGS)
@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_420_shares_colours_between_four_neighbours(encoding, padding):
    brightness = [[80, 90, 100, 110], [120, 130, 140, 150]]
    colours = [(90, 200), (150, 60)]  # U, V of the left and the right half
    plane = [value for u, v in colours for value in ((u, v) if encoding == 'nv12' else (v, u))]
    message = message_of([*brightness, plane], encoding, width=4, height=2, padding=padding)
    expected = [[rgb_of_yuv(brightness[y][x], *colours[x // 2]) for x in range(4)]
                for y in range(2)]
    np.testing.assert_allclose(decode_image(message), expected, atol=2)


def test_rgb8_is_a_view_of_the_message():
    message = message_of(HAND_WRITTEN['rgb8'], 'rgb8', width=2, padding=5)
    image = decode_image(message)
    message.data[0] = 77
    assert image[0, 0, 0] == 77


def test_bytes_after_the_last_row_are_ignored():
    message = message_of(HAND_WRITTEN['rgb8'], 'rgb8', width=2)
    message.data.frombytes(b'rubbish')
    assert decode_image(message).shape == (2, 2, 3)


def damaged(**fields) -> Image:
    """Return a good 4x4 bgr8 message with some fields overwritten."""
    message = message_of([[0] * 12] * 4, 'bgr8', width=4)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize('fields, cause, complaint', [
    ({'width': 0}, 'size', 'at least 1x1 pixels, got 0x4'),
    ({'height': 0}, 'size', 'got 4x0'),
    ({'height': 2 ** 31, 'width': 2 ** 31}, 'size', 'larger than the limit'),
    ({'height': 2 ** 31}, 'size', 'larger than the limit'),
    ({'step': 11}, 'step', 'takes 12 bytes, but step is 11'),
    ({'step': 0}, 'step', 'step is 0'),
    ({'height': 5}, 'data', 'take 60 bytes, the message has 48'),
    ({'step': 2 ** 31}, 'data', 'the message has 48'),
    ({'encoding': 'uyvy', 'width': 3}, 'size', 'a multiple of 2x1 pixels, got 3x4'),
    ({'encoding': 'nv12', 'height': 3}, 'size', 'a multiple of 2x2 pixels, got 4x3'),
    ({'encoding': 'nv12', 'step': 9}, 'data', 'take 54 bytes, the message has 48'),
    ({'encoding': 'bayer_rggb8', 'width': 2}, 'size', 'at least 3x3'),
    ({'encoding': '32FC1'}, 'encoding', '32FC1 is a depth picture.*colour camera'),
])
def test_a_damaged_image_is_named_by_cause_and_numbers(fields, cause, complaint):
    with pytest.raises(ImageError, match=complaint) as caught:
        decode_image(damaged(**fields))
    assert caught.value.cause == cause


def test_an_unknown_encoding_without_cv_bridge_names_the_known_ones_and_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(ImageError) as caught:
        decode_image(damaged(encoding='32FC3'))
    assert caught.value.cause == 'encoding'
    for words in ("'32FC3'", 'rgb8, bgr8', 'nv21', 'Install cv_bridge'):
        assert words in str(caught.value)


def cv_bridge_that(convert) -> types.SimpleNamespace:
    """Return a module whose CvBridge converts like this."""
    return types.SimpleNamespace(
        CvBridge=lambda: types.SimpleNamespace(imgmsg_to_cv2=convert))


def test_an_unknown_encoding_goes_to_cv_bridge(monkeypatch):
    asked = []

    def convert(message, wanted):
        asked.append((message.encoding, wanted))
        return np.full((4, 4, 3), 9, np.uint8)

    monkeypatch.setitem(sys.modules, 'cv_bridge', cv_bridge_that(convert))
    assert decode_image(damaged(encoding='32FC3')).tolist() == [[[9] * 3] * 4] * 4
    assert asked == [('32FC3', 'rgb8')]


def test_whatever_cv_bridge_raises_is_an_unreadable_image(monkeypatch):
    def convert(message, wanted):
        raise AttributeError('newbyteorder was removed')

    monkeypatch.setitem(sys.modules, 'cv_bridge', cv_bridge_that(convert))
    with pytest.raises(ImageError, match=r"'32FC3'.*newbyteorder") as caught:
        decode_image(damaged(encoding='32FC3'))
    assert caught.value.cause == 'encoding'


def smooth_image(height: int = 40, width: int = 60) -> np.ndarray:
    """Return RGB that JPEG changes little: red grows to the right, green downwards."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width)
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    image[..., 2] = 30
    return image


def compressed(extension: str, array: np.ndarray, description: str) -> CompressedImage:
    """Return an array (in OpenCV's channel order) as CompressedImage."""
    message = CompressedImage(format=description)
    message.data.frombytes(cv2.imencode(extension, array)[1])
    return message


def test_a_jpeg_survives_encoding_and_decoding():
    header = Header(frame_id='camera')
    image = smooth_image()
    message = encode_jpeg(image, header, quality=95)
    assert (message.header, message.format) == (header, 'bgr8; jpeg compressed bgr8')
    # 6 of 255 is what JPEG loses on this image at quality 95.
    np.testing.assert_allclose(decode_compressed(message), image, atol=6)


def test_jpeg_quality_decides_about_the_size():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    small, large = (len(encode_jpeg(noise, Header(), quality).data) for quality in (10, 90))
    assert small < large / 2


@pytest.mark.parametrize('description', ['png', 'bgr8; png compressed bgr8'])
def test_a_png_is_decoded_without_loss(description):
    image = smooth_image()
    message = compressed('.png', image[..., ::-1], description)
    np.testing.assert_array_equal(decode_compressed(message), image)


def test_a_grey_jpeg_becomes_rgb():
    message = compressed('.jpg', np.full((16, 16), 90, np.uint8), 'mono8; jpeg compressed mono8')
    np.testing.assert_array_equal(decode_compressed(message), np.full((16, 16, 3), 90))


def test_a_png_with_alpha_loses_it():
    image = smooth_image()
    message = compressed('.png', np.dstack([image[..., ::-1], image[..., 0]]), 'png')
    np.testing.assert_array_equal(decode_compressed(message), image)


def test_a_16_bit_png_is_scaled_from_its_whole_range():
    message = compressed('.png', np.array([[0, 128, 129, 65535]], np.uint16), 'mono16; png')
    assert decode_compressed(message)[0].tolist() == [[0] * 3, [0] * 3, [1] * 3, [255] * 3]


def test_a_16_bit_colour_png_keeps_its_colours():
    message = compressed('.png', np.array([[[257, 514, 65535]]], np.uint16), 'bgr16; png')
    assert decode_compressed(message).tolist() == [[[255, 2, 1]]]


def test_the_format_says_when_a_publisher_compressed_rgb_as_if_it_were_bgr():
    message = compressed('.png', smooth_image(), 'rgb8; png compressed rgb8')
    np.testing.assert_array_equal(decode_compressed(message), smooth_image())


def test_an_orientation_in_the_exif_data_is_not_applied():
    coded = encode_jpeg(smooth_image(), Header()).data.tobytes()
    # TIFF, little endian, one entry: tag 0x112 (orientation), short, one value: 6 = turn right.
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x112, 3, 1, 6, 0, 0)
    segment = b'Exif\0\0' + tiff
    turned = (coded[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(segment)) + segment + coded[2:])
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (60, 40, 3)
    message = CompressedImage(format='jpeg')
    message.data.frombytes(turned)
    assert decode_compressed(message).shape == (40, 60, 3)


def png_header_of(height: int, width: int) -> bytes:
    """Return a PNG that announces a size and holds nothing."""
    content = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + content
            + struct.pack('>I', zlib.crc32(content)) + b'\0\0\0\0IEND\xaeB`\x82')


def jpeg_bytes() -> bytes:
    """Return a good JPEG."""
    return encode_jpeg(smooth_image(), Header()).data.tobytes()


def corrupt_jpeg() -> bytes:
    """Return a JPEG whose frame header announces 65500x65500 pixels."""
    coded = bytearray(jpeg_bytes())
    frame = coded.index(b'\xff\xc0')
    coded[frame + 5:frame + 9] = struct.pack('>HH', 65500, 65500)
    return bytes(coded)


@pytest.mark.parametrize('data, description, cause, complaint', [
    (b'', 'jpeg', 'format', '0 bytes .* neither JPEG nor PNG'),
    (b'hello', 'h264', 'format', "format 'h264' are neither JPEG nor PNG"),
    (jpeg_bytes()[:-2], 'jpeg', 'data', 'cut off'),
    (jpeg_bytes()[:len(jpeg_bytes()) // 2], 'jpeg', 'data', 'cut off'),
    (jpeg_bytes()[:30], 'jpeg', 'data', 'cut off'),
    (corrupt_jpeg(), 'jpeg', 'size', '65500x65500 pixels is larger'),
    (png_header_of(4, 4), 'png', 'data', 'cut off or damaged'),
    (png_header_of(2 ** 31 - 1, 2 ** 31 - 1), 'png', 'size', 'larger than the limit'),
    (png_header_of(0, 4), 'png', 'size', 'got 4x0'),
    (jpeg_bytes(), '16UC1; compressedDepth png', 'format', 'subscribe to the colour camera'),
], ids=['empty', 'video', 'no end', 'half', 'header only', 'absurd jpeg', 'empty png',
        'absurd png', 'zero size', 'depth'])
def test_a_damaged_compressed_image_is_named_by_cause(data, description, cause, complaint):
    message = CompressedImage(format=description)
    message.data.frombytes(data)
    with pytest.raises(ImageError, match=complaint) as caught:
        decode_compressed(message)
    assert caught.value.cause == cause


def test_data_that_stuffs_the_scan_after_the_frame_header_still_decodes():
    thumbnail = b'\xff\xe1' + struct.pack('>H', 2 + len(jpeg_bytes())) + jpeg_bytes()
    message = CompressedImage(format='jpeg')
    message.data.frombytes(b'\xff\xd8' + thumbnail + jpeg_bytes()[2:])
    assert decode_compressed(message).shape == (40, 60, 3)


@pytest.mark.parametrize('encoding, image', [
    ('rgb8', smooth_image(3, 5)),
    ('bgr8', smooth_image(3, 5)),
    ('mono8', smooth_image(3, 5)[..., 0]),
    ('mono16', smooth_image(3, 5)[..., 0].astype(np.uint16) * 257),
], ids=['rgb8', 'bgr8', 'mono8', 'mono16'])
def test_encoded_images_decode_to_the_same_image(encoding, image):
    header = Header(frame_id='camera')
    message = encode_image(image, encoding, header)
    assert message.header == header
    assert (message.height, message.width, message.encoding) == (3, 5, encoding)
    assert message.step == 5 * image.itemsize * (3 if image.ndim == 3 else 1)
    expected = smooth_image(3, 5)
    if image.ndim == 2:
        expected = np.repeat(expected[..., :1], 3, axis=2)
    np.testing.assert_array_equal(decode_image(message), expected)


def test_bgr8_has_blue_first_in_memory():
    message = encode_image(np.array([[[1, 2, 3]]], np.uint8), 'bgr8', Header())
    assert list(message.data) == [3, 2, 1]


def test_a_view_of_a_larger_image_is_encoded_row_by_row():
    image = smooth_image(6, 8)[1:5, 2:7]
    np.testing.assert_array_equal(decode_image(encode_image(image, 'rgb8', Header())), image)


@pytest.mark.parametrize('image, encoding, complaint', [
    (np.zeros((2, 2), np.uint8), 'yuv422', "rgb8, bgr8, mono8, mono16, got 'yuv422'"),
    (np.zeros((2, 2), np.uint8), 'bgr8', r'\(H, W, 3\) uint8 array, got \(2, 2\) uint8'),
    (np.zeros((2, 2, 4), np.uint8), 'rgb8', r'got \(2, 2, 4\)'),
    (np.zeros((2, 2), np.uint8), 'mono16', 'uint16 array'),
])
def test_arrays_that_do_not_fit_their_encoding_are_refused(image, encoding, complaint):
    with pytest.raises(ValueError, match=complaint):
        encode_image(image, encoding, Header())


def test_every_encoding_the_table_lists_is_shown_in_these_tests():
    assert set(image_codec.LAYOUTS) == {
        *HAND_WRITTEN, 'mono8', '8UC1', 'mono16', '16UC1', 'bayer_rggb8', 'bayer_bggr8',
        'bayer_gbrg8', 'bayer_grbg8', 'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21',
        # in test/messages/test_images.py
        'rgb16', 'bgr16', 'rgba16', 'bgra16', 'bayer_rggb16', 'bayer_bggr16', 'bayer_gbrg16',
        'bayer_grbg16'}
