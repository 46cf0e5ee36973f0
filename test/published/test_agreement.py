"""
What the original network computed, beside what this one does.

The weights are made up (recipe.py), so that nothing has to be downloaded; the numbers in the .npz
files are the original's raw outputs, detections and masks for one image.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from recipe import published_shapes, reference_image, state_dict

from yolact_ros.checkpoint import load_model
from yolact_ros.config import MODEL_PRESETS, PostprocessConfig
from yolact_ros.inference.predictor import open_predictor
from yolact_ros.inference.steps.preprocess import preprocess
from yolact_ros.model.yolact import Yolact
from yolact_ros.weights.state_dict import infer_config

SIZE = np.array([640, 480, 640, 480])
# In the original 0.05 is for an anchor's best class; its other classes follow with any score.
AS_THE_ORIGINAL = PostprocessConfig(score_threshold=0.0)


@pytest.fixture(scope='module', params=[
    pytest.param('yolact_resnet50', marks=pytest.mark.slow), 'yolact_plus_resnet50'])
def case(request, tmp_path_factory):
    """Return the configuration's name, its file of weights, and the original's numbers."""
    path = tmp_path_factory.mktemp('weights') / f'{request.param}_54_800000.pth'
    torch.save({key: torch.from_numpy(values)
                for key, values in state_dict(request.param).items()}, path)
    with np.load(Path(__file__).parent / f'{request.param}.npz') as numbers:
        return request.param, path, dict(numbers)


@pytest.fixture(scope='module')
def image():
    """Return the image, RGB."""
    return np.ascontiguousarray(reference_image()[..., ::-1])


@pytest.fixture(scope='module')
def instances(case, image):
    """Return what the predictor finds: batch norms folded, activations fused."""
    return open_predictor(case[1], device='cpu', precision='float32', backend='torch',
                          postprocess=AS_THE_ORIGINAL).predict(image)


def test_raw_outputs_are_those_of_the_original(case, image):
    name, path, expected = case
    model, config = load_model(path)
    x = preprocess(image, config, torch.device('cpu'))
    with torch.inference_mode():
        raw = model(x)
    rows = torch.from_numpy(expected['head_rows'].astype(np.int64))

    assert config.name == name
    np.testing.assert_allclose(x[0, :, ::11, ::11], expected['x_sample'], atol=1e-5)
    np.testing.assert_allclose(model.priors, expected['priors'], atol=1e-7)
    np.testing.assert_allclose(raw.class_logits[0, rows], expected['head_conf'], atol=1e-3)
    np.testing.assert_allclose(raw.box_offsets[0, rows], expected['head_loc'], atol=5e-4)
    np.testing.assert_allclose(raw.coefficients[0, rows], expected['head_coef'], atol=5e-4)
    np.testing.assert_allclose(raw.prototypes[0, ::4, ::4], expected['proto_sample'], atol=5e-4)


def test_objects_are_those_of_the_original(case, instances):
    expected = case[2]
    rows = rows_of_the_original(instances, expected)

    np.testing.assert_array_equal(instances.class_ids, expected['det_class'][rows])
    np.testing.assert_allclose(instances.class_scores, expected['det_score'][rows], atol=2e-4)
    np.testing.assert_allclose(instances.boxes, np.clip(expected['det_box'][rows], 0, 1) * SIZE,
                               atol=1e-4 * 640)
    # As published, the display's score is class score times mask score.
    scores = expected.get('post_display_score', expected['post_score'])
    np.testing.assert_allclose(instances.scores, scores[rows], atol=2e-4)


def test_masks_are_those_of_the_original(case, instances):
    expected = case[2]
    rows = rows_of_the_original(instances, expected)
    masks = np.unpackbits(expected['post_mask_bits'], axis=1).reshape(-1, 480, 640).astype(bool)

    differing = [np.count_nonzero(found != mask)
                 for found, mask in zip(instances.full_masks(), masks[rows])]

    assert max(differing) <= 20
    assert sum(differing) <= 100  # of 100 masks


def rows_of_the_original(instances, expected):
    """Return for every instance the row with the same class and the nearest box."""
    distance = np.abs(instances.boxes[:, None] / SIZE
                      - np.clip(expected['det_box'], 0, 1)[None]).max(-1)
    distance[instances.class_ids[:, None] != expected['det_class'][None]] = np.inf
    rows = distance.argmin(1)
    assert sorted(rows) == list(range(len(expected['det_class'])))
    return rows


@pytest.mark.parametrize('name', published_shapes())
def test_the_network_has_the_keys_and_shapes_of_the_published_file(name):
    with torch.device('meta'):
        model = Yolact(MODEL_PRESETS[name]())
    assert {key: list(value.shape) for key, value in model.state_dict().items()} \
        == published_shapes()[name]


@pytest.mark.parametrize('name', published_shapes())
def test_a_published_file_tells_its_network(name):
    state = {key: torch.empty(shape, device='meta')
             for key, shape in published_shapes()[name].items()}

    assert infer_config(state, Path(f'{name}_54_800000.pth')) == replace(MODEL_PRESETS[name]())
