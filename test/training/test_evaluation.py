"""Scores that can be computed by hand, and pycocotools' own on the published models' output."""

import json

import numpy as np
import pytest
from pycocotools import mask as rle_codec

from yolact_ros.structures import ImageSize, Instances
from yolact_ros.training.coco_ap import coco_ap
from yolact_ros.training.confusion import confusion
from yolact_ros.training.detections import (
    Detection,
    detections_of,
    read_results,
    write_results,
)
from yolact_ros.training.evaluation import (
    evaluate_detections,
    evaluate_instances,
    evaluate_predictor,
    evaluate_source,
)
from yolact_ros.training.evaluation_plots import (
    plot_confusion,
    plot_precision_recall,
    save_worst,
)
from yolact_ros.training.evaluation_report import report_lines
from yolact_ros.training.ground_truth import GroundTruth, TrueObject, image_hash, read_truth
from yolact_ros.training.original_ap import interpolated_ap, original_ap
from yolact_ros.training.sample import Sample

SIDE = 100
CLASSES = ('cat', 'dog')


def rectangle(x, y, width, height):
    mask = np.zeros((SIDE, SIDE), np.uint8, 'F')
    mask[y:y + height, x:x + width] = 1
    return rle_codec.encode(mask)


def true(image_id, class_id, box, crowd=False):
    return TrueObject(image_id, class_id, box, rectangle(*box), box[2] * box[3], crowd)


def found(image_id, class_id, score, box, mask_score=None):
    return Detection(image_id, class_id, score, score if mask_score is None else mask_score, box,
                     rectangle(*box))


def truth_of(*objects, images=2):
    return GroundTruth(CLASSES, {number: ImageSize(SIDE, SIDE) for number in range(1, images + 1)},
                       objects, (1, 2))


def instances_of(*rows):
    """Return Instances from (class_id, score, (x, y, width, height)) rows, best first."""
    boxes = np.array([(x, y, x + w, y + h) for _, _, (x, y, w, h) in rows],
                     np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in rows], np.float32)
    crops = tuple(np.ones((h, w), bool) for _, _, (_, _, w, h) in rows)
    return Instances(ImageSize(SIDE, SIDE), boxes, scores,
                     np.full(len(rows), np.nan, np.float32), scores,
                     np.array([class_id for class_id, _, _ in rows], np.int64),
                     boxes.astype(np.int32), crops)


def sample_of(*rows):
    """Return a Sample from (class_id, (x, y, width, height)) rows."""
    masks = np.zeros((len(rows), SIDE, SIDE), np.uint8)
    for mask, (_, (x, y, w, h)) in zip(masks, rows):
        mask[y:y + h, x:x + w] = 1
    boxes = np.array([(x, y, x + w, y + h) for _, (x, y, w, h) in rows],
                     np.float32).reshape(-1, 4)
    return Sample(np.zeros((SIDE, SIDE, 3), np.uint8), boxes, masks,
                  np.array([class_id for class_id, _ in rows], np.int64),
                  np.zeros(len(rows), bool))


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


def test_no_detection_scores_zero():
    result = evaluate_detections(truth_of(true(1, 0, (10, 10, 40, 40))), [])
    assert (result.box_ap, result.mask_ap) == (0, 0)


def test_a_truth_without_objects_cannot_be_scored():
    with pytest.raises(ValueError, match='2 pictures has an object'):
        evaluate_detections(truth_of(true(1, 0, (10, 10, 40, 40), crowd=True)), [])


def test_perfect_detections_score_one():
    box = (10, 10, 40, 40)
    result = evaluate_detections(truth_of(true(1, 0, box), true(2, 1, box)),
                                 [found(1, 0, 0.9, box), found(2, 1, 0.6, box)])
    assert result.box_ap == pytest.approx(1)
    assert result.mask_ap == pytest.approx(1)
    assert [row.ap for row in result.mask.per_class] == pytest.approx([1, 1])


def test_boxes_are_ranked_by_class_scores_and_masks_by_rescored_ones():
    box, elsewhere = (10, 10, 40, 40), (55, 55, 40, 40)
    # The wrong one leads among boxes and comes last among masks.
    detections = [found(1, 0, 0.9, elsewhere, mask_score=0.1),
                  found(1, 0, 0.8, box, mask_score=0.7)]
    truth = truth_of(true(1, 0, box))
    assert coco_ap(truth, detections, 'bbox').values['AP50'] == pytest.approx(0.5)
    assert coco_ap(truth, detections, 'segm').values['AP50'] == pytest.approx(1)


def test_a_crowd_excuses_what_lies_in_it_for_coco_but_not_for_the_original():
    box, crowd = (10, 10, 20, 20), (40, 40, 60, 60)
    truth = truth_of(true(1, 0, box), true(1, 0, crowd, crowd=True))
    detections = [found(1, 0, 0.9, (50, 50, 20, 20)), found(1, 0, 0.8, box)]
    assert coco_ap(truth, detections, 'segm').values['AP'] == pytest.approx(1)
    assert original_ap(truth, detections)['mask']['all'] == pytest.approx(0.5)


@pytest.mark.parametrize('points, objects, value', [
    ([], 3, 0.0),
    ([(0.9, True)], 0, 0.0),
    ([(0.9, True)], 1, 1.0),
    # Precision 1 up to recall 0.5 (51 of 101 points), then nothing is found any more.
    ([(0.9, True)], 2, 51 / 101),
    # Precision 1, 1/2, 2/3: its envelope is 1 up to recall 0.5, then 2/3.
    ([(0.7, True), (0.9, True), (0.8, False)], 2, (51 + 50 * 2 / 3) / 101)])
def test_interpolated_ap_averages_the_precision_envelope(points, objects, value):
    assert interpolated_ap(points, objects) == pytest.approx(value)


def test_the_original_counts_a_found_class_without_objects_as_zero():
    box = (10, 10, 40, 40)
    truth = truth_of(true(1, 0, box))
    detections = [found(1, 0, 0.9, box), found(1, 1, 0.2, box)]
    assert original_ap(truth, detections)['box']['all'] == pytest.approx(0.5)
    assert coco_ap(truth, detections, 'bbox').values['AP'] == pytest.approx(1)


def test_the_original_forgets_pictures_without_detections_and_tiny_objects():
    box = (10, 10, 40, 40)
    truth = truth_of(true(1, 0, box), true(1, 0, (80, 80, 40, 0)), true(2, 0, box))
    assert original_ap(truth, [found(1, 0, 0.9, box)])['box']['all'] == pytest.approx(1)


def test_the_original_wants_an_overlap_above_the_threshold():
    truth = truth_of(true(1, 0, (0, 0, 40, 20)))
    scores = original_ap(truth, [found(1, 0, 0.9, (0, 0, 20, 20))])
    assert scores['box']['0.50'] == scores['mask']['0.50'] == 0


def test_the_original_of_nothing_is_zero():
    scores = original_ap(truth_of(), [])
    assert scores['box']['all'] == scores['mask']['all'] == 0


def test_detections_of_instances_have_boxes_masks_and_the_truths_classes():
    pairs = detections_of(instances_of((1, 0.9, (5, 6, 7, 8)), (0, 0.5, (1, 2, 3, 4))), 7,
                          [None, 4])
    assert [(item.image_id, item.class_id, item.bbox) for item in pairs] == [(7, 4, (5, 6, 7, 8))]
    assert rle_codec.toBbox(pairs[0].rle).tolist() == [5, 6, 7, 8]


def test_instances_in_memory_are_scored_against_samples():
    pairs = [(instances_of((0, 0.9, (10, 10, 30, 30))), sample_of((0, (10, 10, 30, 30)))),
             (instances_of(), sample_of((1, (5, 5, 20, 20)))),
             (instances_of(), sample_of())]
    result = evaluate_instances(pairs, CLASSES)
    assert [row.ap for row in result.mask.per_class] == pytest.approx([1, 0])
    assert result.to_json()['images'] == 3


class Oracle:
    """Stands in for a predictor: finds the rectangle of every picture's first pixel's value."""

    class_names = CLASSES

    def predict(self, rgb):
        return instances_of((int(rgb[0, 0, 0]), 0.8, (10, 10, 30, 30)))


class TwoPictures:
    """A sample source: a cat, then a dog."""

    class_names = CLASSES

    def __len__(self):
        return 2

    def sample(self, index, rng):
        sample = sample_of((index, (10, 10, 30, 30)))
        sample.image[:] = index
        return sample


def test_a_source_is_evaluated_picture_by_picture():
    result = evaluate_source(Oracle(), TwoPictures(), with_original=True)
    assert result.mask_ap == pytest.approx(1)
    assert result.original['box']['all'] == pytest.approx(1)
    assert len(evaluate_source(Oracle(), TwoPictures(), max_images=1).truth.sizes) == 1


def test_a_source_with_other_classes_is_refused():
    source = TwoPictures()
    source.class_names = ('cat', 'cow')
    with pytest.raises(ValueError, match='does not know cow'):
        evaluate_source(Oracle(), source)


@pytest.fixture
def dataset(tmp_path):
    """Return a COCO file of two pictures, one cat and one dog, next to its pictures."""
    import cv2
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
    assert (result.box_ap, result.mask_ap) == pytest.approx((1, 1))
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


def test_a_missing_picture_is_named(dataset):
    (dataset.parent / 'images' / 'b.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 2 pictures .*b.png'):
        evaluate_predictor(Oracle(), dataset)


def test_annotations_without_a_mask_are_left_out_and_said_so(dataset):
    changed(dataset, lambda content: content['annotations'][0].pop('segmentation'))
    truth = read_truth(dataset)
    assert [item.class_id for item in truth.objects] == [1]
    assert '1 annotations left out' in truth.notes[0]


@pytest.mark.parametrize('change, message', [
    (lambda content: content.update(categories=[]), 'no categories'),
    (lambda content: content.update(images=[]), 'lists no images'),
    (lambda content: content['annotations'][1].update(category_id=5), 'category_id 5'),
    (lambda content: content['categories'][1].update(id=17), 'the same id')])
def test_a_broken_annotation_file_is_refused(dataset, change, message):
    with pytest.raises(ValueError, match=message):
        read_truth(changed(dataset, change))


def test_results_survive_writing_and_reading(dataset, tmp_path):
    truth = read_truth(dataset)
    detections = [found(3, 0, 0.75, (10, 10, 30, 30), mask_score=0.5)]
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
    assert result.box_ap == pytest.approx(0.5)
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
     '"counts": "a"}}]', 'the picture of')])
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


def test_confusion_counts_hits_swaps_misses_and_false_alarms():
    box, second, third = (0, 0, 20, 20), (40, 0, 20, 20), (0, 40, 20, 20)
    truth = truth_of(true(1, 0, box), true(1, 1, second), true(1, 1, third),
                     true(2, 0, (50, 50, 50, 50), crowd=True))
    detections = [found(1, 0, 0.9, box), found(1, 0, 0.8, second), found(1, 1, 0.1, third),
                  found(2, 1, 0.9, (60, 60, 20, 20)), found(2, 1, 0.9, (0, 0, 9, 9))]
    result = confusion(truth, detections)
    assert result.matrix.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    first, other = result.pictures
    assert (first.right, first.wrong_class, first.missed, first.false_alarms) == (1, 1, 1, 0)
    assert (other.right, other.missed, other.false_alarms) == (0, 0, 1)
    assert [errors.image_id for errors in result.worst(5)] == [2, 1]


def test_confusion_of_nothing_is_zero_and_has_no_worst_picture():
    result = confusion(truth_of(), [])
    assert result.matrix.sum() == 0
    assert result.worst(3) == []


def test_the_report_names_every_class_and_marks_what_is_not_there():
    box = (10, 10, 40, 40)
    result = evaluate_detections(truth_of(true(1, 0, box)), [found(1, 0, 0.9, box)], True)
    text = '\n'.join(report_lines(result))
    assert 'cat' in text and 'dog' not in text
    assert 'APl' in text and '-' in text and 'original evaluator' in text
    assert json.loads(json.dumps(result.to_json()))['mask']['APl'] == -1


def test_plots_and_overlays_are_pictures(tmp_path):
    import cv2
    box = (10, 10, 40, 40)
    result = evaluate_detections(truth_of(true(1, 0, box), true(2, 1, box)),
                                 [found(1, 0, 0.9, box)])
    matrix = confusion(result.truth, result.detections)
    plot_precision_recall(result, tmp_path / 'pr.png')
    plot_confusion(matrix, CLASSES, tmp_path / 'confusion.png')
    worst = save_worst(result, matrix, lambda _: np.zeros((SIDE, SIDE, 3), np.uint8), tmp_path, 4)
    assert [path.name for path in worst] == ['worst_01_2.png']
    shapes = [cv2.imread(str(path)).shape for path in (tmp_path / 'pr.png',
                                                       tmp_path / 'confusion.png', worst[0])]
    assert all(shape[0] > 300 and shape[1] > 500 for shape in shapes)
