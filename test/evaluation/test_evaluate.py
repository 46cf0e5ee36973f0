"""Scores, confusions, tables and plots of detections that one can check by hand."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle_codec

from yolact_ros.data.sample import Sample
from yolact_ros.evaluation.ap import coco_ap
from yolact_ros.evaluation.confusion import confusion
from yolact_ros.evaluation.detections import (
    Detection,
    detections_of,
)
from yolact_ros.evaluation.evaluate import (
    evaluate_detections,
    evaluate_source,
)
from yolact_ros.evaluation.ground_truth import GroundTruth, TrueObject
from yolact_ros.evaluation.marked_images import MARKS
from yolact_ros.evaluation.plots import (
    plot_confusion,
    plot_precision_recall,
    save_worst,
)
from yolact_ros.evaluation.report import report_lines
from yolact_ros.evaluation.yolact_ap import interpolated_ap, yolact_ap
from yolact_ros.structures import ImageSize, Instances

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


def test_no_detection_scores_zero():
    result = evaluate_detections(truth_of(true(1, 0, (10, 10, 40, 40))), [])
    assert (result.box.values['AP'], result.mask_ap) == (0, 0)


def test_a_truth_without_objects_cannot_be_scored():
    with pytest.raises(ValueError, match='2 pictures has an object'):
        evaluate_detections(truth_of(true(1, 0, (10, 10, 40, 40), crowd=True)), [])


def test_more_objects_of_a_class_than_coco_counts_can_all_be_found():
    boxes = [(x, y, 5, 5) for x in range(0, 90, 6) for y in range(0, 60, 6)]   # 150
    truth = truth_of(*(true(1, 0, box) for box in boxes), images=1)
    all_found = [found(1, 0, 1 - row / 1000, box) for row, box in enumerate(boxes)]
    result = evaluate_detections(truth, all_found)
    assert (result.box.values['AP'], result.mask_ap) == (1, 1)
    assert 'up to 150 objects of a class' in result.to_json()['notes'][0]
    some = evaluate_detections(truth, all_found[:120]).mask.values
    # Precision 1 up to recall 0.8: 81 of 101 points.
    assert (some['AP'], some['AR100']) == pytest.approx((81 / 101, 0.8))
    fewer = evaluate_detections(truth_of(true(1, 0, boxes[0])), all_found)
    assert 'notes' not in fewer.to_json()


def test_perfect_detections_score_one():
    box = (10, 10, 40, 40)
    result = evaluate_detections(truth_of(true(1, 0, box), true(2, 1, box)),
                                 [found(1, 0, 0.9, box), found(2, 1, 0.6, box)])
    assert result.box.values['AP'] == pytest.approx(1)
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
    assert yolact_ap(truth, detections)['mask']['all'] == pytest.approx(0.5)


def test_what_an_image_is_not_labelled_for_is_neither_right_nor_wrong():
    box, elsewhere = (10, 10, 40, 40), (55, 55, 40, 40)
    truth = replace(truth_of(true(1, 0, box), true(2, 1, box)), unlabelled={1: (1,)})
    detections = [found(1, 1, 0.9, elsewhere), found(2, 1, 0.8, box), found(1, 0, 0.7, box)]
    told = truth_of(true(1, 0, box), true(2, 1, box))
    for kind in ('bbox', 'segm'):
        assert coco_ap(truth, detections, kind).values['AP'] == pytest.approx(1)
        # Found dogs before the true one: precision 1/2 at every recall.
        assert coco_ap(told, detections, kind).per_class[1].ap == pytest.approx(0.5)
    assert yolact_ap(truth, detections)['mask']['all'] == pytest.approx(1)
    assert [errors.false_alarms for errors in confusion(truth, detections).images] == [0, 0]
    assert [errors.false_alarms for errors in confusion(told, detections).images] == [1, 0]


def test_unlabelled_classes_are_judged_as_if_their_unmatched_finds_were_not_there():
    rng = np.random.default_rng(3)
    boxes = [tuple(int(v) for v in (*rng.integers(0, 60, 2), *rng.integers(15, 40, 2)))
             for _ in range(24)]
    objects = [true(1 + row % 3, row % 2, box) for row, box in enumerate(boxes)]
    detections = [found(1 + int(rng.integers(3)), int(rng.integers(2)), float(score),
                        tuple(int(v) for v in np.clip(np.array(boxes[row % 24])
                                                      + rng.integers(-4, 5, 4), 0, 60)))
                  for row, score in enumerate(rng.random(96))]
    unlabelled = {1: (0,), 3: (0, 1)}
    truth = truth_of(*objects, images=3)
    for threshold, name in ((0.5, 'AP50'), (0.75, 'AP75')):
        kept = [item for item in detections if item.class_id not in
                unlabelled.get(item.image_id, ())] + [
            item for image_id, classes in unlabelled.items() for class_id in classes
            for item in matched(objects, detections, image_id, class_id, threshold)]
        assert len(detections) > len(kept) > 20
        judged = coco_ap(replace(truth, unlabelled=unlabelled), detections, 'bbox').values[name]
        assert judged == pytest.approx(coco_ap(truth, kept, 'bbox').values[name])
        assert judged > coco_ap(truth, detections, 'bbox').values[name]


def matched(objects, detections, image_id, class_id, threshold):
    """Return the detections that take an object, the best first, each its best free one."""
    free = [item.bbox for item in objects if (item.image_id, item.class_id)
            == (image_id, class_id)]
    hits = []
    for item in sorted(detections, key=lambda item: -item.score):
        if (item.image_id, item.class_id) == (image_id, class_id) and free:
            best = max(free, key=lambda box: box_overlap(box, item.bbox))
            if box_overlap(best, item.bbox) >= threshold:
                free.remove(best)
                hits.append(item)
    return hits


def box_overlap(one, two):
    """Return the IoU of two boxes x, y, width, height."""
    width = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
    height = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    both = max(width, 0) * max(height, 0)
    return both / (one[2] * one[3] + two[2] * two[3] - both)


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
    assert yolact_ap(truth, detections)['box']['all'] == pytest.approx(0.5)
    assert coco_ap(truth, detections, 'bbox').values['AP'] == pytest.approx(1)


def test_the_original_forgets_images_without_detections_and_tiny_objects():
    box = (10, 10, 40, 40)
    truth = truth_of(true(1, 0, box), true(1, 0, (80, 80, 40, 0)), true(2, 0, box))
    assert yolact_ap(truth, [found(1, 0, 0.9, box)])['box']['all'] == pytest.approx(1)


def test_the_original_wants_an_overlap_above_the_threshold():
    truth = truth_of(true(1, 0, (0, 0, 40, 20)))
    scores = yolact_ap(truth, [found(1, 0, 0.9, (0, 0, 20, 20))])
    assert scores['box']['0.50'] == scores['mask']['0.50'] == 0


def test_the_original_of_nothing_is_zero():
    scores = yolact_ap(truth_of(), [])
    assert scores['box']['all'] == scores['mask']['all'] == 0


def test_detections_of_instances_have_boxes_masks_and_the_truths_classes():
    pairs = detections_of(instances_of((1, 0.9, (5, 6, 7, 8)), (0, 0.5, (1, 2, 3, 4))), 7,
                          [None, 4])
    assert [(item.image_id, item.class_id, item.bbox) for item in pairs] == [(7, 4, (5, 6, 7, 8))]
    assert rle_codec.toBbox(pairs[0].rle).tolist() == [5, 6, 7, 8]


class Oracle:
    """Stands in for a predictor: finds the rectangle of every image's first pixel's value."""

    class_names = CLASSES

    def predict(self, rgb):
        return instances_of((int(rgb[0, 0, 0]), 0.8, (10, 10, 30, 30)))


class TwoImages:
    """A sample source: a cat, then a dog."""

    class_names = CLASSES

    def __len__(self):
        return 2

    def sample(self, index, rng):
        sample = sample_of((index, (10, 10, 30, 30)))
        sample.image[:] = index
        return sample


def test_a_source_is_evaluated_image_by_image():
    result = evaluate_source(Oracle(), TwoImages(), with_original=True)
    assert (result.box_ap, result.mask_ap) == pytest.approx((1, 1))
    assert result.original['box']['all'] == pytest.approx(1)
    assert len(evaluate_source(Oracle(), TwoImages(), max_images=1).truth.sizes) == 1


def test_a_model_may_know_more_classes_than_the_source_in_another_order():
    oracle = Oracle()
    oracle.class_names = ('zebra', *reversed(CLASSES))
    renumbered = [oracle.class_names.index(name) for name in CLASSES]
    predict = oracle.predict

    def renamed(rgb):
        found = predict(rgb)
        return replace(found, class_ids=np.array([renumbered[i] for i in found.class_ids]))
    oracle.predict = renamed
    assert evaluate_source(oracle, TwoImages()).mask_ap == pytest.approx(1)


def test_a_source_with_other_classes_is_refused():
    source = TwoImages()
    source.class_names = ('cat', 'cow')
    with pytest.raises(ValueError, match='does not know cow'):
        evaluate_source(Oracle(), source)


def test_confusion_counts_hits_swaps_misses_and_false_alarms():
    box, second, third = (0, 0, 20, 20), (40, 0, 20, 20), (0, 40, 20, 20)
    truth = truth_of(true(1, 0, box), true(1, 1, second), true(1, 1, third),
                     true(2, 0, (50, 50, 50, 50), crowd=True))
    detections = [found(1, 0, 0.9, box), found(1, 0, 0.8, second), found(1, 1, 0.1, third),
                  found(2, 1, 0.9, (60, 60, 20, 20)), found(2, 1, 0.9, (0, 0, 9, 9))]
    result = confusion(truth, detections)
    assert result.matrix.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    first, other = result.images
    assert (first.right, first.wrong_class, first.missed, first.false_alarms) == (1, 1, 1, 0)
    assert (other.right, other.missed, other.false_alarms) == (0, 0, 1)
    assert [errors.image_id for errors in result.worst(5)] == [2, 1]


def test_confusion_of_nothing_is_zero_and_has_no_worst_image():
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


def count_pixels(path, rgb):
    """Return how many pixels of an image are nearly of that colour."""
    image = cv2.imread(str(path))[..., ::-1].astype(int)
    return np.count_nonzero(np.abs(image - rgb).max(-1) < 12)


def half_found():
    """Return the result of one cat found and one dog missed."""
    box = (10, 10, 40, 40)
    result = evaluate_detections(truth_of(true(1, 0, box), true(2, 1, box)),
                                 [found(1, 0, 0.9, box)])
    return result, confusion(result.truth, result.detections)


def test_precision_over_recall_has_a_curve_for_each_overlap(tmp_path):
    plot_precision_recall(half_found()[0], tmp_path / 'pr.png')
    # matplotlib's tab:blue, tab:orange, tab:green: IoU 0.50, 0.75 and 0.90 lie on one another, so
    # the last one is seen whole, the others in the legend.
    blue, orange, green = (count_pixels(tmp_path / 'pr.png', rgb) for rgb in (
        (31, 119, 180), (255, 127, 14), (44, 160, 44)))
    assert min(blue, orange) > 20
    assert green > 300


def test_the_confusion_plot_colours_what_was_found_and_what_was_missed(tmp_path):
    plot_confusion(half_found()[1], CLASSES, tmp_path / 'confusion.png')
    # Two cells hold their whole row: the darkest of Blues. All others are its palest.
    dark = count_pixels(tmp_path / 'confusion.png', (8, 48, 107))
    pale = count_pixels(tmp_path / 'confusion.png', (247, 251, 255))
    assert dark > 10_000 and pale > 3 * dark


def read_black(_):
    return np.zeros((SIDE, SIDE, 3), np.uint8)


def test_the_worst_images_show_truth_beside_what_became_of_it(tmp_path):
    result, matrix = half_found()
    worst, = save_worst(result, matrix, read_black, tmp_path, 4)
    assert worst.name == 'worst_01_2.png'
    truth, outcome = np.hsplit(cv2.imread(str(worst))[28:, :, ::-1], 2)  # below the caption
    assert truth[50:200, 50:200].any()
    shown = {what for what, color in MARKS.items() if (outcome == color).all(-1).any()}
    assert shown == {'missed'}


def test_worst_images_of_an_evaluation_before_do_not_stay_beside_the_new_ones(tmp_path):
    for name in ('worst_01_old.png', 'worst_case.png'):
        (tmp_path / name).write_bytes(b'')
    result, matrix = half_found()
    worst, = save_worst(result, matrix, read_black, tmp_path, 4)
    assert set(tmp_path.iterdir()) == {worst, tmp_path / 'worst_case.png'}


def test_an_image_id_cannot_lead_out_of_the_folder(tmp_path):
    evil = 'x/../../../escaped'
    box = (10, 10, 40, 40)
    truth = GroundTruth(CLASSES, {evil: ImageSize(SIDE, SIDE)}, (true(evil, 0, box),), (1, 2))
    result = evaluate_detections(truth, [])
    folder = tmp_path / 'deep' / 'worst'
    save_worst(result, confusion(truth, ()), read_black, folder, 1)
    files = [path for path in tmp_path.rglob('*') if path.is_file()]
    assert [path.parent for path in files] == [folder]
