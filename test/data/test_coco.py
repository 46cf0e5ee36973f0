"""COCO data sets: every format that exists, every fault that users make."""

import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle_codec

from yolact_ros.data.classes import parse_classes
from yolact_ros.data.coco import CocoDataset

HEIGHT, WIDTH = 20, 30
SQUARE = [[5, 5, 15, 5, 15, 15, 5, 15]]
MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
MASK[5:15, 5:15] = 1


def uncompressed(mask):
    """Return column-major run lengths, zeros first, counted one pixel at a time."""
    counts, value = [0], 0
    for pixel in mask.flatten('F'):
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {'size': list(mask.shape), 'counts': counts}


def compressed(mask):
    rle = rle_codec.encode(np.asfortranarray(mask))
    return {'size': list(mask.shape), 'counts': rle['counts'].decode()}


def annotation(**changes):
    entry = {'id': 1, 'image_id': 7, 'category_id': 3, 'iscrowd': 0, 'bbox': [5, 5, 10, 10],
             'segmentation': SQUARE}
    entry.update(changes)
    return {key: value for key, value in entry.items() if value is not None}


ONE = (annotation(),)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a data set and returns the path of its JSON."""
    def make(annotations=ONE, categories=((3, 'cup'), (9, 'pen')), images=((7, 'a'),),
             written=None):
        (tmp_path / 'images').mkdir(exist_ok=True)
        for _, name in images if written is None else written:
            cv2.imwrite(str(tmp_path / 'images' / f'{name}.png'),
                        np.full((HEIGHT, WIDTH, 3), (10, 20, 30), np.uint8))
        path = tmp_path / 'labels.json'
        path.write_text(json.dumps({
            'images': [{'id': number, 'file_name': f'{name}.png', 'height': HEIGHT,
                        'width': WIDTH} for number, name in images],
            'annotations': list(annotations),
            'categories': [{'id': number, 'name': name} for number, name in categories]}))
        return path
    return make


@pytest.mark.parametrize('segmentation', [SQUARE, SQUARE[0], uncompressed(MASK),
                                          compressed(MASK)],
                         ids=['polygons', 'one bare polygon', 'uncompressed RLE',
                              'compressed RLE'])
def test_every_mask_format_gives_the_same_sample(write, segmentation):
    dataset = CocoDataset(write([annotation(segmentation=segmentation)]))
    sample = dataset.sample(0)
    np.testing.assert_array_equal(sample.masks, MASK[None])
    np.testing.assert_array_equal(sample.boxes, [[5, 5, 15, 15]])
    assert sample.class_ids.tolist() == [0]
    assert sample.image[0, 0].tolist() == [30, 20, 10]  # RGB of the BGR that was written


def test_class_ids_follow_ascending_category_ids_with_gaps(write):
    dataset = CocoDataset(write([annotation(category_id=0), annotation(id=2, category_id=90)],
                                categories=((90, 'z'), (0, 'b'), (17, 'a'))))
    assert dataset.class_names == ('b', 'a', 'z')
    assert dataset.sample(0).class_ids.tolist() == [0, 2]


def test_wanted_classes_decide_the_class_ids(write):
    path = write([annotation(category_id=9)])
    dataset = CocoDataset(path, class_names=('pen', 'fork', 'cup'))
    assert dataset.sample(0).class_ids.tolist() == [0]


def test_crowds_are_read_but_not_counted(write):
    crowd = annotation(id=2, iscrowd=1, segmentation=uncompressed(MASK))
    dataset = CocoDataset(write([annotation(), crowd]))
    assert dataset.sample(0).crowd.tolist() == [False, True]
    assert (dataset.report.instances, dataset.report.crowds) == (1, 1)


def test_images_without_objects_are_kept_as_negatives(write):
    dataset = CocoDataset(write(images=((7, 'a'), (8, 'b'))))
    assert len(dataset) == 2
    assert len(dataset.sample(1)) == 0
    assert dataset.report.empty_images == 1


@pytest.mark.parametrize('bad, reason', [
    ({'segmentation': None, 'bbox': None}, 'no mask'),
    ({'segmentation': [], 'bbox': [100, 5, 10, 10]}, 'no mask'),
    ({'segmentation': [[1, 1, 5, 5]]}, 'fewer than three points'),
    ({'segmentation': [[1, 1, 5, 5, 9, 9, 3]]}, 'pairs of finite numbers'),
    ({'segmentation': [[100, 100, 120, 100, 120, 120]]}, 'no pixel inside'),
    ({'segmentation': {'size': [5, 5], 'counts': [25]}}, 'size of the RLE'),
    ({'segmentation': {'size': [HEIGHT, WIDTH], 'counts': [25]}}, 'do not add up'),
    ({'segmentation': 'square'}, 'neither polygons nor RLE'),
    ({'iscrowd': 'many'}, 'iscrowd'),
    ({'bbox': [5, 5, 0, 10]}, 'no area'),
    ({'bbox': [100, 5, 10, 10]}, 'outside the picture'),
    ({'bbox': [1, 2, float('nan'), 3]}, 'four finite numbers'),
    ({'image_id': 99}, 'not among the images')])
def test_what_cannot_be_learnt_is_left_out_and_reported(write, bad, reason):
    dataset = CocoDataset(write([annotation(), annotation(id=55, **bad)]))
    assert len(dataset.sample(0)) == 1
    assert any(reason in line and '55' in line for line in dataset.report.lines())


def test_a_box_that_reaches_outside_is_clipped_and_noted(write):
    dataset = CocoDataset(write([annotation(bbox=[-5, 5, 20, 50])]))
    np.testing.assert_array_equal(dataset.sample(0).boxes, [[0, 5, 15, HEIGHT]])
    assert any('clipped' in line for line in dataset.report.lines())


@pytest.mark.parametrize('nothing', [None, []])
def test_an_object_with_a_box_but_no_mask_is_an_ignored_region(write, nothing):
    dataset = CocoDataset(write([annotation(), annotation(id=55, segmentation=nothing,
                                                          bbox=[20, 2, 6, 8])]))
    sample = dataset.sample(0)
    assert sample.crowd.tolist() == [False, True]
    assert np.argwhere(sample.masks[1]).min(0).tolist() == [2, 20]
    assert sample.masks[1].sum() == 48
    assert any('no mask' in line and '55' in line for line in dataset.report.lines())


def test_an_object_that_is_written_twice_is_learnt_once_and_said(write):
    dataset = CocoDataset(write([annotation(), annotation(id=55)]))
    assert len(dataset.sample(0)) == 1
    assert any('second time' in line and '55' in line for line in dataset.report.lines())


SHARES = [[.1, .2, .6, .2, .6, .7]]


@pytest.mark.parametrize('changes, what', [
    ({'bbox': [0.1, 0.2, 0.5, 0.5], 'segmentation': SHARES}, 'boxes'),
    ({'bbox': None, 'segmentation': SHARES}, 'polygons'), ({'segmentation': SHARES}, 'polygons'),
    ({'bbox': None, 'segmentation': [[.1, .2], [.6, .2], [.6, .7]]}, 'polygons')],
    ids=['both', 'no boxes', 'boxes of pixels', 'points'])
def test_shares_instead_of_pixels_are_refused(write, changes, what):
    path = write([annotation(**changes), annotation(id=2, **changes)])
    with pytest.raises(ValueError, match=f'all {what} lie between 0 and 1.*shares of the picture'):
        CocoDataset(path)


def test_one_tiny_polygon_among_others_is_no_share(write):
    path = write([annotation(id=2, segmentation=SHARES), annotation()])
    assert len(CocoDataset(path).sample(0)) == 2


@pytest.mark.parametrize('iscrowd, crowd', [('0', False), ('1', True), (False, False),
                                            (1.0, True), ('False', False), ('TRUE', True)])
def test_text_says_whether_it_is_a_crowd(write, iscrowd, crowd):
    dataset = CocoDataset(write([annotation(), annotation(id=2, bbox=[5, 5, 9, 9],
                                                          iscrowd=iscrowd)]))
    assert dataset.sample(0).crowd.tolist() == [False, crowd]


def test_names_that_are_numbers_become_text(write):
    path = write(categories=((3, 1), (9, 22)))
    assert CocoDataset(path).class_names == ('1', '22')
    assert CocoDataset(path, class_names=('22', '1')).sample(0).class_ids.tolist() == [1]


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_every_encoding_of_json_is_read(write, encoding):
    path = write()
    path.write_text(path.read_text(), encoding=encoding)
    assert len(CocoDataset(path)) == 1


def test_names_with_the_separators_of_windows_are_found(write, tmp_path):
    path = write()
    path.write_text(path.read_text().replace('a.png', 'images\\\\a.png'))
    assert CocoDataset(path).sample(0).image.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize('size', [{}, {'height': None, 'width': None}, {'height': 0, 'width': 0}],
                         ids=['missing', 'null', 'zero'])
def test_a_size_that_is_not_told_is_the_images(write, size):
    path = write()
    content = json.loads(path.read_text())
    entry = content['images'][0]
    del entry['height'], entry['width']
    entry.update(size)
    path.write_text(json.dumps(content))
    np.testing.assert_array_equal(CocoDataset(path).sample(0).masks, MASK[None])


def test_without_a_box_the_mask_gives_it(write):
    dataset = CocoDataset(write([annotation(bbox=None)]))
    np.testing.assert_array_equal(dataset.sample(0).boxes, [[5, 5, 15, 15]])


@pytest.mark.parametrize('arguments, message', [
    ({'annotations': [annotation(category_id=4)]}, 'category_id 4.*3, 9'),
    ({'annotations': []}, 'no object that could be learnt'),
    ({'images': ()}, 'lists no images'),
    ({'images': ((7, 'a'), (7, 'b'))}, 'image id 7 exists twice'),
    ({'categories': ((3, 'cup'), (3, 'pen'))}, 'every category needs a id of its own'),
    ({'categories': ((3, 'cup'), (9, 'cup'))}, 'every category needs a name of its own'),
    ({'categories': ((3, 'cup'), (9, ''))}, 'every category needs a name of its own'),
    ({'categories': ()}, 'no categories')])
def test_a_broken_data_set_is_refused_with_the_reason(write, arguments, message):
    with pytest.raises(ValueError, match=message):
        CocoDataset(write(**arguments))


def test_classes_that_are_not_wanted_are_refused_by_name(write):
    with pytest.raises(ValueError, match='cup.*not among.*fork'):
        CocoDataset(write(), class_names=('fork',))


def test_missing_images_are_counted_and_named(write):
    with pytest.raises(FileNotFoundError, match=r'1 of 2 pictures.*b\.png'):
        CocoDataset(write(images=((7, 'a'), (8, 'b')), written=((7, 'a'),)))


@pytest.mark.parametrize('box, noted', [
    ([5, 5, 15, 15], 'x, y, x, y'), ([18, 2, 10, 10], 'do not fit their masks'),
    ([4, 4, 12, 13], '')], ids=['corners', 'elsewhere', 'loose'])
def test_a_box_is_compared_with_its_mask(write, box, noted):
    dataset = CocoDataset(write([annotation(bbox=box)]))
    lines = dataset.report.lines()
    assert any(noted in line and 'id 1' in line for line in lines) is bool(noted)
    wanted = [5, 5, 15, 15] if noted == 'x, y, x, y' else [
        box[0], box[1], box[0] + box[2], min(box[1] + box[3], HEIGHT)]
    np.testing.assert_array_equal(dataset.sample(0).boxes, [wanted])


def group(name, *members):
    """Return the categories of Roboflow: a group of id 0 and its members."""
    return [{'id': 0, 'name': name, 'supercategory': 'none'},
            *({'id': number, 'name': member, 'supercategory': name}
              for number, member in enumerate(members, start=1))]


@pytest.mark.parametrize('categories, names', [
    (group('cup', 'cup'), ('cup',)), (group('dishes', 'cup', 'pen'), ('cup', 'pen'))],
    ids=['of its own name', 'of two classes'])
def test_a_group_of_classes_is_no_class(write, categories, names):
    path = write([annotation(category_id=1)])
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, 'categories': categories}))
    dataset = CocoDataset(path)
    assert dataset.class_names == names
    assert any('group of classes' in line for line in dataset.report.lines())


@pytest.mark.parametrize('texts, names, class_ids', [
    (['pen'], ('pen',), [0]), (['pen', 'cup'], ('pen', 'cup'), [1, 0]),
    (['cup=mug'], ('mug',), [0]), (['cup=thing', 'pen=thing'], ('thing',), [0, 0])],
    ids=['a part', 'another order', 'another name', 'two become one'])
def test_chosen_classes_are_learnt_and_the_others_ignored(write, texts, names, class_ids):
    path = write([annotation(), annotation(id=2, category_id=9, bbox=[6, 6, 9, 9])])
    dataset = CocoDataset(path, class_names=parse_classes(texts))
    assert dataset.class_names == names
    assert dataset.sample(0).class_ids.tolist() == class_ids
    assert any('ignored' in line for line in dataset.report.lines()) is (len(class_ids) == 1)


def test_a_choice_of_classes_that_are_not_there_names_those_that_are(write):
    with pytest.raises(ValueError, match='none of the wanted classes cpu; it has cup, pen'):
        CocoDataset(write(), class_names=parse_classes(['cpu']))


@pytest.mark.parametrize('text', ['=cup', 'cup=', ''])
def test_a_choice_without_a_name_is_refused(text):
    with pytest.raises(ValueError, match='NAME or OLD=NEW'):
        parse_classes([text])


@pytest.mark.parametrize('name', [
    'C:\\Users\\me\\images\\a.png', '/home/me/set/images/a.png',
    '..\\..\\media\\upload\\a.png', 'images/train/a.png', 'https://host/images/a.png',
    '/data/local-files/?d=images/a.png', 'somewhere/a%2Epng'])
def test_images_are_found_by_names_of_other_machines(write, name):
    path = write()
    path.write_text(path.read_text().replace('a.png', name.replace('\\', '\\\\')))
    assert CocoDataset(path).sample(0).image.shape == (HEIGHT, WIDTH, 3)


def test_the_one_file_of_that_name_below_is_found(write, tmp_path):
    path = write()
    (tmp_path / 'deep/er').mkdir(parents=True)
    (tmp_path / 'images/a.png').rename(tmp_path / 'deep/er/a.png')
    assert CocoDataset(path).sample(0).image.shape == (HEIGHT, WIDTH, 3)


def test_two_files_of_that_name_below_are_not_chosen_between(write, tmp_path):
    path = write()
    for folder in ('one', 'two'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'a.png').write_bytes((tmp_path / 'images/a.png').read_bytes())
    (tmp_path / 'images/a.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 1 pictures.*--train-images'):
        CocoDataset(path)


def mark_unlabelled(path, categories):
    content = json.loads(path.read_text())
    content['images'][0]['not_exhaustive_category_ids'] = categories
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize('texts, unlabelled', [((), (1,)), (('pen', 'cup'), (0,)), (('cup',), ())])
def test_classes_that_an_image_is_not_labelled_for_are_known(write, texts, unlabelled):
    dataset = CocoDataset(mark_unlabelled(write(), [9]), class_names=parse_classes(texts))
    assert dataset.sample(0).unlabelled == unlabelled


def test_unlabelled_categories_that_are_no_list_are_refused(write):
    with pytest.raises(ValueError, match='not_exhaustive_category_ids of image 7 must be a list'):
        CocoDataset(mark_unlabelled(write(), 9))


@pytest.mark.parametrize('name, images, instances, crowds', [
    ('fruits_nuts', 14, 132, 0), ('coco_mini', 27, 250, 2), ('coco_person', 40, 40, 0)])
def test_real_data_sets_load(shared_data, name, images, instances, crowds):
    dataset = CocoDataset(shared_data / name / 'annotations' / 'instances_train.json')
    report = dataset.report
    assert (report.images, report.instances, report.crowds) == (images, instances, crowds)
    sample = dataset.sample(0)
    inside = [mask[int(y0):int(np.ceil(y1)) + 1, int(x0):int(np.ceil(x1)) + 1].sum()
              for mask, (x0, y0, x1, y1) in zip(sample.masks, sample.boxes)]
    np.testing.assert_allclose(inside, sample.masks.sum((1, 2)), rtol=0.01)
