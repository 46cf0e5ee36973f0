"""The door to inference: every preset, every device, every image."""

import operator
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from yolact_ros.checkpoint import save_model
from yolact_ros.config import MODEL_PRESETS, PostprocessConfig, yolact_plus_tiny
from yolact_ros.inference.predictor import _open_frames, open_predictor
from yolact_ros.inference.steps import eager
from yolact_ros.inference.steps.eager import EagerFrames
from yolact_ros.model.fold import fold_batch_norm
from yolact_ros.model.yolact import Yolact
from yolact_ros.scenes import scene
from yolact_ros.structures import ImageSize

EVERYTHING = PostprocessConfig(score_threshold=0.0, candidate_threshold=0.0)


def seeded(config, path):
    """Write a network with random weights and lively batch norms; return the path."""
    model = Yolact(config)
    generator = torch.Generator().manual_seed(0)
    model.initialize(generator)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            # A hundred residual sums without training would overflow.
            nn.init.constant_(module.weight, 0.4)
    save_model(path, model)
    return path


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Return the path of a seeded tiny YOLACT++."""
    return seeded(yolact_plus_tiny(4), tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


def noise(height, width, seed=0):
    """Return a random image."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def assert_same(first, second):
    """Check that two results agree to rounding."""
    assert len(first) == len(second)
    np.testing.assert_array_equal(first.class_ids, second.class_ids)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-4)
    np.testing.assert_allclose(first.boxes, second.boxes, atol=0.05)


# One of every kind; the others take seconds each, and test_yolact.py runs every preset once.
KINDS = ('yolact_plus_tiny', 'yolact_plus_lite', 'yolact_plus_resnet50', 'yolact_darknet53')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[pytest.mark.slow] * (name not in KINDS))
    for name in MODEL_PRESETS])
def test_images_of_every_shape_pass_through_every_preset(name, tmp_path):
    config = replace(MODEL_PRESETS[name](), input_size=256)
    predictor = open_predictor(seeded(config, tmp_path / 'a.safetensors'), postprocess=EVERYTHING)
    images = [scene(1, size=size).image for size in ((240, 360), (320, 200))]

    for rgb, found in zip(images, predictor.predict_batch(images)):
        assert len(found) == 100
        assert found.image_size == ImageSize(*rgb.shape[:2])
        assert np.isfinite(found.boxes).all()
        assert np.isnan(found.mask_scores).all() == (not config.mask_rescoring)
        assert np.all(np.diff(found.scores) <= 0)


@pytest.mark.parametrize('size', [(1, 1), (1, 5000), (5000, 1), (3, 7), (480, 640)])
def test_any_image_size_is_served(tiny, size):
    found = open_predictor(tiny, postprocess=EVERYTHING).predict(noise(*size))

    assert len(found) == 100
    assert (found.boxes[:, 2:] <= [size[1], size[0]]).all() and (found.boxes >= 0).all()


def test_a_batch_equals_its_images_one_by_one(tiny):
    # A GPU computes a batch by other kernels than one image, in half precision unless told
    # otherwise: test_cuda.py.
    predictor = open_predictor(tiny, device='cpu', postprocess=EVERYTHING)
    images = [noise(60, 80), noise(100, 50, seed=1)]

    for batched, rgb in zip(predictor.predict_batch(images), images):
        assert_same(batched, predictor.predict(rgb))
    assert predictor.predict_batch([]) == []


def test_a_bad_image_of_a_batch_is_named(tiny):
    with pytest.raises(ValueError, match=r'picture 2 of 2 must be \(H, W, 3\) RGB, got \(4, 4\)'):
        open_predictor(tiny).predict_batch([noise(8, 8), np.zeros((4, 4), np.uint8)])


def test_a_second_image_does_not_change_the_first_result(tiny):
    predictor = open_predictor(tiny, postprocess=EVERYTHING)
    rgb = noise(60, 80)
    before = rgb.copy()
    first = predictor.predict(rgb)
    copies = first.boxes.copy(), first.scores.copy(), first.full_masks()

    predictor.predict(noise(60, 80, seed=1))

    for kept, copied in zip((first.boxes, first.scores, first.full_masks()), copies):
        np.testing.assert_array_equal(kept, copied)
    np.testing.assert_array_equal(rgb, before)
    assert_same(predictor.predict(rgb), first)


def test_all_but_the_network_keeps_to_one_thread(tiny, monkeypatch):
    seen, before = {}, torch.get_num_threads()

    def noting(stage, work):
        def noted(*arguments):
            seen[stage] = torch.get_num_threads()
            return work(*arguments)
        return noted

    for stage in ('preprocess', 'candidate_scores', 'assemble_masks', 'eager_instances'):
        monkeypatch.setattr(eager, stage, noting(stage, getattr(eager, stage)))
    predictor = open_predictor(tiny, device='cpu', backend='torch', threads=3,
                               postprocess=EVERYTHING)
    for name in ('_model', '_model.maskiou_net'):
        module = operator.attrgetter(name)(predictor._backend)
        monkeypatch.setattr(module, 'forward', noting(name, module.forward))

    predictor.predict(noise(20, 30))

    assert seen == {'preprocess': 1, '_model': 3, 'candidate_scores': 1, 'assemble_masks': 1,
                    '_model.maskiou_net': 3, 'eager_instances': 1}
    assert torch.get_num_threads() == before


def test_thresholds_change_while_running_and_bad_ones_do_not(tiny):
    predictor = open_predictor(tiny, postprocess=EVERYTHING)

    predictor.postprocess = replace(EVERYTHING, classes=['class_2'], max_instances=7)
    with pytest.raises(ValueError, match="class 'dog' is not one"):
        predictor.postprocess = replace(EVERYTHING, classes=['dog'])

    assert predictor.postprocess.classes == ['class_2']
    assert predictor.predict(noise(50, 50)).class_ids.tolist() == [2] * 7


@pytest.mark.parametrize(('weights', 'options', 'line'), [
    ('tiny', {}, 'yolact_plus_tiny on cpu, float32, torch, 4 classes: a checkpoint; chosen by '
                 'itself: backend, precision'),
    ('tiny', {'backend': 'torch', 'precision': 'float32'},
     'yolact_plus_tiny on cpu, float32, torch, 4 classes: a checkpoint'),
    ('demo', {'backend': 'torch'}, 'yolact_plus_lite on cpu, float32, torch, 9 classes: the '
                                   'packaged demo model; chosen by itself: precision')])
def test_what_was_chosen_is_told_once(weights, options, line, tiny, caplog):
    caplog.set_level('INFO', 'yolact_ros')
    open_predictor(tiny if weights == 'tiny' else weights, device='cpu', **options)
    assert caplog.messages == [line]


def test_a_predictor_tells_what_it_is(tiny):
    predictor = open_predictor(tiny, device='cpu')
    predictor.predict(noise(50, 50))

    assert predictor.class_names == ('class_0', 'class_1', 'class_2', 'class_3')
    assert predictor.model_config.name == 'yolact_plus_tiny'
    assert 'yolact_plus_tiny on cpu, float32' in predictor.description
    assert set(predictor.stage_ms) == {'preprocess', 'network', 'detect', 'assemble', 'rescore',
                                       'pixels'}
    assert all(milliseconds >= 0 for milliseconds in predictor.stage_ms.values())


@pytest.mark.parametrize('name', ['yolact_plus_tiny', pytest.param(
    'yolact_darknet53', marks=pytest.mark.slow)])
def test_folding_batch_norm_changes_nothing(name):
    model = Yolact(replace(MODEL_PRESETS[name](3), input_size=128)).eval().double()
    model.initialize(torch.Generator().manual_seed(0))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 1.5)
            module.running_mean.normal_(0, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
    x = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)).double()

    with torch.inference_mode():
        before = model(x)
        after = fold_batch_norm(model)(x)

    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    for one, other in zip(before[:4], after[:4]):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize('options, error, message', [
    ({'device': 'cuda:99'}, RuntimeError, "'cuda:99' was asked for, but torch .* sees"),
    ({'device': 'gpu'}, ValueError, "device 'gpu' is unknown; known: auto, cpu, cuda"),
    ({'backend': 'tensorrt'}, ValueError, "backend 'tensorrt' is unknown; known: auto, torch"),
    ({'device': 'cpu', 'precision': 'float16'}, ValueError, 'float16 is for CUDA'),
    ({'precision': 'int8'}, ValueError, "precision 'int8' is unknown; known: auto"),
    ({'postprocess': PostprocessConfig(classes=['dog'])}, ValueError, "class 'dog'")])
def test_wrong_options_are_refused(tiny, options, error, message):
    with pytest.raises(error, match=message):
        open_predictor(tiny, **options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_cuda_agrees_with_the_cpu(tiny):
    rgb = noise(240, 320)
    expected = open_predictor(tiny, device='cpu', postprocess=EVERYTHING).predict(rgb)

    found = open_predictor(tiny, device='cuda', precision='float32',
                           postprocess=EVERYTHING).predict(rgb)

    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)


def test_bfloat16_is_refused_where_the_cpu_lacks_it(tiny, monkeypatch):
    monkeypatch.setattr('yolact_ros.devices.fast_precisions',
                        lambda device: ('float32',))

    with pytest.raises(ValueError, match='bfloat16 needs a CPU with AVX-512.*choose float32'):
        open_predictor(tiny, device='cpu', precision='bfloat16')


def test_a_gpu_without_triton_is_used_step_by_step_with_a_hint(monkeypatch, caplog):
    # importing it fails
    monkeypatch.setitem(sys.modules, 'yolact_ros.inference.captured.graph_cache', None)

    frames = _open_frames(SimpleNamespace(device=torch.device('cuda')))

    assert isinstance(frames, EagerFrames)

    assert 'Triton is missing' in caplog.text and 'pip install triton' in caplog.text


def test_a_full_list_is_told_once(tiny, caplog):
    filled = replace(EVERYTHING, max_instances=1, candidate_threshold=0.0)
    predictor = open_predictor(tiny, device='cpu', postprocess=filled)
    predictor.predict(noise(40, 40))
    predictor.predict(noise(40, 40))
    assert sum('max_instances 1 is reached' in text for text in caplog.messages) == 1
