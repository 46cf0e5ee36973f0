"""Two models agree on an object when class and mask are the same."""

import numpy as np
import pytest

from yolact_ros.evaluation.agreement import agreement
from yolact_ros.structures import ImageSize, Instances

SIZE = ImageSize(20, 30)


def found(*objects):
    """Return Instances of (class id, score, roi); each mask fills its roi."""
    rois = np.array([roi for _, _, roi in objects], np.int32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in objects], np.float32)
    return Instances(SIZE, rois.astype(np.float32), scores, np.full_like(scores, np.nan), scores,
                     np.array([class_id for class_id, _, _ in objects], np.int64), rois,
                     tuple(np.ones((y1 - y0, x1 - x0), bool) for x0, y0, x1, y1 in rois))


def test_models_that_find_nothing_agree():
    result = agreement([found()], [found()])
    assert (result.objects, result.matched, result.share) == ((0, 0), 0, 1.0)


def test_a_model_that_finds_nothing_agrees_on_nothing():
    result = agreement([found((0, 0.9, (0, 0, 4, 4)))], [found()])
    assert (result.objects, result.share) == ((1, 0), 0.0)
    assert np.isnan(result.mask_iou)


def test_overlap_and_score_are_those_of_the_matched():
    # 10 x 4 pixels against 8 x 4 of them: IoU 32 / 40.
    result = agreement([found((1, 0.9, (0, 0, 10, 4)), (2, 0.5, (20, 10, 24, 14)))],
                       [found((1, 0.7, (0, 0, 8, 4)), (3, 0.5, (20, 10, 24, 14)))])
    assert (result.objects, result.matched) == ((2, 2), 1)
    assert result.share == pytest.approx(1 / 3)
    assert result.mask_iou == pytest.approx(0.8)
    assert result.score_change == pytest.approx(0.2)


def test_one_object_is_matched_once_and_with_its_best_partner():
    # IoU with the second: 9 / 10 and 6 / 10.
    result = agreement([found((0, 0.9, (0, 0, 10, 1)))],
                       [found((0, 0.9, (0, 0, 6, 1)), (0, 0.8, (0, 0, 9, 1)))])
    assert (result.objects, result.matched) == ((1, 2), 1)
    assert result.mask_iou == pytest.approx(0.9)


def test_results_of_other_images_are_refused():
    with pytest.raises(ValueError, match='same pictures, got results of 1 and 0'):
        agreement([found()], [])


def test_nothing_in_common_is_told_without_figures_of_it():
    assert agreement([found()], [found()]).line('float32', 'int8') == (
        'float32 found 0 objects, int8 0, none of them the same')
    one = agreement([found((1, 0.9, (0, 0, 10, 4)))], [found((1, 0.7, (0, 0, 8, 4)))])
    assert one.line('a', 'b') == ('a found 1 objects, b 1, of them 1 the same (100.0%) with a '
                                  'mean mask IoU of 0.800; their scores differ by 0.200')
