"""What only a GPU can show: captured frames in half precision, speed's limits, memory."""

import cv2
import numpy as np
import pytest
import torch

from yolact_ros.benchmark.frames import noise_image
from yolact_ros.config import PostprocessConfig
from yolact_ros.inference.predictor import open_predictor
from yolact_ros.scenes import scene
from yolact_ros.structures import ImageSize

pytestmark = pytest.mark.gpu


def assert_same_objects(found, expected):
    """Check that every object is found again: its class, and a mask IoU of at least 0.99."""
    assert sorted(found.class_ids) == sorted(expected.class_ids)
    masks, exact = found.full_masks(), expected.full_masks()
    for mask, class_id in zip(exact, expected.class_ids):
        ious = [(mask & other).sum() / (mask | other).sum()
                for other in masks[found.class_ids == class_id]]
        assert max(ious) >= 0.99


@pytest.mark.parametrize('precision', ['float32', 'float16', 'bfloat16'])
def test_the_demo_model_finds_what_it_finds_on_the_cpu(precision):
    from yolact_ros.inference.captured.graph_cache import CapturedFrames
    expected = open_predictor('demo', device='cpu', backend='torch')
    found = open_predictor('demo', device='cuda', precision=precision)

    assert isinstance(found._frames, CapturedFrames)
    for seed in range(5):
        rgb = scene(seed).image
        assert_same_objects(found.predict(rgb), expected.predict(rgb))
    assert isinstance(found._frames, CapturedFrames), 'frames could not be captured'


# Of scores: a few units of the last place of numbers near 1, grown by some fifty layers.
@pytest.mark.parametrize(('precision', 'tolerance'), [
    ('float32', 1e-4), ('float16', 1e-2), ('bfloat16', 5e-2)])
def test_a_batch_finds_what_its_images_find_one_by_one(precision, tolerance):
    predictor = open_predictor('demo', device='cuda', precision=precision)
    images = [scene(seed).image for seed in range(3)]

    for batched, rgb in zip(predictor.predict_batch(images), images):
        alone = predictor.predict(rgb)
        assert_same_objects(batched, alone)
        np.testing.assert_allclose(batched.scores, alone.scores, rtol=0, atol=tolerance)


def test_real_photos_give_finite_results(shared_data):
    predictor = open_predictor('demo', device='cuda')

    for path in sorted((shared_data / 'media' / 'photos').glob('*.jpg'))[:5]:
        found = predictor.predict(cv2.imread(str(path))[:, :, ::-1])
        assert np.isfinite(found.scores).all()


def test_sizes_batches_and_thresholds_do_not_pile_up_memory():
    predictor = open_predictor('demo', device='cuda')

    def work():
        for size in ((480, 640), (720, 1280), (2160, 3840), (1, 1)):
            for batch in (1, 2, 3, 4, 5, 6):
                predictor.postprocess = PostprocessConfig(max_instances=20 * batch)
                predictor.predict_batch([noise_image(ImageSize(*size))] * batch)
        torch.cuda.synchronize()
        return torch.cuda.memory_reserved()

    work()
    before = work()

    assert work() <= before * 1.05
