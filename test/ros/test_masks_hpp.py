"""The C++ decoder reads what Python wrote, with the generated message and with any other type."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from std_msgs.msg import Header

from yolact_ros.msg import InstanceMask
from yolact_ros.ros.instance_codec import MASK_ENCODINGS, encode_array, label_image
from yolact_ros.structures import ImageSize, Instances

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).parent / 'opencv_stand_in'


def include_options() -> list[str]:
    """Return the compiler options for the generated messages, or [] where there are none."""
    prefixes = [Path(prefix) for prefix in os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)]
    folders = [folder for prefix in prefixes for folder in prefix.glob('include/*')
               if folder.is_dir()]
    return [option for folder in folders for option in ('-isystem', str(folder))]


def opencv_options() -> list[str]:
    """Return the options for the installed OpenCV, else for a stand-in with the same calls."""
    if shutil.which('pkg-config'):
        found = subprocess.run(['pkg-config', '--cflags', '--libs', 'opencv4'], text=True,
                               capture_output=True, check=False)
        if found.returncode == 0:
            return found.stdout.replace('-I', '-isystem').split()
    return ['-isystem', str(STAND_IN)]


def compiled(target: Path, *options: str) -> Path:
    """Return the checking program, built with these options and every warning an error."""
    compiler = shutil.which('c++') or pytest.skip('needs a C++ compiler')
    command = [compiler, '-Wall', '-Wextra', '-Werror', '-D_GLIBCXX_ASSERTIONS',
               f'-I{ROOT / "include"}', str(Path(__file__).with_name('masks_check.cpp')),
               *options, '-o', str(target)]
    built = subprocess.run(command, text=True, capture_output=True, check=False)
    assert built.returncode == 0, built.stderr
    return target


@pytest.fixture(scope='session')
def with_message(tmp_path_factory) -> Path:
    """Return the program for the generated message, without OpenCV, as C++17."""
    return compiled(tmp_path_factory.mktemp('masks') / 'message', '-std=c++17',
                    '-DYOLACT_ROS_WITH_OPENCV=0', '-DWITH_GENERATED_MESSAGE', *include_options())


@pytest.fixture(scope='session')
def with_opencv(tmp_path_factory) -> Path:
    """Return the program for a type of its own, with OpenCV, as C++14."""
    return compiled(tmp_path_factory.mktemp('masks') / 'opencv', '-std=c++14', *opencv_options())


@pytest.fixture(params=['generated message', 'plain type and OpenCV'])
def program(request) -> list[str]:
    """Return the command of one of the two programs."""
    if request.param == 'generated message':
        return [str(request.getfixturevalue('with_message')), 'message']
    return [str(request.getfixturevalue('with_opencv')), 'plain']


def numbers_of(mask: InstanceMask) -> str:
    """Return a message as the line of numbers that the program reads."""
    roi = mask.roi
    values = [mask.image_height, mask.image_width, mask.id, roi.x_offset, roi.y_offset, roi.width,
              roi.height, mask.encoding, mask.step, len(mask.data), *mask.data, len(mask.counts),
              *mask.counts]
    return ' '.join(map(str, values))


def ask(program: list[str], masks: list[InstanceMask]) -> list[tuple[str, str]]:
    """Return the program's answers, (name, rest of the line)."""
    ran = subprocess.run(program, input='\n'.join(map(numbers_of, masks)) + '\n', text=True,
                         capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [tuple(line.partition(' ')[::2]) for line in ran.stdout.splitlines()]


def messages_of(masks: list[np.ndarray], encoding: str = 'packed'):
    """Return the array message of full-frame masks (H, W) bool."""
    rois = []
    for mask in masks:
        ys, xs = np.nonzero(mask)
        rois.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(ys) else (0,) * 4)
    scores = np.linspace(0.9, 0.8, len(masks), dtype=np.float32)
    instances = Instances(
        ImageSize(*masks[0].shape), np.array(rois, np.float32), scores, scores, scores,
        np.zeros(len(masks), np.int64), np.array(rois, np.int32),
        tuple(mask[y0:y1, x0:x1] for mask, (x0, y0, x1, y1) in zip(masks, rois)))
    return encode_array(instances, ['thing'], Header(), encoding)


def ring() -> np.ndarray:
    """Return a mask with a hole."""
    mask = np.zeros((12, 21), bool)
    mask[1:11, 2:20] = True
    mask[4:8, 5:17] = False
    return mask


def parts() -> np.ndarray:
    """Return a mask of several parts that touch the borders."""
    mask = np.zeros((9, 30), bool)
    mask[0, :3] = mask[4:6, 10:27] = mask[8, 29] = True
    return mask


MASKS = {
    'empty': np.zeros((3, 4), bool),
    '1x1': np.ones((1, 1), bool),
    'full frame': np.ones((5, 24), bool),
    'full frame at an odd width': np.ones((5, 13), bool),
    'hole': ring(),
    'several parts': parts(),
    **{f'noise {width} wide': np.random.default_rng(width).random((6, width)) < 0.6
       for width in (2, 7, 8, 9, 15, 16, 17, 33)},
}


@pytest.mark.parametrize('encoding', MASK_ENCODINGS)
@pytest.mark.parametrize('mask', MASKS.values(), ids=MASKS)
def test_cpp_decodes_what_python_wrote(program, mask, encoding):
    message = messages_of([mask], encoding).instances[0]
    answers = dict(ask(program, [message]))
    x, y = message.roi.x_offset, message.roi.y_offset
    crop = mask[y:y + message.roi.height, x:x + message.roi.width]
    expected = {'crop': crop * 255, 'full': mask * 255, 'contains': mask * 1, 'labels': mask * 1}
    if program[1] == 'plain':
        expected |= {'crop_cv': crop * 255, 'full_cv': mask * 255,
                     'roi_cv': np.array([x, y, message.roi.width, message.roi.height])}
    assert {name: text.split() for name, text in answers.items()} == {
        name: [str(value) for value in pixels.ravel()] for name, pixels in expected.items()}


@pytest.mark.parametrize('encoding', MASK_ENCODINGS)
def test_cpp_and_python_agree_on_the_label_image_of_overlapping_masks(program, encoding):
    random = np.random.default_rng(0)
    message = messages_of([random.random((7, 19)) < 0.4 for _ in range(5)], encoding)
    message.instances.reverse()  # the order in the array must not matter
    name, text = ask(program, message.instances)[-1]
    assert name == 'labels'
    assert text.split() == [str(value) for value in label_image(message).ravel()]


def change(**fields) -> InstanceMask:
    """Return a good 3x9 mask with some fields overwritten."""
    mask = messages_of([np.ones((3, 9), bool)], fields.pop('form', 'packed')).instances[0]
    for name, value in fields.items():
        setattr(mask.roi if hasattr(mask.roi, name) else mask, name, value)
    return mask


@pytest.mark.parametrize('mask, complaint', [
    (change(encoding=7), 'mask 1: unknown encoding 7'),
    (change(step=1), 'mask 1: its data does not fill its roi'),
    (change(data=[255]), 'mask 1: its data does not fill its roi'),
    (change(form='mono8', step=8), 'mask 1: its data does not fill its roi'),
    (change(width=10), 'mask 1: its roi reaches outside of the picture'),
    (change(y_offset=2 ** 32 - 1), 'mask 1: its roi reaches outside of the picture'),
    (change(form='rle', counts=[0, 26]), 'mask 1: its run lengths do not cover its roi'),
    (change(form='rle', counts=[2 ** 32 - 1, 28]), 'mask 1: its run lengths do not cover its roi'),
    (change(image_height=2 ** 31, image_width=2 ** 31),
     "mask 1: a picture larger than any camera's"),
], ids=['encoding', 'step', 'short data', 'mono8 step', 'width', 'offset', 'short runs',
        'overflowing runs', 'absurd size'])
def test_cpp_refuses_a_damaged_mask_and_reads_the_next(program, mask, complaint):
    answers = ask(program, [mask, change()])
    assert answers[0] == ('refused', complaint)
    assert dict(answers)['contains'].split() == ['1'] * 27


def test_cpp_refuses_a_label_image_of_masks_of_different_images(program):
    answers = ask(program, [change(), change(image_width=10)])
    assert ('refused', 'mask 1: it belongs to a picture of another size') in answers


@pytest.mark.parametrize('page', ['README.md', 'docs/robots.md'])
def test_examples_in_the_documentation_compile(page, tmp_path):
    compiler = shutil.which('c++') or pytest.skip('needs a C++ compiler')
    example, = re.findall(r'```cpp\n(.*?)```', (ROOT / page).read_text(), re.DOTALL)
    source = tmp_path / 'example.cpp'
    source.write_text(example)
    built = subprocess.run(
        [compiler, '-std=c++17', '-fsyntax-only', '-Wall', '-Wextra', '-Wno-unused', '-Werror',
         '-DYOLACT_ROS_WITH_OPENCV=0', *include_options(), f'-I{ROOT / "include"}',
         f'-I{Path(__file__).with_name("rclcpp_stand_in")}', str(source)],
        text=True, capture_output=True, check=False)
    assert built.returncode == 0, built.stderr
