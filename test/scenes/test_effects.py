"""What a camera does to an image, against what each fault alone must do."""

from dataclasses import replace

import numpy as np
import pytest

from yolact_ros.scenes.effects import CameraEffects, apply_effects, random_effects


def grey(value=100.0, size=(256, 256)):
    return np.full((3, *size), value, np.float32)


def seen(image, seed=0, **faults):
    return apply_effects(image, CameraEffects(**faults), np.random.default_rng(seed))


def test_a_perfect_camera_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (3, 40, 60)).astype(np.float32)
    np.testing.assert_array_equal(seen(image), image.transpose(1, 2, 0))


@pytest.mark.parametrize('faults, colour', [
    ({'exposure': 0.5}, (50, 50, 50)), ({'exposure': 3.0}, (255, 255, 255)),
    ({'balance': (1.2, 1.0, 0.8)}, (120, 100, 80))], ids=['dark', 'over-exposed', 'warm'])
def test_exposure_and_white_balance_are_factors(faults, colour):
    assert np.abs(seen(grey(), **faults).astype(int) - colour).max() <= 1


def test_a_gradient_is_brighter_to_the_right_and_darker_to_the_left_by_the_same():
    row = seen(grey(), gradient=(0.3, 0.0))[128, :, 0].astype(int)
    assert abs(row[0] - 70) <= 2 and abs(row[-1] - 130) <= 2 and abs(row[128] - 100) <= 1


def test_a_vignette_takes_light_from_the_corners_alone():
    image = seen(grey(), vignette=0.4)[..., 0].astype(int)
    assert abs(image[128, 128] - 100) <= 1
    assert all(abs(image[row, column] - 60) <= 2 for row in (0, -1) for column in (0, -1))


def test_motion_smears_along_its_direction_and_keeps_the_light():
    image = grey(0)
    image[:, 128, 128] = 250
    smeared = seen(image, motion=(0.0, 10.0))[..., 0]
    rows, columns = np.nonzero(smeared)
    assert set(rows) == {128} and np.ptp(columns) in (9, 10, 11)
    assert float(smeared.sum()) == pytest.approx(250, abs=12)  # cut to whole numbers each


def test_defocus_spreads_alike_in_all_directions():
    image = grey(0)
    image[:, 128, 128] = 60000
    spread = seen(image, defocus=1.5)[..., 0]
    np.testing.assert_array_equal(spread, spread.T)
    assert spread[128, 128] >= spread[128, 130] >= spread[128, 134] and spread[128, 130] > 0


@pytest.mark.parametrize('value, wanted', [(128.0, 8.0), (0.5, 8 / np.sqrt(2))],
                         ids=['mid grey', 'dark'])
def test_noise_has_the_told_deviation_and_grows_with_the_light(value, wanted):
    offset = 100.0  # keeps dark values from being cut at 0; the variance is taken off again
    image = seen(grey(value + offset), noise=8.0).astype(float)
    expected = np.sqrt(wanted ** 2 + 64 * offset / 256)
    assert image.std() == pytest.approx(expected, rel=0.03)


def test_noise_differs_between_images_and_not_between_runs():
    first, again, other = (seen(grey(), seed=seed, noise=5.0) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_jpeg_keeps_the_order_of_colours():
    image = grey() * np.array([2, 1, 0.2], np.float32).reshape(3, 1, 1)
    assert np.abs(seen(image, jpeg=90).astype(int) - (200, 100, 20)).max() <= 4


def test_faults_of_hard_images_are_stronger_and_moving_ones_get_no_blur_by_chance():
    def mean(hard, fault):
        drawn = [random_effects(np.random.default_rng(seed), hard, False) for seed in range(200)]
        return np.mean([fault(effects) for effects in drawn])

    for fault in (lambda e: e.noise, lambda e: e.vignette, lambda e: abs(e.exposure - 1)):
        assert mean(True, fault) > 1.5 * mean(False, fault)
    moving = [random_effects(np.random.default_rng(seed), True, True) for seed in range(50)]
    assert all(effects.motion[1] == 0 for effects in moving)
    assert replace(moving[0]) == random_effects(np.random.default_rng(0), True, True)
