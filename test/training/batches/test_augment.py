"""Augmentation: boxes, masks and image stay together, distributions are the published ones."""

from dataclasses import replace

import numpy as np
import pytest

from yolact_ros.data.sample import Sample
from yolact_ros.masks import boxes_of_masks
from yolact_ros.training.batches.augment import (
    AugmentConfig,
    augment,
    crop,
    distort_colours,
    expand,
    flip,
    mirror,
    random_crop,
    resize,
    rotate,
)
from yolact_ros.training.batches.copy_paste import paste_objects

FILL = (10.0, 20.0, 30.0)
GEOMETRY = AugmentConfig(photometric=False, flip=True, rotate=True, tight_boxes=True,
                         min_box_px=2)


def make_sample(count=3, height=60, width=90, seed=0, crowd=()):
    """Return ellipses of different colours; the pixel (r, 0, 0) belongs to object r."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 200, np.uint8)
    ys, xs = np.mgrid[:height, :width] + 0.5
    masks = np.zeros((count, height, width), np.uint8)
    for row in range(count):
        cx, cy = rng.uniform(.25, .75) * width, rng.uniform(.25, .75) * height
        masks[row] = ((xs - cx) / (width * .12)) ** 2 + ((ys - cy) / (height * .15)) ** 2 < 1
        masks[:row] &= ~masks[row] & 1
        image[masks[row] > 0] = (row * 10, 0, 0)
    flags = np.zeros(count, bool)
    flags[list(crowd)] = True
    return Sample(image, boxes_of_masks(masks), masks, np.arange(count), flags, 'made up')


EMPTY = make_sample(0)


@pytest.mark.parametrize('seed', range(30))
def test_the_box_of_an_augmented_mask_is_the_box(seed):
    out = augment(make_sample(seed=seed), GEOMETRY, 128, FILL, np.random.default_rng(seed))
    assert out.image.shape == (128, 128, 3)
    # Scaled boxes keep fractions; a resized, rounded mask may differ by a source pixel.
    tolerance = 128 / min(60, 90) / GEOMETRY.min_crop
    assert np.all(np.abs(boxes_of_masks(out.masks) - out.boxes) <= tolerance)


@pytest.mark.parametrize('seed', range(30))
def test_augmented_masks_still_lie_on_their_objects(seed):
    out = augment(make_sample(seed=seed), GEOMETRY, 128, FILL, np.random.default_rng(seed))
    for mask, class_id in zip(out.masks, out.class_ids):
        inner = out.image[mask > 0]
        on_object = np.abs(inner - np.float32([class_id * 10, 0, 0])).max(1) < 60
        assert on_object.mean() > 0.8  # the rest is the interpolated rim


@pytest.mark.parametrize('step', [mirror, flip, lambda s: rotate(s, 1), lambda s: rotate(s, 3),
                                  lambda s: expand(s, 3, FILL, np.random.default_rng(5))],
                         ids=['mirror', 'flip', 'quarter turn', 'three quarters', 'expand'])
def test_whole_pixel_moves_keep_boxes_exactly_around_masks(step):
    moved = step(replace(make_sample(), image=make_sample().image.astype(np.float32)))
    np.testing.assert_array_equal(moved.boxes, boxes_of_masks(moved.masks))


@pytest.mark.parametrize('step', [mirror, flip, lambda s: rotate(s, 2)],
                         ids=['mirror', 'flip', 'half turn'])
def test_moves_done_twice_are_undone(step):
    sample = make_sample()
    twice = step(step(sample))
    for field in ('image', 'boxes', 'masks'):
        np.testing.assert_array_equal(getattr(twice, field), getattr(sample, field))


def test_crop_clips_boxes_and_cuts_masks():
    cut = crop(make_sample(1), (20, 10, 70, 40))
    assert cut.image.shape == (30, 50, 3)
    assert cut.masks.shape == (1, 30, 50)
    np.testing.assert_array_equal(cut.boxes, np.clip(
        make_sample(1).boxes - [20, 10, 20, 10], 0, [50, 30, 50, 30]))


@pytest.mark.parametrize('seed', range(40))
def test_random_crop_keeps_an_object_with_its_centre_inside(seed):
    sample = make_sample(seed=seed, crowd=[0])
    cut = random_crop(sample, 0.3, np.random.default_rng(seed))
    assert np.any(~cut.crowd)
    assert np.all(cut.boxes[:, 2:] > cut.boxes[:, :2])


def test_one_crop_in_six_is_the_whole_image():
    whole = sum(random_crop(make_sample(), 0.3, np.random.default_rng(seed)).image.shape[:2]
                == (60, 90) for seed in range(600))
    assert 70 < whole < 130  # binomial, n = 600, p = 1/6: mean 100, deviation 9


def test_expand_fills_the_canvas_with_the_mean():
    sample = replace(make_sample(), image=make_sample().image.astype(np.float32))
    grown = expand(sample, 4, FILL, np.random.default_rng(0))
    assert grown.image.shape[0] > 60
    outside = np.all(grown.image == np.float32(FILL), -1)
    assert outside.sum() == outside.size - 60 * 90


@pytest.mark.parametrize('value', [0.0, 100.0, 255.0])
def test_grey_images_stay_grey_under_colour_changes(value):
    image = np.full((4, 4, 3), value, np.float32)
    for seed in range(20):
        out = distort_colours(image, np.random.default_rng(seed))
        assert np.ptp(out, axis=2).max() < 1e-2
        assert out.mean() <= (value + 32) * 1.5


def test_colour_changes_are_not_clipped():
    image = np.full((2, 2, 3), 250, np.float32)
    brightest = max(distort_colours(image, np.random.default_rng(seed)).max()
                    for seed in range(50))
    assert brightest > 300


def test_masks_stay_binary_when_resized():
    out = resize(make_sample(), 97)
    assert set(np.unique(out.masks)) == {0, 1}


@pytest.mark.parametrize('step', [
    lambda s, r: augment(s, AugmentConfig(), 64, FILL, r),
    lambda s, r: augment(s, GEOMETRY, 64, FILL, r),
    lambda s, r: paste_objects(s, EMPTY, r)], ids=['published', 'all', 'paste'])
def test_images_without_objects_pass_through(step):
    for seed in range(10):
        out = step(EMPTY, np.random.default_rng(seed))
        assert len(out) == 0
        assert out.masks.shape[1:] == out.image.shape[:2]


def test_the_same_seed_gives_the_same_image():
    first, second = (augment(make_sample(), AugmentConfig(), 64, FILL, np.random.default_rng(3))
                     for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


@pytest.mark.parametrize('seed', range(20))
def test_pasted_objects_cover_what_is_below_and_keep_boxes_around_masks(seed):
    sample, donor = make_sample(seed=1), make_sample(seed=2, crowd=[2])
    before = sample.image.copy()
    out = paste_objects(sample, donor, np.random.default_rng(seed))
    assert out.masks.sum(0).max() == 1
    np.testing.assert_array_equal(out.boxes, boxes_of_masks(out.masks))
    np.testing.assert_array_equal(sample.image, before)


def test_an_object_that_is_covered_is_no_longer_labelled():
    sample, donor = make_sample(1, seed=1), make_sample(1, seed=1)
    counts = {len(paste_objects(sample, donor, np.random.default_rng(seed)))
              for seed in range(60)}
    assert counts == {1, 2}


@pytest.mark.parametrize('field, value', [('max_expand', 0.5), ('min_crop', 0),
                                          ('copy_paste', 1.5), ('min_box_px', -1)])
def test_augment_config_names_the_field_that_is_out_of_range(field, value):
    with pytest.raises(ValueError, match=field):
        AugmentConfig(**{field: value})


def test_a_wide_input_stretches_image_masks_and_boxes_alike():
    sample = make_sample()
    height, width = sample.image.shape[:2]

    out = resize(sample, (64, 96))

    assert out.image.shape == (64, 96, 3) and out.masks.shape == (len(sample), 64, 96)
    np.testing.assert_allclose(
        out.boxes, sample.boxes / (width, height, width, height) * (96, 64, 96, 64), rtol=1e-5)
