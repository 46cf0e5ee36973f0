"""What the messages of instances say, against counting pixel by pixel."""

import math

import numpy as np
import pytest

from yolact_ros.messages.masks import instance_fields
from yolact_ros.structures import ImageSize, Instances

NAMES = ('mug', 'bowl')


def instances(crops, corners, scores):
    """Return instances of class 1 whose masks begin at the corners x, y."""
    count, scores = len(crops), np.array(scores, np.float32)
    rois = np.array([(x, y, x + crop.shape[1], y + crop.shape[0])
                     for crop, (x, y) in zip(crops, corners)], np.int32).reshape(-1, 4)
    return Instances(ImageSize(20, 30), rois.astype(np.float32) + 0.5, scores, scores, scores,
                     np.ones(count, np.int64), rois, tuple(crops))


def test_no_instance_has_no_fields():
    assert list(instance_fields(instances([], [], []), NAMES)) == []


def test_area_and_centroid_are_those_of_the_pixels():
    crop = np.random.default_rng(0).random((7, 9)) < 0.4
    crop[0, 0] = crop[-1, -1] = True
    [fields] = instance_fields(instances([crop], [(3, 5)], [0.5]), NAMES)
    pixels = [(3 + x + 0.5, 5 + y + 0.5) for y in range(7) for x in range(9) if crop[y, x]]
    assert fields.values['area'] == len(pixels)
    for name, axis in (('centroid_x', 0), ('centroid_y', 1)):
        mean = math.fsum(pixel[axis] for pixel in pixels) / len(pixels)
        assert fields.values[name] == pytest.approx(mean, rel=1e-12)


def test_an_empty_mask_has_no_centroid():
    [fields] = instance_fields(instances([np.zeros((0, 0), bool)], [(0, 0)], [0.5]), NAMES)
    assert fields.values['area'] == 0
    assert math.isnan(fields.values['centroid_x']) and math.isnan(fields.values['centroid_y'])


def test_scores_stay_within_0_and_1_and_unknown_ones_unknown():
    one = np.ones((1, 1), bool)
    found = instances([one] * 3, [(0, 0)] * 3, [1.02, -0.01, np.nan])
    scores = [fields.values['mask_score'] for fields in instance_fields(found, NAMES)]
    assert scores[:2] == [1.0, 0.0] and math.isnan(scores[2])


def test_names_numbers_windows_and_tracks_are_told():
    one = np.ones((2, 3), bool)
    found = instances([one, one], [(4, 6), (1, 2)], [0.75, 0.5])
    first, second = instance_fields(found, NAMES, [12, 0])
    assert [(item.values['id'], item.values['class_name'], item.values['track_id'])
            for item in (first, second)] == [(1, 'bowl', '12'), (2, 'bowl', '')]
    assert first.roi == {'x_offset': 4, 'y_offset': 6, 'width': 3, 'height': 2}
    assert [first.values[name] for name in ('x_min', 'y_min', 'x_max', 'y_max')] == [
        4.5, 6.5, 7.5, 8.5]
    assert (first.values['image_height'], first.values['image_width']) == (20, 30)
