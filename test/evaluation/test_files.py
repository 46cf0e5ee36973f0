"""Evaluation from files: data sets, result files, and the published models' own output."""

import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle_codec

from yolact_ros.data.classes import parse_classes
from yolact_ros.evaluation.confusion import confusion
from yolact_ros.evaluation.detections import Detection, read_results, write_results
from yolact_ros.evaluation.evaluate import evaluate_detections, evaluate_predictor
from yolact_ros.evaluation.ground_truth import image_hash, read_truth
from yolact_ros.structures import ImageSize, Instances

SIDE = 100


class Oracle:
    """Stands in for a predictor: finds a square of the class that the first pixel names."""

    class_names = ('cat', 'dog')

    def predict(self, rgb):
        one = np.ones(1, np.float32)
        box = np.array([[10, 10, 40, 40]], np.float32)
        return Instances(ImageSize(SIDE, SIDE), box, 0.8 * one, np.nan * one, 0.8 * one,
                         np.array([rgb[0, 0, 0]], np.int64), box.astype(np.int32),
                         (np.ones((30, 30), bool),))


@pytest.fixture(scope='module')
def expected(request):
    folder = request.getfixturevalue('shared_data') / 'yolact_dets'
    content = json.loads((folder / 'expected_pycocotools.json').read_text())
    return folder, content['results']


@pytest.mark.parametrize('name', ['yolact_base/full', 'yolact_resnet50/full',
                                  'yolact_base/person_only', 'yolact_resnet50/person_only'])
def test_ap_of_the_published_models_equals_pycocotools(name, expected):
    folder, results = expected
    model, kind = name.split('/')
    truth = read_truth(folder / f'gt_{kind}.json')
    content = read_results(folder / 'dets' / f'{model}.json', truth)
    truth = truth.subset([key for key in truth.sizes if key in content.image_ids])
    result = evaluate_detections(truth, content.detections)
    assert len(result.detections) == results[name]['detections']
    # The reference is written with six digits.
    assert result.box.values == pytest.approx(results[name]['bbox'], abs=1e-6)
    assert result.mask.values == pytest.approx(results[name]['segm'], abs=1e-6)


@pytest.fixture
def dataset(tmp_path):
    """Return a COCO file of two images, one cat and one dog, next to its images."""
    (tmp_path / 'images').mkdir()
    for value, name in enumerate(('a.png', 'b.png')):
        cv2.imwrite(str(tmp_path / 'images' / name), np.full((SIDE, SIDE, 3), value, np.uint8))
    square = [[10, 10, 40, 10, 40, 40, 10, 40]]
    content = {
        'images': [{'id': key, 'file_name': name, 'width': SIDE, 'height': SIDE}
                   for key, name in ((3, 'a.png'), (8, 'b.png'))],
        'categories': [{'id': 17, 'name': 'cat'}, {'id': 20, 'name': 'dog'}],
        'annotations': [{'id': 0, 'image_id': 3, 'category_id': 17, 'bbox': [10, 10, 30, 30],
                         'area': 900, 'iscrowd': 0, 'segmentation': square},
                        {'id': 1, 'image_id': 8, 'category_id': 20, 'bbox': [10, 10, 30, 30],
                         'area': 900, 'iscrowd': 0, 'segmentation': square}]}
    path = tmp_path / 'coco.json'
    path.write_text(json.dumps(content))
    return path


def changed(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_a_model_is_evaluated_on_a_coco_data_set_whatever_its_ids(dataset):
    result = evaluate_predictor(Oracle(), dataset)
    assert (result.box.values['AP'], result.mask_ap) == pytest.approx((1, 1))
    assert len(evaluate_predictor(Oracle(), dataset, max_images=1).truth.sizes) == 1


def test_a_model_may_know_more_classes_than_the_data(dataset):
    class Wider(Oracle):
        class_names = ('cat', 'dog', 'cow')

    assert evaluate_predictor(Wider(), dataset).mask_ap == pytest.approx(1)


def test_classes_that_the_model_does_not_know_are_named(dataset):
    class Other(Oracle):
        class_names = ('cat', 'cow')

    with pytest.raises(ValueError, match='does not know dog.*cat, cow'):
        evaluate_predictor(Other(), dataset)


def test_a_missing_image_is_named(dataset):
    (dataset.parent / 'images' / 'b.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 2 pictures .*b.png'):
        evaluate_predictor(Oracle(), dataset)


def test_annotations_without_a_mask_are_left_out_and_said_so(dataset):
    changed(dataset, lambda content: content['annotations'][0].update(segmentation='damaged'))
    truth = read_truth(dataset)
    assert [item.class_id for item in truth.objects] == [1]
    assert 'left out 1 annotations' in truth.notes[0]


def test_an_object_with_a_box_but_no_mask_excuses_what_is_found_in_it(dataset):
    changed(dataset, lambda content: content['annotations'][0].update(segmentation=[]))
    truth = read_truth(dataset)
    assert [item.crowd for item in truth.objects] == [True, False]
    result = evaluate_predictor(Oracle(), dataset)
    assert (result.box.values['AP'], result.mask_ap) == pytest.approx((1, 1))


def test_classes_that_a_file_says_are_not_all_labelled_excuse_what_is_found(dataset):
    # The oracle finds what the cat's image holds; nobody labelled it there.
    changed(dataset, lambda content: content['annotations'].pop(0))
    assert evaluate_predictor(Oracle(), dataset).to_json().get('notes') is None
    changed(dataset, lambda content: content['images'][0].update(
        not_exhaustive_category_ids=[17]))
    truth = read_truth(dataset)
    assert truth.unlabelled == {3: (0,)}
    assert '1 pictures are not labelled for every class' in truth.notes[0]
    result = evaluate_predictor(Oracle(), dataset)
    assert (result.box.values['AP'], result.mask_ap) == pytest.approx((1, 1))
    assert [errors.false_alarms for errors in confusion(truth, result.detections).images] == [0, 0]


def test_a_size_that_is_not_told_is_the_images(dataset):
    changed(dataset, lambda content: content['images'][0].pop('height'))
    assert read_truth(dataset).sizes[3] == ImageSize(SIDE, SIDE)


def test_without_size_and_image_the_entry_is_named(dataset):
    changed(dataset, lambda content: content['images'][0].pop('height'))
    (dataset.parent / 'images' / 'a.png').unlink()
    with pytest.raises(ValueError, match=r'image 3 \(a\.png\) has no size, got height None'):
        read_truth(dataset)


def test_results_with_polygons_are_read(dataset, tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps([{'image_id': 3, 'category_id': 17, 'score': 0.5,
                                 'segmentation': [[10, 10, 40, 10, 40, 40, 10, 40]]}]))
    detection, = read_results(path, read_truth(dataset)).detections
    assert rle_codec.area(detection.rle) == 900


def test_names_in_results_win_over_numbers_that_somebody_else_counted(dataset, tmp_path):
    path = tmp_path / 'results.json'
    entry = {'image_id': 1, 'category_id': 1, 'score': 0.5, 'bbox': [10, 10, 30, 30]}
    path.write_text(json.dumps([
        {**entry, 'file_name': 'b.png', 'category_name': 'dog'},
        {**entry, 'image_id': 3, 'file_name': 'z.png', 'category_name': 'dog'},
        {**entry, 'file_name': 'a.png', 'category_id': 17, 'category_name': 'cow'}]))
    results = read_results(path, read_truth(dataset))
    assert [(item.image_id, item.class_id) for item in results.detections] == [(8, 1)]
    assert '1 pictures' in results.notes[0] and '1 classes' in results.notes[1]


@pytest.mark.parametrize('change, message', [
    (lambda content: content.update(categories=[]), 'no categories'),
    (lambda content: content.update(images=[]), 'lists no images'),
    (lambda content: content['annotations'][1].update(category_id=5), 'category_id 5'),
    (lambda content: content['categories'][1].update(id=17), 'id of its own')])
def test_a_broken_annotation_file_is_refused(dataset, change, message):
    with pytest.raises(ValueError, match=message):
        read_truth(changed(dataset, change))


def test_results_survive_writing_and_reading(dataset, tmp_path):
    truth = read_truth(dataset)
    mask = np.zeros((SIDE, SIDE), np.uint8, 'F')
    mask[10:40, 10:40] = 1
    detections = [Detection(3, 0, 0.75, 0.5, (10.0, 10.0, 30.0, 30.0), rle_codec.encode(mask))]
    write_results(tmp_path / 'results.json', detections, truth)
    again = read_results(tmp_path / 'results.json', truth)
    assert again.detections[0].bbox == (10, 10, 30, 30)
    assert (again.detections[0].score, again.detections[0].mask_score) == (0.75, 0.5)
    assert rle_codec.decode(again.detections[0].rle).sum() == 900
    assert not again.notes


def test_boxes_alone_give_only_box_ap(dataset, tmp_path):
    path = tmp_path / 'boxes.json'
    path.write_text(json.dumps([{'image_id': 3, 'category_id': 17, 'score': 0.5,
                                 'bbox': [10, 10, 30, 30]}]))
    truth = read_truth(dataset)
    result = evaluate_detections(truth, read_results(path, truth).detections)
    assert result.box.values['AP'] == pytest.approx(0.5)
    assert result.mask is None


def test_detections_that_the_truth_cannot_judge_are_left_out_and_said_so(dataset, tmp_path):
    path = tmp_path / 'results.json'
    entry = {'image_id': 3, 'category_id': 17, 'score': 0.5, 'bbox': [10, 10, 30, 30]}
    path.write_text(json.dumps([entry, {**entry, 'image_id': 99}, {**entry, 'category_id': 1}]))
    results = read_results(path, read_truth(dataset))
    assert len(results.detections) == 1
    assert '1 pictures' in results.notes[0] and '1 classes' in results.notes[1]


@pytest.mark.parametrize('content, message', [
    ('[{"image_id": 3,', 'not valid JSON'), ('{"a": 1}', 'neither'),
    ('[{"image_id": 99, "category_id": 17, "score": 1, "bbox": [0, 0, 1, 1]}]', 'in common'),
    ('[{"image_id": 3, "category_id": 17, "score": 1}]', 'a bbox or a segmentation'),
    ('[{"image_id": 3, "category_id": 17, "score": 1, "bbox": [0, 1]}]', 'x, y, width'),
    ('[{"image_id": 3, "category_id": 17, "score": 1, "segmentation": {"size": [9, 9], '
     '"counts": "a"}}]', 'size of the RLE'),
    ('[{"image_id": 3, "category_id": 17, "score": 1, "segmentation": {"size": [100, 100], '
     '"counts": "damaged"}}]', 'entry 0.*counts of the RLE'),
    *((f'[{{"image_id": 3, "category_id": 17, "score": {score}, "bbox": [0, 0, 1, 1]}}]',
       'entry 0 needs a score') for score in ('null', 'NaN', 'Infinity', '1' * 400)),
    ('[7]', 'neither'), ('{"images": [{"image_id": 3}]}', 'image 0.*dets'),
    ('[{"image_id": [3], "category_id": 17, "score": 1, "bbox": [0, 0, 1, 1]}]', 'in common')])
def test_a_broken_result_file_is_refused(dataset, tmp_path, content, message):
    path = tmp_path / 'results.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_results(path, read_truth(dataset))


def test_the_choice_of_images_is_the_originals():
    # By hand: 1 -> 1 * 0x045d9f3b = 73244475; shifted, xored and multiplied again ...
    x = 73244475
    x = (((x >> 16) ^ x) * 0x045d9f3b) % 2 ** 32
    assert image_hash(1) == (x >> 16) ^ x
    assert image_hash('1') == image_hash('1') != image_hash('2')


def test_chosen_classes_are_measured_and_the_others_ignored(dataset):
    truth = read_truth(dataset, choice=parse_classes(['dog']))
    assert (truth.class_names, truth.category_ids) == (('dog',), (20,))
    result = evaluate_predictor(Oracle(), dataset, choice=parse_classes(['dog']))
    assert [item.image_id for item in result.detections] == [8]
    assert result.mask.values['AP'] == pytest.approx(1)


def test_classes_that_are_renamed_are_measured_as_one(dataset):
    truth = read_truth(dataset, choice=parse_classes(['cat=pet', 'dog=pet']))
    assert (truth.class_names, truth.category_ids) == (('pet',), (17,))
    assert [item.class_id for item in truth.objects] == [0, 0]


def test_a_folder_of_a_tool_is_measured_as_its_file(dataset):
    wanted = evaluate_predictor(Oracle(), dataset)
    found = evaluate_predictor(Oracle(), dataset.parent)
    assert found.mask.values == wanted.mask.values
