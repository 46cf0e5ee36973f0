"""Files and images that cannot be read are named with the reason."""

import cv2
import numpy as np
import pytest

from yolact_ros.data.coco_file import is_box, read_image_entries, read_json
from yolact_ros.data.image_files import find_image_folder, read_sized_image
from yolact_ros.structures import ImageSize

HEIGHT, WIDTH = 20, 30


@pytest.fixture
def image(tmp_path):
    """Return the path of an image of one colour."""
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), (10, 20, 30), np.uint8))
    return path


def test_images_are_read_in_rgb(image):
    image = read_sized_image(image, ImageSize(HEIGHT, WIDTH))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image[0, 0].tolist() == [30, 20, 10]  # RGB of the BGR that was written


def test_a_truncated_image_is_named_when_it_is_read(image):
    image.write_bytes(image.read_bytes()[:40])
    with pytest.raises(ValueError, match=r'a\.png.*damaged'):
        read_sized_image(image, ImageSize(HEIGHT, WIDTH))


def test_a_image_of_another_size_is_refused(image):
    with pytest.raises(ValueError, match='is 30x20, its annotations are for 10x10'):
        read_sized_image(image, ImageSize(10, 10))


@pytest.mark.parametrize('file', ['images/a.png', 'a.png', 'train/a.png'])
def test_images_are_found_near_their_annotations(tmp_path, file):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert find_image_folder(tmp_path / 'labels' / 'instances_train.json', 'a.png') == path.parent


@pytest.mark.parametrize('content, message', [
    ('{', 'not valid JSON'), ('[]', "list of objects named 'images'"),
    ('{"images": [], "annotations": {}}', "'annotations'")])
def test_a_file_that_is_no_coco_json_is_refused(tmp_path, content, message):
    path = tmp_path / 'labels.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_json(path)


def test_a_missing_annotation_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing.json'):
        read_json(tmp_path / 'nothing.json')


@pytest.mark.parametrize('value', [10 ** 400, float('nan'), float('inf'), None, 'x'],
                         ids=['huge', 'nan', 'inf', 'null', 'text'])
def test_box_of_numbers_that_are_none_is_no_box(value):
    assert not is_box([1, 2, value, 4])
    assert is_box([1, 2, 3.5, 10 ** 30])


@pytest.mark.parametrize('height', [2 ** 63, 1e300], ids=['of 64 bits', 'float'])
def test_size_that_no_image_has_is_refused_with_the_entry(tmp_path, height):
    content = {'images': [{'id': 7, 'file_name': 'b.png', 'height': height, 'width': 40}]}
    with pytest.raises(ValueError, match=r'image 7 \(b.png\) has height .* and width 40'):
        read_image_entries(content, tmp_path / 'a.json', tmp_path)


@pytest.mark.parametrize('key, value', [('file_name', ''), ('file_name', None), ('id', None)])
def test_an_entry_without_name_or_id_is_named(tmp_path, key, value):
    content = {'images': [{'id': 7, 'file_name': 'b.png', 'height': 30, 'width': 40, key: value}]}
    with pytest.raises(ValueError, match=f"a.json: image .* lacks '{key}'"):
        read_image_entries(content, tmp_path / 'a.json', tmp_path)
