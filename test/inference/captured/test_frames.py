"""Captured frames against the same steps one by one; without a GPU they run uncaptured."""

import logging
import time
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

pytest.importorskip('triton', reason='the kernels need Triton')

from yolact_ros.benchmark.frames import seeded_network
from yolact_ros.benchmark.scripted import ScriptedBackend
from yolact_ros.config import PostprocessConfig, yolact_plus_lite, yolact_plus_tiny
from yolact_ros.inference import predictor
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.captured import graph_cache as cache
from yolact_ros.inference.captured import operators
from yolact_ros.inference.captured.buffers import FrameLimits
from yolact_ros.inference.captured.cuda_graphs import CudaGraphs, GraphsUnavailable
from yolact_ros.inference.captured.graph_cache import CapturedFrames, _Frame
from yolact_ros.inference.predictor import Predictor, open_predictor
from yolact_ros.inference.steps import select
from yolact_ros.inference.steps.eager import EagerFrames
from yolact_ros.model.yolact import Yolact
from yolact_ros.ops.kernels import assembly, preprocess, rasterise, scores
from yolact_ros.scenes import scene

CPU = torch.device('cpu')
DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
# Nine anchors and deformable convolutions, but few cells: an interpreter runs the kernels.
SMALL = replace(yolact_plus_tiny(4), input_size=96, mask_rescoring=False)
FEW = PostprocessConfig(max_instances=12)


class Uncaptured:
    """Runs the work itself where a GPU would replay it, and counts the captures."""

    def __init__(self):
        self.captures = 0

    def current(self):
        return nullcontext()

    def capture(self, work):
        self.captures += 1

        def replay():
            marks = [('', time.perf_counter())]
            work(lambda stage: marks.append((stage, time.perf_counter())))
            return {stage: (stop - start) * 1e3
                    for (_, start), (stage, stop) in zip(marks, marks[1:])}

        return replay


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Make room for little, so that the interpreter has little to do."""
    for module, name, value in ((cache, 'FEWEST_DETECTIONS', 12), (cache, 'FEWEST_PIXELS', 4096),
                                (cache, 'FEWEST_MASK_BYTES', 4096), (select, 'MOST_ANCHORS', 96),
                                (select, 'MOST_PAIRS', 96)):
        monkeypatch.setattr(module, name, value)
    if DEVICE.type == 'cpu':
        # Interpreted programs take their time, however much they do.
        for kernel, name, value in ((preprocess, 'BLOCK', 8192), (scores, 'WARP_TILE', 16384),
                                    (assembly, 'CELLS', 4096), (rasterise, 'PROGRAMS', 12)):
            monkeypatch.setattr(kernel, name, value)


@pytest.fixture(scope='module')
def backend():
    return TorchBackend(seeded_network(SMALL), DEVICE, 'float32')


@pytest.fixture
def capture():
    return CudaGraphs(DEVICE) if DEVICE.type == 'cuda' else Uncaptured()


def make_pair(monkeypatch, backend, capture, config=FEW):
    """Return a predictor with captured frames and one without."""
    monkeypatch.setattr(predictor, '_open_frames',
                        lambda backend: CapturedFrames(backend, capture))
    captured = Predictor(backend, config)
    monkeypatch.setattr(predictor, '_open_frames', EagerFrames)
    return captured, Predictor(backend, config)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def assert_same(found, expected):
    """Check that two results agree to rounding."""
    assert found.image_size == expected.image_size
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
    for name in ('scores', 'class_scores', 'mask_scores'):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-5)
    differing = found.full_masks() != expected.full_masks()
    # Rounding at the value 0.5
    assert differing.sum() <= 1 + 1e-4 * expected.areas.sum()
    assert np.abs(found.rois - expected.rois).max(initial=0) <= 1


@pytest.mark.parametrize('count', [0, 1, pytest.param(7, marks=pytest.mark.slow)])
def test_frames_find_the_same_objects_in_images_of_any_size(
        monkeypatch, backend, capture, count):
    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, count), capture)
    images = [noise(48, 64), noise(33, 90, seed=1)]

    for found, expected in zip(captured.predict_batch(images), stepwise.predict_batch(images)):
        assert len(found) == count
        assert_same(found, expected)


def test_the_demo_model_sees_the_same_scene(monkeypatch, capture):
    backend = open_predictor('demo', device=DEVICE.type, precision='float32')._backend
    captured, stepwise = make_pair(monkeypatch, backend, capture)
    rgb = scene(3).image[::4, ::4].copy()

    expected = stepwise.predict(rgb)

    assert len(expected) > 2 and np.isfinite(expected.mask_scores).all()
    assert_same(captured.predict(rgb), expected)


@pytest.mark.slow
def test_the_light_network_runs_as_frames(monkeypatch, capture):
    light = seeded_network(replace(yolact_plus_lite(4), input_size=96, mask_rescoring=False))
    backend = TorchBackend(light, DEVICE, 'float32')
    captured, stepwise = make_pair(monkeypatch, backend, capture,
                                   replace(FEW, score_threshold=0.0, candidate_threshold=0.0))

    assert_same(captured.predict(noise(40, 60)), stepwise.predict(noise(40, 60)))


@pytest.mark.slow
def test_random_weights_give_the_same_masks(monkeypatch, backend, capture):
    config = replace(FEW, score_threshold=0.0, candidate_threshold=0.0)
    captured, stepwise = make_pair(monkeypatch, backend, capture, config)

    assert_same(captured.predict(noise(40, 60)), stepwise.predict(noise(40, 60)))


@pytest.mark.slow
def test_nothing_is_captured_anew_for_other_sizes_and_thresholds(monkeypatch, backend, capture):
    captures = []
    capture_once = capture.capture
    monkeypatch.setattr(capture, 'capture',
                        lambda work: captures.append(work) or capture_once(work))
    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, 5), capture)

    for size, options in (((20, 30), {}), ((30, 20), {'max_instances': 2}),
                          ((1, 1), {'classes': [0, 2]}), ((60, 64), {'score_threshold': 1.0})):
        captured.postprocess = stepwise.postprocess = replace(FEW, **options)
        assert_same(captured.predict(noise(*size)), stepwise.predict(noise(*size)))
    assert len(captures) == 1


@pytest.mark.slow
def test_room_grows_with_the_masks(monkeypatch, backend, capture):
    monkeypatch.setattr(cache, 'FEWEST_MASK_BYTES', 16)
    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, 5), capture)

    for rgb in (noise(48, 64), noise(100, 120)):
        assert_same(captured.predict(rgb), stepwise.predict(rgb))
    assert max(limits.mask_bytes for limits, _ in captured._frames._kept) > 16


@pytest.mark.slow
def test_few_frames_are_kept(monkeypatch, backend, capture):
    monkeypatch.setattr(cache, 'KEPT_FRAMES', 2)
    captured, _ = make_pair(monkeypatch, ScriptedBackend(backend, 1), capture)

    for batch in (1, 2, 3, 1):
        captured.predict_batch([noise(8, 8)] * batch)

    assert [limits.batch for limits, _ in captured._frames._kept] == [3, 1]


@pytest.mark.slow
def test_large_batches_are_split(monkeypatch, backend, capture):
    monkeypatch.setattr(cache, 'MOST_IMAGES', 2)
    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, 2), capture)
    images = [noise(8 + index, 20, seed=index) for index in range(3)]

    found = captured.predict_batch(images)

    assert [result.image_size.height for result in found] == [8, 9, 10]
    assert_same(found[2], stepwise.predict(images[2]))


def test_results_keep_their_values(monkeypatch, backend, capture):
    captured, _ = make_pair(monkeypatch, ScriptedBackend(backend, 3), capture)
    first = captured.predict(noise(40, 40))
    copies = first.boxes.copy(), first.scores.copy(), first.full_masks()
    captured.postprocess = replace(FEW, classes=[])

    assert len(captured.predict(noise(20, 20))) == 0
    for kept, copied in zip((first.boxes, first.scores, first.full_masks()), copies):
        np.testing.assert_array_equal(kept, copied)


def test_what_candidates_leave_open_is_settled_by_all_of_them(monkeypatch, backend, capture):
    monkeypatch.setattr(select, 'MOST_ANCHORS', 8)
    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, 7), capture)

    found = captured.predict(noise(40, 40))

    assert len(found) == 7
    assert_same(found, stepwise.predict(noise(40, 40)))


@pytest.mark.parametrize('options', [{'nms': 'traditional'}, {'max_instances': 5000}], ids=str)
def test_other_selections_run_step_by_step(monkeypatch, backend, options):
    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, 4), None,
                                   replace(FEW, **options))

    assert_same(captured.predict(noise(40, 40)), stepwise.predict(noise(40, 40)))


def test_stages_are_timed(monkeypatch, backend, capture):
    captured, _ = make_pair(monkeypatch, ScriptedBackend(backend, 1), capture)

    captured.predict(noise(20, 20))

    assert list(captured.stage_ms) == [
        'upload', 'preprocess', 'network', 'detect', 'assemble', 'rescore', 'pixels', 'download',
        'unpack']
    assert all(duration >= 0 for duration in captured.stage_ms.values())


def test_where_nothing_can_be_captured_steps_go_on_and_it_is_said_once(
        monkeypatch, backend, caplog):
    class Refusing(Uncaptured):
        def capture(self, work):
            raise GraphsUnavailable('RuntimeError: no C compiler')

    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, 4), Refusing())

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_same(captured.predict(noise(40, 40)), stepwise.predict(noise(40, 40)))

    assert [record.message for record in caplog.records] == [
        'frames run kernel by kernel, several times slower: they cannot be captured as a CUDA '
        'graph here (RuntimeError: no C compiler)']


class FakeBackend:
    """A network that is run as it is."""

    dtype, has_rescoring, device = torch.float32, True, CPU

    def __init__(self, network):
        self.config, self.priors, self.rescore = (network.config, network.priors,
                                                  network.maskiou_net)
        self._network = network

    def __call__(self, x):
        return self._network(x)


class Kernels:
    """Stand-ins that only know the shapes of the kernels' results."""

    @staticmethod
    def preprocess_images(arena, layout, size, mean, std, dtype):
        return torch.empty(len(layout), 3, *size, dtype=dtype)

    @staticmethod
    def assemble_masks(prototypes, coefficients, boxes, counts):
        return torch.empty(*coefficients.shape[:2], *prototypes.shape[1:3])

    @staticmethod
    def anchor_scores(logits, classes, candidate):
        return torch.empty(logits.shape[:2])

    @staticmethod
    def passing_scores(scores, counts, thresholds, cut):
        return torch.empty(len(scores), scores.shape[2] - 1, scores.shape[1])

    @staticmethod
    def choose_largest(values, most):
        places = torch.empty(len(values), most, dtype=torch.long)
        return torch.empty(places.shape), places, torch.empty(len(values), dtype=torch.int32), \
            torch.empty(len(values))

    @staticmethod
    def largest(values, most):
        return Kernels.choose_largest(values, most)[:2]

    @staticmethod
    def first_kept(keep, most):
        return torch.empty(len(keep), most, dtype=torch.long)

    @staticmethod
    def decode_chosen(offsets, priors, anchors):
        return torch.empty(*anchors.shape, 4)

    @staticmethod
    def fast_nms_keep(boxes, class_ids, valid, iou, top_k):
        return torch.empty_like(valid)

    @staticmethod
    def rasterise_masks(*_):
        pass


@pytest.mark.parametrize('nms', ['fast', 'cross_class'])
def test_no_torch_operation_between_the_kernels_waits_for_the_device(monkeypatch, nms):
    # Fake tensors have shapes but no values: whatever asks for one raises. The kernels take no
    # fake tensors and are not judged here.
    for kernel in ('preprocess', 'assembly', 'boxes', 'largest', 'scores', 'nms', 'rasterise'):
        monkeypatch.setattr(operators, kernel, Kernels)
    marks = []

    with FakeTensorMode(), torch.inference_mode():
        network = Yolact(replace(SMALL, input_size=256, mask_rescoring=True)).eval()
        frame = _Frame(FakeBackend(network), Uncaptured(),
                       FrameLimits(batch=2, room=9, pixels=64, mask_bytes=64), nms)
        frame._work(marks.append)
        with pytest.raises(DataDependentOutputException):
            network.priors.sum().item()

    assert marks == ['preprocess', 'network', 'detect', 'assemble', 'rescore', 'pixels',
                     'download']


def test_images_too_large_for_one_batch_are_split(monkeypatch, backend, capture):
    monkeypatch.setattr(cache, 'MOST_IMAGE_BYTES', 3 * 2 * 4096)
    captured, eager = make_pair(monkeypatch, ScriptedBackend(backend, 2), capture)
    images = [noise(8 + index, 20, seed=index) for index in range(3)]

    found = captured.predict_batch(images)

    assert [limits.batch for limits, _ in captured._frames._kept] == [2, 1]
    assert_same(found[2], eager.predict(images[2]))


@pytest.mark.slow
def test_kinds_of_nms_alternate(monkeypatch, backend, capture):
    captured, stepwise = make_pair(monkeypatch, ScriptedBackend(backend, 5), capture)

    for nms in ('cross_class', 'fast', 'cross_class'):
        captured.postprocess = stepwise.postprocess = replace(FEW, nms=nms)
        assert_same(captured.predict(noise(20, 30)), stepwise.predict(noise(20, 30)))
