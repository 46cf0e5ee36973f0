"""Every fault of a data set is found with its count, its first file and annotation, and a cure."""

import json
import os

import cv2
import numpy as np
import pytest

from yolact_ros.checking import image_facts
from yolact_ros.checking.check import check_lists, find_series
from yolact_ros.checking.findings import ERROR, LEFT_OUT, LOOK, NOTE, Finding, is_clean
from yolact_ros.checking.image_facts import read_all_facts, read_facts
from yolact_ros.checking.sizes import needed_input, object_sides


def blob(x=20, y=10, side=30, **changes):
    return {'segmentation': [[x, y, x + side, y, x + side / 2, y + side]], **changes}


def finding(findings, text):
    """Return the one finding with that text."""
    found = [item for item in findings if text in item.text]
    assert len(found) == 1, [item.text for item in findings]
    return found[0]


def test_a_sound_data_set_has_nothing_to_look_at(make_data):
    findings = check_lists(make_data(), make_data(name='val', seed=1), 256)
    assert [item for item in findings if item.kind != NOTE] == []


def test_damaged_images_are_found_counted_and_left_out(make_data):
    data = make_data()
    for number, keep in ((3, 300), (5, 0)):
        path = data.path.with_name(f'{number}.png')
        path.write_bytes(path.read_bytes()[:keep])
    found = finding(check_lists(data, None, 256), '2 pictures cannot be read')
    assert (found.kind, found.file.name) == (LEFT_OUT, '3.png')
    assert len(data) == 10 and all(record.path.name not in ('3.png', '5.png')
                                   for record in data.records)


def test_a_jpeg_with_bytes_lost_in_the_middle_is_damaged(tmp_path):
    path = tmp_path / 'a.jpg'
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    data = cv2.imencode('.jpg', noise)[1].tobytes()
    path.write_bytes(data[:len(data) // 2] + data[-2:])  # as a broken copy with an end marker
    assert read_facts(path).problem


def test_jpegs_garbled_in_the_middle_are_counted_with_the_first_and_a_cure(make_data):
    data = make_data()
    for number in (3, 4, 5):
        record = data.records[number - 1]
        coded = cv2.imencode('.jpg', cv2.imread(str(record.path)))[1].tobytes()
        cut = len(coded) // 2
        # A copy that wrote a stretch twice, and a camera that fills up with zeros.
        garbled = coded[:-2] + bytes(9) + coded[-2:] if number == 5 else \
            coded[:cut] + coded[cut - 99:]
        record.path.write_bytes(garbled)
    found = finding(check_lists(data, None, 256), 'JPEGs have bytes left over')
    assert found.text.startswith('2 JPEGs')
    assert (found.kind, found.file.name) == (LOOK, '3.png')
    assert 'copy again' in found.cure
    assert len(data) == 12


def test_images_of_another_size_than_their_labels_are_left_out(make_data):
    data = make_data(sizes={2: (90, 90)})
    found = finding(check_lists(data, None, 256), '1 pictures have another size')
    assert (found.kind, found.file.name) == (LEFT_OUT, '2.png')
    assert '80x60 instead of 90x90' in found.text
    assert len(data) == 11


LABELS = {
    'no pixel inside': (LEFT_OUT, blob(x=500)),
    'fewer than three points': (LEFT_OUT, {'segmentation': [[1, 1, 5, 5]]}),
    'have a box but no mask': (LOOK, {'segmentation': [], 'bbox': [5, 5, 20, 20]}),
    'boxes are x, y, x, y': (LOOK, blob(bbox=[20, 10, 50, 40])),
    'do not fit their masks': (LOOK, blob(bbox=[1, 1, 5, 5])),
    'fewer than 16 pixels': (LOOK, blob(side=3)),
    'cover the whole picture': (LOOK, {'segmentation': [[0, 0, 80, 0, 80, 60, 0, 60]]}),
}


@pytest.mark.parametrize('text', LABELS)
def test_faults_of_labels_name_their_file_and_annotation(make_data, text):
    kind, bad = LABELS[text]
    data = make_data(labels={4: [blob(), bad]})
    found = finding(check_lists(data, None, 64), text)
    assert (found.kind, found.file.name, found.annotation) == (kind, '4.png', 5)
    assert found.text.startswith('1 ') and found.cure


def test_objects_labelled_twice_are_found(make_data):
    found = finding(check_lists(make_data(labels={2: [blob(), blob(x=20.6)]}), None, 256),
                    '1 objects are labelled twice')
    assert (found.file.name, found.annotation) == ('2.png', 3)


def test_masks_that_are_boxes_are_told(make_data):
    box = {'segmentation': [[10, 10, 40, 10, 40, 30, 10, 30]]}
    data = make_data(labels={number: [box] for number in range(1, 11)})
    assert finding(check_lists(data, None, 256), '10 of 12 masks are rectangles').kind == LOOK


def test_classes_of_which_there_is_too_little_are_named(make_data):
    train = make_data(categories=('cup', 'pen'))
    val = make_data(name='val', seed=1, count=2, categories=('cup', 'pen'))
    findings = check_lists(train, val, 256)
    assert 'pen 0' in finding(findings, '1 classes have fewer than 10 objects').text
    assert 'pen' in finding(findings, '1 classes are not among the pictures to measure on').text


def test_images_in_both_lists_are_found_by_their_look(make_data):
    train, val = make_data(), make_data(name='val', seed=1)
    image = cv2.imread(str(train.records[3].path))
    cv2.imwrite(str(val.records[6].path), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    found = finding(check_lists(train, val, 256), 'are (nearly) learnt')
    assert found.text.startswith('1 of 12 pictures') and '4.png' in found.text
    assert found.file == val.records[6].path


def test_images_that_look_alike_in_turn_are_one_series(make_data):
    data = make_data(count=6)
    rgb = cv2.imread(str(data.records[1].path))
    cv2.imwrite(str(data.records[4].path), rgb // 2)
    cv2.imwrite(str(data.records[5].path), rgb // 3)
    data.records[2].path.write_bytes(b'no picture')
    labels = find_series(data)
    assert labels[1] == labels[4] == labels[5]
    assert len(set(labels)) == 4


def test_the_same_image_twice_is_found(make_data):
    data = make_data()
    data.records[8].path.write_bytes(data.records[1].path.read_bytes())
    found = finding(check_lists(data, None, 256), '1 pairs of pictures')
    assert found.file == data.records[1].path


def test_a_wide_input_grows_as_a_whole(make_data):
    data = make_data(labels={number: [blob(side=8)] for number in range(1, 13)})
    sides = object_sides(data, (64, 96))
    # A triangle covers 8 columns of 80, which become 9.6 px, and 7 rows of 60.
    np.testing.assert_allclose(sides, 64 * 7 / 60)
    # 12 px of them want 1.607 times both sides: 102.9 and 154.3, rounded up to multiples of 32.
    assert needed_input(sides, (64, 96)) == (128, 160)
    found = finding(check_lists(data, None, (64, 96)), 'narrower than 8 px at input 64x96')
    assert 'input_size=128x160 (3.3 times' in found.cure


def test_objects_too_small_for_the_input_name_the_input_they_need(make_data):
    data = make_data(labels={number: [blob(side=8)] for number in range(1, 13)})
    sides = object_sides(data, 64)
    np.testing.assert_allclose(sides, 64 * 8 / 80)
    found = finding(check_lists(data, None, 64), '12 of 12 objects are narrower than 8 px')
    # 12 px of 8 px in 80: 120, rounded up to a multiple of 32.
    assert needed_input(sides, 64) == 128
    assert 'input_size=128 (4.0 times' in found.cure


def test_more_objects_than_are_kept_are_told(make_data):
    crowd = [blob(x=number % 50, y=number // 3, side=9) for number in range(101)]
    found = finding(check_lists(make_data(labels={7: crowd}), None, 256), 'more than 100 objects')
    assert found.file.name == '7.png'


def test_images_beside_the_listed_ones_are_counted(make_data):
    data = make_data()
    data.path.with_name('new.png').write_bytes(data.records[0].path.read_bytes())
    assert finding(check_lists(data, None, 256), '1 pictures lie beside').file.name == 'new.png'


def test_nothing_left_to_learn_is_an_error(make_data):
    data = make_data(count=2)
    for record in data.records:
        record.path.write_bytes(b'')
    assert finding(check_lists(data, None, 256), 'nothing is left').kind == ERROR


def test_images_are_read_once_until_they_change(make_data, monkeypatch):
    data = make_data(count=3)
    paths = [record.path for record in data.records]
    first = read_all_facts(paths, 'set')
    read = []

    def counted(path):
        read.append(path)
        return read_facts(path)

    monkeypatch.setattr(image_facts, 'read_facts', counted)
    assert read_all_facts(paths, 'set') == first and not read
    os.utime(paths[1], (1, 1))
    assert read_all_facts(paths, 'set') == first and read == [paths[1]]


def test_a_damaged_memory_costs_only_time(make_data, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    data = make_data(count=2)
    paths = [record.path for record in data.records]
    first = read_all_facts(paths, 'set')
    memory, = (tmp_path / 'cache/yolact_ros/checked').iterdir()
    for text in ('{', json.dumps({'version': 0, 'images': {}}), '[]'):
        memory.write_text(text)
        assert read_all_facts(paths, 'set') == first


@pytest.mark.parametrize('kind, strict, clean', [
    (ERROR, False, False), (LEFT_OUT, False, True), (LEFT_OUT, True, False), (LOOK, True, False),
    (NOTE, True, True)])
def test_strict_makes_findings_errors(kind, strict, clean):
    assert is_clean([Finding(kind, 'text')], strict) is clean
