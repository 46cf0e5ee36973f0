"""Output files are whole or not there; crops are cut out along the mask."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolact_ros.files import (
    can_write_image,
    check_image_suffix,
    check_unfolded,
    make_folder,
    plain_name,
    read_text,
    replacing,
    sha256_of,
    write_image,
)
from yolact_ros.media.cut_outs import CropFolder, rgba_crop, unique_stems
from yolact_ros.media.images import read_image
from yolact_ros.structures import ImageSize, Instances

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def one_instance() -> Instances:
    """Return an instance with a roi of 3x2 px, one pixel of which is not the object's."""
    one = np.array([0.5], np.float32)
    crop = np.array([[True, True, False], [True, True, True]])
    return Instances(ImageSize(4, 6), np.array([[1, 1, 4, 3]], np.float32), one, one, one,
                     np.array([0]), np.array([[1, 1, 4, 3]], np.int32), (crop,))


def test_a_image_written_is_the_image_read(tmp_path):
    write_image(tmp_path / 'a.png', IMAGE)
    np.testing.assert_array_equal(read_image(tmp_path / 'a.png'), IMAGE)
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-be'])
def test_text_of_any_machine_is_read(tmp_path, encoding):
    mark = '\ufeff' if encoding == 'utf-16-be' else ''
    (tmp_path / 'a.txt').write_bytes((mark + 'Fußball\n杯').encode(encoding))
    assert read_text(tmp_path / 'a.txt') == 'Fußball\n杯'


def test_text_in_an_older_encoding_is_refused_with_its_file(tmp_path):
    (tmp_path / 'a.txt').write_bytes('Fußball'.encode('latin-1'))
    with pytest.raises(ValueError, match='a.txt is no text in UTF-8'):
        read_text(tmp_path / 'a.txt')


def test_a_failure_keeps_the_older_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('older')
    with pytest.raises(KeyboardInterrupt), replacing(path) as part:
        part.write_text('half')
        raise KeyboardInterrupt
    assert [item.read_text() for item in tmp_path.iterdir()] == ['older']


@pytest.mark.parametrize('text, name', [
    ('', ''), ('cell phone', 'cell_phone'), ('a/../../b', 'a_b'), ('Fußball-1', 'Fußball-1'),
    ('a' * 500, 'a' * 80)])
def test_a_name_from_outside_is_no_path(text, name):
    assert plain_name(text) == name


@pytest.mark.parametrize('name', ['a.jpg', 'a.JPEG', 'a.png', 'a.bmp', 'a.webp', 'a.tif'])
def test_common_endings_can_be_written(tmp_path, name):
    check_image_suffix(tmp_path / name)
    write_image(tmp_path / name, IMAGE)
    assert read_image(tmp_path / name).shape == (4, 6, 3)


@pytest.mark.parametrize('name', ['a', 'a.xyz', 'a.exr', 'a.pgm', 'a.mp4', '.png'])
def test_other_endings_are_refused_with_those_that_can(name):
    assert not can_write_image(Path(name))
    with pytest.raises(ValueError, match=r'wanted a name that ends in \.jpg \.png'):
        check_image_suffix(Path(name))


def test_a_image_beyond_the_limits_of_its_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match='20000x1 px picture cannot be written as .*choose .png'):
        write_image(tmp_path / 'a.webp', np.zeros((1, 20000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_with_their_parents(tmp_path):
    make_folder(tmp_path / 'a' / 'b')
    assert list((tmp_path / 'a' / 'b').iterdir()) == []


@pytest.mark.parametrize('folder', ['/proc/none', 'file/inside'])
def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, folder):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match=f'cannot write to folder .*{folder}.*choose another'):
        make_folder(tmp_path / folder)


def test_a_crop_is_opaque_on_the_object_and_transparent_beside_it():
    rgba = rgba_crop(IMAGE, one_instance(), 0)
    np.testing.assert_array_equal(rgba[..., :3], IMAGE[1:3, 1:4])
    np.testing.assert_array_equal(rgba[..., 3], [[255, 255, 0], [255, 255, 255]])


def test_crops_are_named_by_image_rank_class_and_score(tmp_path):
    CropFolder(tmp_path, ('traffic/light',)).add('street', IMAGE, one_instance())
    path, = tmp_path.iterdir()
    assert path.name == 'street_001_traffic_light_0.50.png'
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (2, 3, 4)


def test_a_image_without_instances_has_no_crops(tmp_path):
    CropFolder(tmp_path, ('mug',)).add('street', IMAGE, Instances.empty(ImageSize(4, 6)))
    assert list(tmp_path.iterdir()) == []


def test_images_of_one_stem_keep_their_endings_apart():
    paths = [Path('a.jpg'), Path('a.png'), Path('b.png')]
    assert unique_stems(paths) == ['a.jpg', 'a.png', 'b']


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / 'a').write_bytes(b'abc')  # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / 'a') == \
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'


def test_aliases_that_unfold_without_end_are_refused(tmp_path):
    laughs = [['ha'] * 9]
    for _ in range(8):
        laughs.append([laughs[-1]] * 9)
    endless = {}
    endless['self'] = endless
    for tree in (laughs[-1], {'a': laughs[-1]}, endless):
        with pytest.raises(ValueError, match=r'data.yaml unfolds to more than 1000000 values'):
            check_unfolded(tree, tmp_path / 'data.yaml')
    check_unfolded({'names': ['cup', 'box'], 'train': None}, tmp_path / 'data.yaml')
