"""Instance masks as they come from a peer: read in Python and in C++, which must agree."""

from __future__ import annotations

import functools
import os
import resource
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from tools.trust.target import Target
from yolact_ros.msg import InstanceMask, InstanceMaskArray
from yolact_ros.ros.instance_codec import (
    MASK_ENCODINGS,
    contours,
    encode_array,
    label_image,
    paste,
    to_bool,
    to_coco_rle,
    to_instances,
)
from yolact_ros.structures import ImageSize, Instances

ROOT = Path(__file__).resolve().parents[2]
# image height, width, roi x, y, width, height, step, number of counts, encoding
HEAD = struct.Struct('<IIIIIIIHB')
RECORD = 160  # bytes of a mask among many


def _array(encoding: str) -> InstanceMaskArray:
    """Return two overlapping masks in an image of 20x30."""
    random = np.random.default_rng(0)
    rois = np.int32([(3, 2, 20, 15), (10, 0, 30, 20)])
    crops = tuple(random.random((y1 - y0, x1 - x0)) < 0.6 for x0, y0, x1, y1 in rois.tolist())
    scores = np.float32([0.9, 0.8])
    return encode_array(Instances(ImageSize(20, 30), rois.astype(np.float32), scores, scores,
                                  scores, np.zeros(2, np.int64), rois, crops),
                        ['thing'], Header(), encoding)


def _masks() -> list[bytes]:
    """Return valid masks of all encodings as HEAD, counts and data."""
    return [_pack(mask) for encoding in MASK_ENCODINGS for mask in _array(encoding).instances]


def _pack(mask: InstanceMask) -> bytes:
    roi = mask.roi
    return (HEAD.pack(mask.image_height, mask.image_width, roi.x_offset, roi.y_offset, roi.width,
                      roi.height, mask.step, len(mask.counts), mask.encoding)
            + np.asarray(mask.counts, '<u4').tobytes() + bytes(mask.data))


def _unpack(data: bytes) -> InstanceMask:
    """Return the message that the bytes describe; none is impossible."""
    height, width, x, y, wide, high, step, count, encoding = HEAD.unpack(
        data[:HEAD.size].ljust(HEAD.size, b'\0'))
    rest = data[HEAD.size:]
    mask = InstanceMask(image_height=height, image_width=width, id=1, step=step,
                        encoding=encoding, roi=RegionOfInterest(
                            x_offset=x, y_offset=y, width=wide, height=high))
    runs = np.frombuffer(rest[:min(4 * count, len(rest) // 4 * 4)], '<u4')
    mask.counts = runs.tolist()
    mask.data.frombytes(rest[4 * len(runs):])
    return mask


def _read_mask(data: bytes) -> None:
    """Decode a mask in every way that there is."""
    mask = _unpack(data)
    crop = to_bool(mask)
    assert crop.dtype == bool and crop.shape == (mask.roi.height, mask.roi.width), crop.shape
    full = paste(mask)
    assert full.shape == (mask.image_height, mask.image_width)
    assert np.count_nonzero(full) == np.count_nonzero(crop)
    array = InstanceMaskArray(image_height=mask.image_height, image_width=mask.image_width,
                              instances=[mask])
    assert np.array_equal(label_image(array) == 1, full)
    assert np.array_equal(to_instances(array).crops[0], crop)
    contours(mask)
    if full.size:
        to_coco_rle(mask)


def _many() -> list[bytes]:
    return [b''.join(mask.ljust(RECORD, b'\0')[:RECORD] for mask in _masks() * 8)]


def _small(mask: InstanceMask) -> bool:
    """Return whether the checking program can write the image down, or refuses it anyway."""
    area = mask.image_height * mask.image_width
    return area <= 4096 or area > 10 ** 9


@functools.cache
def _program() -> Path:
    """Return the C++ checking program, built with the sanitizers."""
    path = Path(tempfile.mkdtemp(prefix='yolact_fuzz')) / 'masks'
    subprocess.run(
        ['c++', '-std=c++14', '-g', '-O1', '-fsanitize=address,undefined',
         '-fno-sanitize-recover=all', '-D_GLIBCXX_ASSERTIONS', '-DYOLACT_ROS_WITH_OPENCV=0',
         f'-I{ROOT / "include"}', str(ROOT / 'test/ros/masks_check.cpp'), '-o', str(path)],
        check=True, capture_output=True)
    return path


def _read_in_cpp(data: bytes) -> None:
    """Decode many masks in C++ and in Python: same crops, same refusals."""
    masks = [mask for start in range(0, len(data), RECORD)
             if _small(mask := _unpack(data[start:start + RECORD]))]
    ran = subprocess.run(
        [_program(), 'plain'], input='\n'.join(map(_numbers, masks)) + '\n', text=True,
        capture_output=True, check=False, preexec_fn=_unlimited,
        env={**os.environ, 'ASAN_OPTIONS': 'hard_rss_limit_mb=1024:detect_leaks=0'})
    assert ran.returncode == 0, f'C++ died: {ran.stderr[:400]}'
    answers = [line.partition(' ') for line in ran.stdout.splitlines()]
    found = [rest for name, _, rest in answers if name == 'crop' or (
        name == 'refused' and 'another size' not in rest)]
    assert len(found) == len(masks)
    for mask, answer in zip(masks, found):
        assert _agree(mask, answer), f'Python and C++ differ: {mask} {answer[:200]}'


def _unlimited() -> None:
    """Let the sanitizers map their terabytes; hard_rss_limit_mb takes care."""
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _agree(mask: InstanceMask, answer: str) -> bool:
    """Return whether Python reads what C++ read, or refuses with it."""
    refused = answer.startswith('mask ') or 'picture' in answer
    try:
        crop = to_bool(mask)
    except ValueError:
        return refused
    return not refused and answer.split() == [str(255 * int(pixel)) for pixel in crop.ravel()]


def _numbers(mask: InstanceMask) -> str:
    """Return a mask as the line that the program reads."""
    roi = mask.roi
    return ' '.join(map(str, [
        mask.image_height, mask.image_width, mask.id, roi.x_offset, roi.y_offset, roi.width,
        roi.height, mask.encoding, mask.step, len(mask.data), *mask.data, len(mask.counts),
        *mask.counts]))


# A serialised array is not read here: the middleware does that, before the node sees anything, and
# rclpy's generated reader does not survive damaged bytes (see SECURITY.md).
MASK_TARGETS = (
    Target('mask', _masks, _read_mask),
    Target('mask in C++', _many, _read_in_cpp, slow_s=30),
)
