"""What counts as the same image again."""

import numpy as np

from yolact_ros.media.near_duplicates import NearDuplicates, difference_hash


def view(shift=0, brightness=0):
    """Return a textured image, moved by some pixels."""
    rough = np.random.default_rng(0).integers(30, 200, (20, 20, 3), np.uint8)
    return np.roll(np.kron(rough, np.ones((8, 8, 1), np.uint8)), shift, axis=1) + np.uint8(
        brightness)


def test_the_hash_compares_neighbours():
    ramp = np.repeat(np.arange(0, 170, 2, dtype=np.uint8)[None, :, None], 3, axis=2)
    ramp = np.repeat(ramp, 64, axis=0)
    assert difference_hash(ramp).all()
    assert not difference_hash(ramp[:, ::-1]).any()


def test_noise_and_light_make_no_new_image_but_motion_does():
    seen = NearDuplicates()
    noise = np.random.default_rng(1).integers(0, 4, view().shape, np.uint8)
    assert [seen.is_new(one) for one in (view(), view(brightness=30), view() + noise, view(40),
                                         view())] == [True, False, False, True, False]
