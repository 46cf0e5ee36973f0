"""Damaged and hostile JPEG and PNG: refused with the cause, before memory is asked for."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg

from yolact_ros.coded_images import ImageError, decode_jpeg, decode_png

ROOT = Path(__file__).resolve().parents[1]
LIMITED = """
import resource, sys
import numpy as np
from yolact_ros.coded_images import ImageError, decode_jpeg, decode_png
decode = decode_png if sys.argv[1].endswith('.png') else decode_jpeg
decode(open(sys.argv[2], 'rb').read())  # loads the libraries
data = open(sys.argv[1], 'rb').read()
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
try:
    decode(data)
except ImageError as error:
    print(error.cause)
"""


def noise(height=64, width=80):
    """Return RGB that needs many bytes."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def jpeg_of(rgb, *options):
    """Return a JPEG."""
    return cv2.imencode('.jpg', rgb[..., ::-1], options)[1].tobytes()


def png_of(*chunks):
    """Return a PNG of (kind, content) with right lengths and checksums."""
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(content)) + kind + content
        + struct.pack('>I', zlib.crc32(kind + content)) for kind, content in chunks)


def png_header(height, width, depth=8, colour=2):
    """Return the chunk that announces a size."""
    return b'IHDR', struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)


def good_png():
    """Return a PNG of 2x3 black pixels, made by hand."""
    rows = (b'\0' + bytes(9)) * 2
    return png_of(png_header(2, 3), (b'IDAT', zlib.compress(rows)), (b'IEND', b''))


SIZES = {'quality 30': (cv2.IMWRITE_JPEG_QUALITY, 30), 'progressive': (
    cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 'restarts': (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)}


@pytest.mark.parametrize('options', SIZES.values(), ids=SIZES)
def test_good_jpegs_are_decoded_like_opencv_does(options):
    data = jpeg_of(noise(), *options)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    # Both are libjpeg-turbo, perhaps of two versions.
    np.testing.assert_allclose(decode_jpeg(data).astype(int), expected, atol=3)


@pytest.mark.parametrize('options', SIZES.values(), ids=SIZES)
@pytest.mark.parametrize('share', [0.3, 0.5, 0.8])
def test_bytes_missing_in_the_middle_are_damage(share, options):
    data = jpeg_of(noise(), *options)
    cut = int(len(data) * share)
    with pytest.raises(ImageError, match='cut off or damaged') as caught:
        decode_jpeg(data[:cut] + data[cut + 300:])
    assert caught.value.cause == 'data'


def test_a_jpeg_that_was_closed_after_a_third_is_damage():
    data = jpeg_of(noise())
    with pytest.raises(ImageError, match='cut off or damaged'):
        decode_jpeg(data[:len(data) // 3] + b'\xff\xd9')


def test_zeros_that_a_webcam_pads_its_scan_with_do_no_harm():
    data = jpeg_of(noise())
    padded = data[:-2] + bytes(7) + data[-2:] + b'after the end'
    np.testing.assert_array_equal(decode_jpeg(padded), decode_jpeg(data))


def test_bytes_that_no_pixel_took_are_told_on_demand():
    data, end = jpeg_of(noise()), b'\xff\xd9'
    cut = len(data) // 2
    twice = data[:cut] + data[cut - 300:]  # a copy that wrote one stretch two times
    assert decode_jpeg(twice).shape == (64, 80, 3)
    with pytest.raises(ImageError, match='before its end that no pixel took') as caught:
        decode_jpeg(twice, leftover=False)
    assert caught.value.cause == 'leftover'
    decode_jpeg(data[:-2] + bytes(7) + end, leftover=False)


def test_fill_bytes_before_markers_are_legal():
    data = jpeg_of(noise())
    frame = data.index(b'\xff\xc0')
    filled = data[:2] + b'\xff' + data[2:frame] + b'\xff\xff\xff' + data[frame:]
    np.testing.assert_array_equal(decode_jpeg(filled), decode_jpeg(data))


def test_a_marker_without_a_length_cannot_hide_the_size():
    data = jpeg_of(noise())
    # TEM has no length: what looks like one and a frame of 8x8 is skipped by every decoder.
    decoy = b'\xff\x01' + struct.pack('>HBHHB', 12, 8, 8, 8, 1)
    with pytest.raises(ImageError, match='80x64 pixels is larger|cut off or damaged'):
        decode_jpeg(data[:2] + decoy + data[2:], max_pixels=1000)


def test_a_jpeg_for_printing_is_named():
    header = b'\xff\xd8\xff\xc0' + struct.pack('>HBHHB', 20, 8, 8, 8, 4) + b''.join(
        bytes((number, 0x11, 0)) for number in range(1, 5))
    tables = jpeg_of(noise())
    tables = tables[tables.index(b'\xff\xdb'):tables.index(b'\xff\xc0')]
    with pytest.raises(ImageError) as caught:
        decode_jpeg(header[:2] + tables + header[2:] + b'\xff\xda\0\x0e\x04\1\0\2\0\3\0\4\0\0?\0\0'
                    + bytes(20) + b'\xff\xd9')
    assert caught.value.cause == 'format' and 'CMYK' in str(caught.value)


def test_a_jpeg_of_adobes_colours_for_printing_is_named():
    data = simplejpeg.encode_jpeg(np.zeros((8, 8, 4), np.uint8), colorspace='CMYK')
    with pytest.raises(ImageError, match=r'made for printing \(YCCK\)'):
        decode_jpeg(data)


def test_a_png_made_by_hand_is_decoded():
    assert decode_png(good_png()).tolist() == [[[0, 0, 0]] * 3] * 2


def test_what_is_no_pixel_does_not_reach_the_decoder(monkeypatch):
    seen = []
    monkeypatch.setattr(cv2, 'imdecode', lambda data, flags: seen.append(data.tobytes()) or data)
    rows = zlib.compress((b'\0' + bytes(9)) * 2)
    decode_png(png_of(png_header(2, 3), (b'acTL', bytes(8)), (b'tEXt', b'a\0b'),
                      (b'IDAT', rows), (b'IEND', b'')))
    assert seen == [good_png()]


@pytest.mark.parametrize('byte', range(8, 33), ids=str)
def test_a_flipped_bit_in_the_head_of_a_png_is_damage(byte):
    data = bytearray(good_png())
    data[byte] ^= 0x40
    with pytest.raises(ImageError):
        decode_png(bytes(data))


def test_a_png_whose_packed_pixels_are_too_few_or_garbled_is_damage():
    short = png_of(png_header(90, 3), (b'IDAT', zlib.compress(bytes(200))), (b'IEND', b''))
    garbled = png_of(png_header(2, 3), (b'IDAT', b'no deflate at all'), (b'IEND', b''))
    for data in (short, garbled):
        with pytest.raises(ImageError, match='cut off or damaged'):
            decode_png(data)


def huge_jpeg():
    """Return a good small JPEG whose frame claims 65500x4000 pixels."""
    data = bytearray(jpeg_of(np.zeros((8, 8, 3), np.uint8)))
    frame = data.index(b'\xff\xc0')
    data[frame + 5:frame + 9] = struct.pack('>HH', 4000, 65500)
    return bytes(data)


def dense_jpeg():
    """Return the same with a claim below the limit of pixels."""
    data = bytearray(huge_jpeg())
    frame = data.index(b'\xff\xc0')
    data[frame + 5:frame + 9] = struct.pack('>HH', 7000, 9000)
    return bytes(data)


def long_chunk():
    """Return a PNG with one flipped bit in the length of its pixels."""
    data = bytearray(good_png())
    data[33] ^= 0x70
    return bytes(data)


HOSTILE = {
    'huge.jpg': (huge_jpeg, 'size'),
    'dense.jpg': (dense_jpeg, 'data'),
    'long chunk.png': (long_chunk, 'data'),
    'huge.png': (lambda: png_of(png_header(4000, 65500), (b'IEND', b'')), 'size'),
    'dense.png': (lambda: png_of(png_header(7000, 9000), (b'IDAT', zlib.compress(bytes(9))),
                                 (b'IEND', b'')), 'data'),
    'bomb in a profile.png': (lambda: png_of(
        png_header(2, 3), (b'iCCP', b'p\0\0' + zlib.compress(bytes(10 ** 9 // 4), 1)),
        (b'IDAT', b'garbled'), (b'IEND', b'')), 'data'),
}


@pytest.mark.parametrize('name', HOSTILE)
def test_hostile_bytes_are_refused_in_little_memory(tmp_path, name):
    make, cause = HOSTILE[name]
    good = good_png() if name.endswith('.png') else jpeg_of(noise())
    (tmp_path / name).write_bytes(make())
    (tmp_path / 'good').write_bytes(good)
    ran = subprocess.run(
        [sys.executable, '-c', LIMITED, tmp_path / name, tmp_path / 'good'], text=True,
        capture_output=True, cwd=ROOT, check=False)
    assert (ran.stdout, ran.returncode) == (cause + '\n', 0), ran.stderr
