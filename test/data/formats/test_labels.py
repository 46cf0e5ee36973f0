"""Labels of every tool are found by looking, and the same data is the same in every form."""

import base64
import json
import os
import shutil

import cv2
import numpy as np
import pytest
import yaml

from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.formats.labels import find_label_sets

HEIGHT, WIDTH = 40, 60
SQUARE = [10, 8, 30, 8, 30, 28, 10, 28]
PNG = base64.b64encode(cv2.imencode('.png', np.full((5, 7), 255, np.uint8))[1]).decode()


def write_image(path, height=HEIGHT, width=WIDTH):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def write_labelme(folder, shapes, name='a', **changes):
    """Write an image and its labelme file."""
    write_image(folder / f'{name}.png')
    content = {'version': '5.0.1', 'flags': {}, 'imagePath': f'{name}.png', 'imageData': None,
               'imageHeight': HEIGHT, 'imageWidth': WIDTH, 'shapes': shapes, **changes}
    (folder / f'{name}.json').write_text(json.dumps(content))


def shape(points=SQUARE, label='cup', kind='polygon', group=None, **more):
    return {'label': label, 'points': np.reshape(points, (-1, 2)).tolist(), 'shape_type': kind,
            'group_id': group, 'flags': {}, **more}


def masks_of(folder, split='train'):
    return CocoDataset(folder, split=split).sample(0).masks


def square(x0, y0, x1, y1):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


# labelme

def test_the_shapes_of_labelme_become_objects(tmp_path):
    write_labelme(tmp_path, [
        shape(), shape([30, 28, 10, 8], 'pen', 'rectangle'),
        shape([20, 20, 26, 20], 'pen', 'circle'),
        shape([2, 3, 8, 7], 'pen', 'mask', mask=PNG)])
    sample = CocoDataset(tmp_path).sample(0)
    assert sample.class_ids.tolist() == [0, 1, 1, 1]
    np.testing.assert_array_equal(sample.masks[0], square(10, 8, 30, 28))
    np.testing.assert_array_equal(sample.masks[1], square(10, 8, 30, 28))
    assert abs(int(sample.masks[2].sum()) - np.pi * 36) < 12  # a ring of pixels is half in
    np.testing.assert_array_equal(sample.masks[3], square(2, 3, 9, 8))


def test_shapes_of_one_group_are_one_object(tmp_path):
    write_labelme(tmp_path, [shape([0, 0, 5, 0, 5, 5, 0, 5], group=1),
                             shape([20, 20, 30, 20, 30, 30, 20, 30], group=1),
                             shape([40, 0, 50, 0, 50, 9, 40, 9], group=2)])
    masks = masks_of(tmp_path)
    assert len(masks) == 2
    np.testing.assert_array_equal(masks[0], square(0, 0, 5, 5) | square(20, 20, 30, 30))


def test_points_and_lines_are_left_out_with_their_file(tmp_path):
    write_labelme(tmp_path, [shape(), shape([3, 3], kind='point'),
                             shape([3, 3, 9, 9], kind='line'), shape([1, 2, 3, 4])])
    dataset = CocoDataset(tmp_path)
    lines = dataset.report.lines()
    assert len(dataset.sample(0)) == 1
    assert any('type point' in line and 'a.json#1' in line for line in lines)
    assert any('fewer than three points' in line and 'a.json#3' in line for line in lines)


def test_photos_without_a_labelme_file_are_no_photos_without_objects(tmp_path):
    write_labelme(tmp_path, [shape()])
    write_image(tmp_path / 'new.png')
    dataset = CocoDataset(tmp_path)
    assert len(dataset) == 1
    assert any('1 pictures have no labelme file' in line and 'new.png' in line
               for line in dataset.report.lines())


def test_rectangles_among_outlines_are_told(tmp_path):
    write_labelme(tmp_path, [shape(), shape([30, 28, 10, 8], 'pen', 'rectangle')])
    assert any('1 shapes are rectangles and are learnt as such' in line
               for line in CocoDataset(tmp_path).report.lines())
    boxes = tmp_path / 'boxes'
    write_labelme(boxes, [shape([30, 28, 10, 8], 'pen', 'rectangle')])
    assert not any('shapes are rectangles' in line for line in CocoDataset(boxes).report.lines())


def test_a_photo_that_is_in_its_file_alone_is_told_with_the_cure(tmp_path):
    write_labelme(tmp_path, [shape()], imageData='/9j/')
    (tmp_path / 'a.png').unlink()
    with pytest.raises(FileNotFoundError, match='put it there .imageData in the file is a copy'):
        CocoDataset(tmp_path)


def test_one_file_of_labelme_is_told_to_be_that(tmp_path):
    write_labelme(tmp_path, [shape()])
    with pytest.raises(ValueError, match='it looks like labelme: give its folder'):
        CocoDataset(tmp_path / 'a.json')


def test_labels_that_are_nowhere_are_told_in_all_their_forms(tmp_path):
    with pytest.raises(FileNotFoundError, match='lables not found; give a COCO JSON, data.yaml of '
                                                'YOLO, or a folder'):
        CocoDataset(tmp_path / 'lables')


def test_the_name_of_the_photo_may_be_of_another_machine(tmp_path):
    write_labelme(tmp_path, [shape()], imagePath='..\\photos\\a.png')
    assert len(CocoDataset(tmp_path)) == 1


@pytest.mark.parametrize('label', [None, '', [], {}])
def test_a_shape_without_a_label_is_no_class(tmp_path, label):
    write_labelme(tmp_path, [shape(), shape(label=label)])
    dataset = CocoDataset(tmp_path)
    assert dataset.class_names == ('cup',) and len(dataset.sample(0)) == 1
    assert any('no label' in line and 'a.json#1' in line for line in dataset.report.lines())


@pytest.mark.parametrize('changes, reason', [
    ({'points': None}, 'finite numbers'), ({'points': [[10 ** 400, 1], [2, 2], [3, 4]]}, 'finite'),
    ({'shape_type': 'mask', 'mask': 'AAAA', 'points': [[1, 1]]}, 'no PNG'),
    ({'shape_type': 'mask', 'mask': None}, 'no PNG'),
    ({'shape_type': 'mask', 'mask': PNG, 'points': [[1e300, 1]]}, 'no pixel inside')])
def test_damaged_shapes_are_left_out_with_the_reason(tmp_path, changes, reason):
    write_labelme(tmp_path, [shape(), {**shape(), **changes}])
    dataset = CocoDataset(tmp_path)
    assert len(dataset.sample(0)) == 1
    assert any(reason in line and 'a.json#1' in line for line in dataset.report.lines())


def test_a_mask_whose_chunk_asks_for_gigabytes_is_left_out_before_memory_is_taken(tmp_path, capfd):
    png = bytearray(base64.b64decode(PNG))
    start = png.index(b'IDAT')
    png[start - 4:start] = (0x7fffffff).to_bytes(4, 'big')
    damaged = shape([2, 3, 8, 7], 'pen', 'mask', mask=base64.b64encode(png).decode())
    write_labelme(tmp_path, [shape(), damaged])
    assert any('no PNG' in line for line in CocoDataset(tmp_path).report.lines())
    assert capfd.readouterr().err == ''  # where OpenCV would have complained


@pytest.mark.parametrize('group', [[], {}, [1]])
def test_groups_of_any_kind_are_groups(tmp_path, group):
    write_labelme(tmp_path, [shape([0, 0, 5, 0, 5, 5, 0, 5], group=group),
                             shape([20, 20, 30, 20, 30, 30, 20, 30], group=group)])
    assert len(masks_of(tmp_path)) == 1


def test_a_photo_of_a_train_is_in_no_split(tmp_path):
    write_labelme(tmp_path, [shape()], 'train_station')
    assert list(find_label_sets(tmp_path)) == ['']


# YOLO

def write_yolo(folder, rows, **changes):
    """Write a data file, an image for each split, and rows of labels."""
    for split in ('train', 'val'):
        write_image(folder / 'images' / split / 'a.png')
        labels = folder / 'labels' / split / 'a.txt'
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text('\n'.join(rows))
    data = {'path': '.', 'train': 'images/train', 'val': 'images/val', 'names': ['cup', 'pen'],
            **changes}
    (folder / 'data.yaml').write_text(yaml.safe_dump(data))
    return folder


def row(points, class_id=0):
    shares = (np.reshape(points, (-1, 2)) / (WIDTH, HEIGHT)).ravel()
    return ' '.join([str(class_id), *(f'{share:.6f}' for share in shares)])


@pytest.mark.parametrize('changes', [
    {}, {'names': {0: 'cup', 1: 'pen'}}, {'names': {'1': 'pen', '0': 'cup'}},
    {'path': '/home/other/data'},
    {'path': None, 'train': '../images/train'}, {'train': ['images/train']}],
    ids=['plain', 'names by number', 'numbers as text', 'path of another machine',
         'one .. too many', 'a list'])
def test_a_yolo_folder_is_read_by_its_data_file(tmp_path, changes):
    folder = write_yolo(tmp_path, [row(SQUARE, 1)], **changes)
    dataset = CocoDataset(folder)
    assert dataset.class_names == ('cup', 'pen')
    assert dataset.sample(0).class_ids.tolist() == [1]
    np.testing.assert_array_equal(dataset.sample(0).masks[0], square(10, 8, 30, 28))
    np.testing.assert_array_equal(masks_of(folder / 'data.yaml', 'val')[0], square(10, 8, 30, 28))


@pytest.mark.parametrize('names', [
    {7: 'cup', 12: 'pen'}, {'7': 'cup', '12': 'pen'}], ids=['numbers', 'text'])
def test_classes_of_yolo_are_known_by_their_number(tmp_path, names):
    dataset = CocoDataset(write_yolo(tmp_path, [row(SQUARE, 12)], names=names))
    assert dataset.class_names == ('cup', 'pen')
    assert dataset.sample(0).class_ids.tolist() == [1]


def test_names_of_classes_are_text_whatever_yaml_takes_them_for(tmp_path):
    folder = write_yolo(tmp_path, [row(SQUARE)])
    (folder / 'data.yaml').write_text('train: images/train\nnames: [no, on, 1.50, 2024-01-01]\n')
    assert CocoDataset(folder).class_names == ('no', 'on', '1.50', '2024-01-01')


@pytest.mark.parametrize('names', [
    {'x': 'cup', 0: 'pen'}, {-1: 'cup'}, [None, 'pen'], ['', 'pen'], [['cup']]])
def test_names_of_yolo_that_are_none_are_refused_with_the_entry(tmp_path, names):
    with pytest.raises(ValueError, match='data.yaml: names wants the name of every class'):
        CocoDataset(write_yolo(tmp_path, [row(SQUARE)], names=names))


@pytest.mark.parametrize('file', ['data.yaml', 'labels/train/a.txt'])
@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_every_encoding_of_yolo_is_read(tmp_path, file, encoding):
    folder = write_yolo(tmp_path, [row(SQUARE)])
    (folder / file).write_text((folder / file).read_text(), encoding=encoding)
    np.testing.assert_array_equal(masks_of(folder)[0], square(10, 8, 30, 28))


@pytest.mark.parametrize('file', ['data.yaml', 'labels/train/a.txt'])
def test_an_older_encoding_of_yolo_is_named(tmp_path, file):
    folder = write_yolo(tmp_path, [row(SQUARE)])
    (folder / file).write_bytes((folder / file).read_bytes() + b'# \xdf')
    with pytest.raises(ValueError, match=f'{file} is no text in UTF-8'):
        CocoDataset(folder)


def test_how_sure_a_network_was_is_no_coordinate(tmp_path):
    folder = write_yolo(tmp_path, [row(SQUARE) + ' 0.91', '0 0.5 0.5 0.2 0.25 0.87'])
    sample = CocoDataset(folder).sample(0)
    np.testing.assert_array_equal(sample.masks[0], square(10, 8, 30, 28))
    np.testing.assert_array_equal(sample.masks[1], square(24, 15, 36, 25))


def test_a_yolo_box_without_outline_is_an_ignored_region(tmp_path):
    dataset = CocoDataset(write_yolo(tmp_path, [row(SQUARE), '0 0.5 0.5 0.2 0.25']))
    sample = dataset.sample(0)
    assert sample.crowd.tolist() == [False, True]
    np.testing.assert_array_equal(sample.masks[1], square(24, 15, 36, 25))


@pytest.mark.parametrize('bad, reason', [
    ('0 a b', 'not numbers'), ('7 .1 .1 .2 .2 .3 .3', 'no class from 0 to 1'),
    ('0 10 10 20 10 20 30', 'not shares'), ('0 .1 .1 .2', 'fewer than three'),
    ('0 nan .1 .2 .2 .3 .3', 'not shares'), ('nan .1 .1 .2 .2 .3 .3', 'no class'),
    ('inf .1 .1 .2 .2 .3 .3', 'no class')])
def test_rows_that_are_no_objects_are_left_out_with_their_line(tmp_path, bad, reason):
    report = CocoDataset(write_yolo(tmp_path, [row(SQUARE), bad])).report
    assert any(reason in line and 'a.txt:2' in line for line in report.lines())


def test_photos_without_a_text_file_have_no_objects(tmp_path):
    folder = write_yolo(tmp_path, [row(SQUARE)])
    write_image(folder / 'images/train/b.png')
    dataset = CocoDataset(folder)
    assert [len(dataset.sample(index)) for index in range(2)] == [1, 0]


def test_a_missing_folder_is_named(tmp_path):
    folder = write_yolo(tmp_path, [row(SQUARE)], train='pictures/train')
    with pytest.raises(FileNotFoundError, match='data.yaml names pictures/train'):
        CocoDataset(folder)


# Pascal VOC

def write_voc(root, palette, splits=(), labelmap=''):
    """Write two objects of classes 2 and 7, with a ring of void; palette maps index to BGR."""
    objects = np.zeros((HEIGHT, WIDTH), np.uint8)
    objects[8:28, 10:30], objects[8:28, 40:50], objects[8:28, 30:32] = 1, 2, 255
    classes = np.select([objects == 1, objects == 2, objects == 255], [2, 7, 255])
    write_image(root / 'JPEGImages/a.png')
    for name, index in (('SegmentationObject', objects), ('SegmentationClass', classes)):
        (root / name).mkdir()
        cv2.imwrite(str(root / name / 'a.png'), palette(index.astype(np.uint8)))
    for split in splits:
        path = root / 'ImageSets/Segmentation' / f'{split}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('a\n')
    if labelmap:
        (root / 'labelmap.txt').write_text(labelmap)


# The first entries of Pascal VOC's palette, R G B, and the colour of void.
PALETTE = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 7: (128, 128, 128), 255: (224, 224, 192)}


def coloured(index):
    image = np.zeros((*index.shape, 3), np.uint8)
    for value, (red, green, blue) in PALETTE.items():
        image[index == value] = blue, green, red
    return image


@pytest.mark.parametrize('palette', [coloured, lambda index: index], ids=['colours', 'indices'])
def test_masks_of_pascal_voc_become_objects(tmp_path, palette):
    write_voc(tmp_path / 'VOC2012', palette, ['train', 'val'])
    assert set(find_label_sets(tmp_path)) == {'train', 'val'}
    dataset = CocoDataset(tmp_path)
    sample = dataset.sample(0)
    found = {dataset.class_names[number]: mask
             for number, mask in zip(sample.class_ids, sample.masks)}
    np.testing.assert_array_equal(found['bicycle'], square(10, 8, 30, 28))
    np.testing.assert_array_equal(found['car'], square(40, 8, 50, 28))


def test_classes_of_pascal_voc_masks_come_from_the_labelmap(tmp_path):
    write_voc(tmp_path, coloured, labelmap='# label:color_rgb:parts:actions\nbackground:0,0,0::\n'
              'pen:128,128,128::\ncup:0,128,0::\n')
    dataset = CocoDataset(tmp_path)
    assert dataset.class_names == ('pen', 'cup')
    sample = dataset.sample(0)
    cup = sample.masks[sample.class_ids.tolist().index(1)]
    np.testing.assert_array_equal(cup, square(10, 8, 30, 28))


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_every_encoding_of_the_lists_of_pascal_voc_is_read(tmp_path, encoding):
    write_voc(tmp_path, coloured, ['train'], 'pen:128,128,128::\ncup:0,128,0::\n')
    for name in ('labelmap.txt', 'ImageSets/Segmentation/train.txt'):
        (tmp_path / name).write_text((tmp_path / name).read_text(), encoding=encoding)
    assert set(find_label_sets(tmp_path)) == {'train'}
    assert CocoDataset(tmp_path).class_names == ('pen', 'cup')


def test_a_colour_that_is_none_is_named(tmp_path):
    write_voc(tmp_path, coloured, labelmap='cup:0,green,0::\n')
    with pytest.raises(ValueError, match='labelmap.txt: a colour is three numbers.*green'):
        CocoDataset(tmp_path)


@pytest.mark.parametrize('damage', [
    lambda data: data[:-20], lambda data: data.replace(b'\0\0\0\rIHDR', b'\x70\0\0\rIHDR'),
    lambda data: cv2.imencode('.png', np.full((HEIGHT, WIDTH), 300, np.uint16))[1].tobytes()],
    ids=['cut off', 'a chunk of gigabytes', '16 bits'])
def test_damaged_masks_of_pascal_voc_are_named(tmp_path, damage):
    write_voc(tmp_path, lambda index: index)
    path = tmp_path / 'SegmentationObject/a.png'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match='mask .*SegmentationObject/a.png cannot be read'):
        CocoDataset(tmp_path)


# COCO folders

def coco(images, annotations=None, categories=('cup',)):
    return {'images': [{'id': number, 'file_name': name, 'height': HEIGHT, 'width': WIDTH}
                       for number, name in enumerate(images, start=1)],
            'categories': [{'id': number, 'name': name}
                           for number, name in enumerate(categories, start=1)],
            'annotations': annotations or [{'id': 1, 'image_id': 1, 'category_id': 1, 'iscrowd': 0,
                                            'segmentation': [SQUARE]}]}


@pytest.mark.parametrize('files, splits', [
    (['train/_annotations.coco.json', 'valid/_annotations.coco.json'], {'train', 'val'}),
    (['annotations/instances_train2017.json'], {''}),
    (['annotations/instances_default.json'], {''}), (['result.json'], {''})],
    ids=['Roboflow', 'a year in the name', 'CVAT', 'Label Studio'])
def test_coco_folders_of_tools_are_found(tmp_path, files, splits):
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path.parent / 'a.png')
        path.write_text(json.dumps(coco(['a.png'])))
    assert set(find_label_sets(tmp_path)) == splits
    np.testing.assert_array_equal(masks_of(tmp_path)[0], square(10, 8, 30, 28))


def test_several_coco_files_are_not_chosen_between(tmp_path):
    for name in ('one.json', 'two.json'):
        (tmp_path / name).write_text(json.dumps(coco(['a.png'])))
    with pytest.raises(ValueError, match='several COCO files, one.json and two.json'):
        find_label_sets(tmp_path)


def test_a_folder_of_nothing_says_what_was_looked_for(tmp_path):
    with pytest.raises(ValueError, match='no labels found.*labelme.*data.yaml.*SegmentationO'):
        CocoDataset(tmp_path)


@pytest.mark.parametrize('name', ['data.yaml', 'a.json', 'images/a.png'])
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path, name):
    (tmp_path / 'images').mkdir()
    os.mkfifo(tmp_path / name)
    write_labelme(tmp_path / 'set', [shape()])
    assert len(CocoDataset(tmp_path)) == 1


# The same photos three times

def write_blobs(folder, photos=14):
    """Write photos of noise with uneven outlines of three classes; return their COCO file."""
    rng = np.random.default_rng(0)
    height, width = 120, 160
    content = coco([f'{number:02}.png' for number in range(photos)],
                   categories=('date', 'fig', 'nut'))
    content['annotations'] = []
    (folder / 'images').mkdir(parents=True)
    for image in content['images']:
        image.update(height=height, width=width)
        cv2.imwrite(str(folder / 'images' / image['file_name']),
                    rng.integers(0, 255, (height, width, 3), np.uint8))
        for _ in range(rng.integers(2, 6)):
            angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
            ring = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(12, 30, (12, 1))
            ring = (ring + rng.uniform(31, (width - 31, height - 31))).round(2)
            extent = np.ptp(ring, axis=0)
            content['annotations'].append({
                'id': len(content['annotations']) + 1, 'image_id': image['id'],
                'category_id': int(rng.integers(1, 4)), 'iscrowd': 0,
                'bbox': [*ring.min(0).tolist(), *extent.tolist()],
                'area': float(extent.prod()) / 2, 'segmentation': [ring.ravel().tolist()]})
    (folder / 'labels.json').write_text(json.dumps(content))
    return folder / 'labels.json'


def as_labelme(content, images, folder):
    """Write a COCO content as a labelme folder."""
    names = {entry['id']: entry['name'] for entry in content['categories']}
    for image in content['images']:
        shutil.copy(images / image['file_name'], folder)
        stem = image['file_name'].rsplit('.', 1)[0]
        shapes = []
        for number, item in enumerate(content['annotations']):
            if item['image_id'] == image['id']:
                shapes += [shape(polygon, names[item['category_id']], group=number)
                           for polygon in item['segmentation']]
        (folder / f'{stem}.json').write_text(json.dumps({
            'shapes': shapes, 'imagePath': f'..\\{image["file_name"]}', 'imageData': None,
            'imageHeight': image['height'], 'imageWidth': image['width']}))


def as_yolo(content, images, folder):
    """Write a COCO content of one polygon an object as a YOLO data set."""
    ids = sorted(entry['id'] for entry in content['categories'])
    names = {entry['id']: entry['name'] for entry in content['categories']}
    for place in ('train/images', 'train/labels'):
        (folder / place).mkdir(parents=True)
    for image in content['images']:
        shutil.copy(images / image['file_name'], folder / 'train/images')
        extent = np.array([image['width'], image['height']])
        rows = [' '.join(map(str, [ids.index(item['category_id']),
                                   *(np.reshape(item['segmentation'][0], (-1, 2))
                                     / extent).ravel().round(6)]))
                for item in content['annotations'] if item['image_id'] == image['id']]
        stem = image['file_name'].rsplit('.', 1)[0]
        (folder / 'train/labels' / f'{stem}.txt').write_text('\n'.join(rows))
    (folder / 'data.yaml').write_text(yaml.safe_dump(
        {'train': '../train/images', 'nc': len(ids), 'names': [names[key] for key in ids]}))


def as_quirky_coco(content, images, folder):
    """Write a COCO content with what tools do to it."""
    (folder / 'images').mkdir()
    quirky = json.loads(json.dumps(content))
    for image in quirky['images']:
        shutil.copy(images / image['file_name'], folder / 'images')
        image['file_name'] = f'C:\\photos\\{image["file_name"]}'
    quirky['images'][0]['height'] = None
    for number, item in enumerate(quirky['annotations']):
        x, y, width, height = item['bbox']
        item['iscrowd'] = '0'
        if number % 3 == 0:
            item['segmentation'] = [np.reshape(item['segmentation'][0], (-1, 2)).tolist()]
        if number % 3 == 1:
            item['bbox'], item['area'] = [x, y, x + width, y + height], None
    quirky['annotations'].append(quirky['annotations'][0])
    quirky['categories'].append({'id': 0, 'name': 'food', 'supercategory': 'none'})
    for entry in quirky['categories'][:-1]:
        entry['supercategory'] = 'food'
    (folder / 'result.json').write_text(json.dumps(quirky), encoding='utf-8-sig')


@pytest.mark.parametrize('write', [as_labelme, as_yolo, as_quirky_coco],
                         ids=['labelme', 'YOLO', 'COCO with quirks'])
def test_the_same_photos_in_another_form_are_the_same_samples(tmp_path, write):
    path, folder = write_blobs(tmp_path / 'plain'), tmp_path / 'other'
    folder.mkdir()
    write(json.loads(path.read_text()), path.parent / 'images', folder)
    plain, other = CocoDataset(path), CocoDataset(folder)
    assert other.class_names == plain.class_names
    samples = {dataset: sorted((dataset.sample(index) for index in range(len(dataset))),
                               key=lambda sample: sample.name.rsplit('/', 1)[-1])
               for dataset in (plain, other)}
    assert len(samples[other]) == 14 and plain.report.instances > 28
    for wanted, found in zip(samples[plain], samples[other], strict=True):
        np.testing.assert_array_equal(found.image, wanted.image)
        assert found.class_ids.tolist() == wanted.class_ids.tolist()
        for one, two in zip(wanted.masks, found.masks, strict=True):
            # Within a pixel: neither reaches beyond the other one grown by it.
            assert not np.any(one & ~cv2.dilate(two, np.ones((3, 3))).astype(np.uint8) & 1)
            assert not np.any(two & ~cv2.dilate(one, np.ones((3, 3))).astype(np.uint8) & 1)
