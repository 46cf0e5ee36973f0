"""Instances and ImageSize."""

import numpy as np
import pytest

from yolact_ros.structures import ImageSize, Instances

SIZE = ImageSize(4, 6)


def two_instances(**changes):
    """Return a 2x2 square and, behind it, a bar that it overlaps."""
    fields = {
        'image_size': SIZE, 'boxes': np.array([[1, 1, 3, 3], [0, 2, 6, 3]], np.float32),
        'class_scores': np.array([0.9, 0.8], np.float32),
        'mask_scores': np.array([1.0, 0.5], np.float32),
        'scores': np.array([0.9, 0.4], np.float32), 'class_ids': np.array([3, 0]),
        'rois': np.array([[1, 1, 3, 3], [0, 2, 6, 3]], np.int32),
        'crops': (np.ones((2, 2), bool), np.ones((1, 6), bool))}
    return Instances(**{**fields, **changes})


def test_an_image_has_at_least_one_pixel():
    with pytest.raises(ValueError, match='at least 1x1 pixels, got 0x5'):
        ImageSize(0, 5)


def test_an_empty_result_answers_every_question():
    empty = Instances.empty(SIZE)

    assert len(empty) == 0
    assert empty.areas.shape == (0,)
    assert empty.full_masks().shape == (0, 4, 6)
    assert not empty.label_image().any()
    assert len(empty.select([])) == 0
    assert len(empty.select(np.zeros(0, bool))) == 0


def test_full_masks_put_crops_where_their_rois_are():
    masks = two_instances().full_masks()

    square = [[0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    assert masks[0].astype(int).tolist() == square
    assert masks[1].sum() == 6 and masks[1, 2].all()


def test_the_better_score_wins_a_contested_pixel():
    labels = two_instances().label_image()

    assert labels.dtype == np.uint8
    assert labels[2].tolist() == [2, 1, 1, 2, 2, 2]


def test_more_than_255_objects_need_a_wider_label_image():
    count = 256
    many = Instances(
        SIZE, np.zeros((count, 4), np.float32), *(np.ones(count, np.float32),) * 3,
        np.zeros(count, np.int64), np.tile(np.array([0, 0, 1, 1], np.int32), (count, 1)),
        (np.ones((1, 1), bool),) * count)

    assert many.label_image().dtype == np.uint16


@pytest.mark.parametrize('rows', [[1], np.array([False, True]), slice(1, 2), 1])
def test_select_takes_whole_rows(rows):
    chosen = two_instances().select(rows)

    assert chosen.class_ids.tolist() == [0]
    assert chosen.areas.tolist() == [6]


def test_select_keeps_the_best_first():
    assert two_instances().select([1, 0]).class_ids.tolist() == [3, 0]


@pytest.mark.parametrize('changes, message', [
    ({'boxes': np.zeros((3, 4), np.float32)}, r'boxes must be \(2, 4\) for 2 crops, got \(3, 4\)'),
    ({'scores': np.array([0.1, 0.9], np.float32)}, 'sorted, best first'),
    ({'rois': np.array([[1, 1, 3, 4], [0, 2, 6, 3]], np.int32)}, 'a crop must fill its roi')],
    ids=['rows', 'order', 'roi'])
def test_fields_that_do_not_belong_together_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        two_instances(**changes)
