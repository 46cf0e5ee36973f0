"""Every fast way to run the network against the plain one."""

import copy
import functools
import logging
import sys
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from yolact_ros.checkpoint import DEMO_WEIGHTS, save_model
from yolact_ros.config import MODEL_PRESETS, PostprocessConfig
from yolact_ros.devices import fast_precisions
from yolact_ros.inference.backends.cudnn import CudnnConv
from yolact_ros.inference.backends.fuse import Operators, fuse_activations
from yolact_ros.inference.backends.onednn import OneDnnConv, onednn_operators, sample_taps
from yolact_ros.inference.backends.openvino import _openvino_core
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.predictor import open_predictor
from yolact_ros.model.fold import fold_batch_norm
from yolact_ros.model.yolact import Yolact
from yolact_ros.scenes import scene

CPU = torch.device('cpu')
needs_onednn = pytest.mark.skipif(onednn_operators() is None,
                                  reason='this torch has no oneDNN')
needs_bfloat16 = pytest.mark.skipif('bfloat16' not in fast_precisions(CPU),
                                    reason='this CPU has no bfloat16 instructions')
EVERYTHING = PostprocessConfig(score_threshold=0.0, candidate_threshold=0.0, max_instances=20)


def seeded(name, num_classes=5, **fields):
    """Return a network whose offsets and batch norms are not those of a fresh one."""
    generator = torch.Generator().manual_seed(0)
    model = Yolact(replace(MODEL_PRESETS[name](num_classes=num_classes), **fields))
    model.initialize(generator)
    for module_name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.fill_(1.5)
            module.weight.data.mul_(0.5)
        if module_name.endswith('conv_offset_mask'):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
    return model.eval()


def image_input(model, batch=1):
    size = model.config.input_size
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def tiny():
    return seeded('yolact_plus_tiny')


@pytest.fixture(scope='module')
def tiny_file(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_model(path, tiny)
    return path


def plain_relu(x, weight, bias, stride, padding, dilation, groups):
    """Return what cuDNN's fused convolution computes."""
    return functional.conv2d(x, weight, bias, stride, padding, dilation, groups).relu()


def plain_add_relu(x, weight, total, alpha, bias, stride, padding, dilation, groups):
    """Return what cuDNN's fused convolution and sum computes."""
    found = functional.conv2d(x, weight, bias, stride, padding, dilation, groups)
    return (found + alpha * total).relu()


@pytest.fixture
def cudnn_on_cpu(monkeypatch):
    """Let torch compute on the CPU what its operators for cuDNN do."""
    monkeypatch.setattr(torch, 'cudnn_convolution_relu', plain_relu)
    monkeypatch.setattr(torch, 'cudnn_convolution_add_relu', plain_add_relu)


def test_the_stand_ins_take_what_the_operators_take():
    def names(operator):
        return [argument.name for argument in operator.default._schema.arguments][3:]

    operators = torch.ops.aten
    assert names(operators.cudnn_convolution_relu) == list(signature(plain_relu).parameters)[3:]
    # The third one, total, is called z.
    assert names(operators.cudnn_convolution_add_relu) == list(
        signature(plain_add_relu).parameters)[3:]


@functools.cache
def network_of_136_px(name):
    """Return a seeded network, an input and what it finds there."""
    model = seeded(name, input_size=136)
    x = image_input(model).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return model, x, model(x)


@pytest.mark.parametrize('operators', [
    pytest.param(onednn_operators(), id='onednn', marks=needs_onednn),
    pytest.param(Operators(CudnnConv, sample_taps), id='cudnn')])
@pytest.mark.parametrize('name', ['yolact_plus_tiny', 'yolact_plus_resnet50', 'yolact_darknet53',
                                  'yolact_plus_lite'])
@torch.inference_mode()
def test_the_fused_network_gives_the_plain_numbers(cudnn_on_cpu, name, operators):
    model, x, expected = network_of_136_px(name)
    fused = fold_batch_norm(copy.deepcopy(model)).to(memory_format=torch.channels_last)

    found = fuse_activations(fused, operators)(x)

    for ours, plain in zip(found[:4], expected[:4]):
        # other order of float32 sums through some sixty layers, relative to the largest value
        assert float((ours - plain).abs().max() / plain.abs().max()) < 1e-4


@torch.inference_mode()
def test_batch_sizes_may_alternate(tiny):
    backend = TorchBackend(copy.deepcopy(tiny), CPU, 'float32')
    images = image_input(tiny, 3)
    expected = tiny(images)

    for rows in (slice(0, 3), slice(0, 1), slice(0, 2), slice(0, 3)):
        found = backend(images[rows])
        torch.testing.assert_close(found.class_logits, expected.class_logits[rows],
                                   atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_number_of_masks_may_change(tiny):
    backend = TorchBackend(copy.deepcopy(tiny), CPU, 'float32')
    masks = torch.rand(9, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = tiny.maskiou_net(masks)

    for count in (1, 9, 0, 4, 1):
        # other order of float32 sums through six layers
        torch.testing.assert_close(backend.rescore(masks[:count]), expected[:count],
                                   atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_a_image_does_not_change_with_the_one_before(tiny):
    backend = TorchBackend(copy.deepcopy(tiny), CPU, 'float32')
    x = image_input(tiny)
    first = [part.clone() for part in backend(x)[:4]]
    backend(x * 2)

    assert all(torch.equal(again, before) for again, before in zip(backend(x)[:4], first))


@pytest.mark.parametrize('kind', [pytest.param(OneDnnConv, marks=needs_onednn), CudnnConv])
@torch.inference_mode()
def test_a_fused_sum_is_convolution_plus_total_then_relu(cudnn_on_cpu, kind):
    conv = nn.Conv2d(2, 1, 1, bias=False)
    conv.weight.data[:] = torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1)
    x = torch.tensor([[1.0, 3.0], [5.0, 1.0]]).reshape(1, 2, 1, 2)

    found = kind(conv, nn.ReLU()).add_to(torch.tensor([[[[1.0, 1.0]]]]), x)

    # 2 * 1 - 5 + 1 = -2 and 2 * 3 - 1 + 1 = 6
    assert found.flatten().tolist() == [0.0, 6.0]


@torch.inference_mode()
def test_a_convolution_that_cudnn_does_not_fuse_runs_unfused(monkeypatch, caplog):
    def refuse(*_):
        raise RuntimeError('GET was unable to find an engine to execute this computation\nmore')

    for name in ('cudnn_convolution_relu', 'cudnn_convolution_add_relu'):
        monkeypatch.setattr(torch, name, refuse)
    plain = nn.Conv2d(3, 4, 3)
    x = torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    first, second = CudnnConv(plain, nn.ReLU()), CudnnConv(plain, nn.ReLU())

    with caplog.at_level(logging.INFO):
        for _ in range(2):
            torch.testing.assert_close(first(x), plain(x).relu())
            torch.testing.assert_close(second.add_to(torch.ones(1, 4, 3, 3), x),
                                       (plain(x) + 1).relu())

    assert [record.message for record in caplog.records] == [
        'no fused kernel for a convolution of (4, 3, 3, 3): GET was unable to find an engine to '
        'execute this computation'] * 2


def test_a_full_device_is_no_missing_kernel(monkeypatch):
    def fail(*_):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr(torch, 'cudnn_convolution_relu', fail)

    with pytest.raises(torch.cuda.OutOfMemoryError):
        CudnnConv(nn.Conv2d(1, 1, 1), nn.ReLU())(torch.ones(1, 1, 1, 1))


def test_openvino_keeps_its_core_for_the_process():
    # Without it the stack for signals goes with the last network, and Ctrl-C ends in a fault.
    pytest.importorskip('openvino')

    assert _openvino_core() is _openvino_core()


@pytest.mark.skipif(not DEMO_WEIGHTS.exists(), reason='the demo model is not packaged yet')
@needs_bfloat16
def test_bfloat16_finds_the_same_objects_with_the_demo_model():
    rgb = scene(3).image
    wanted = open_predictor('demo', device='cpu', precision='float32').predict(rgb)

    found = open_predictor('demo', device='cpu', precision='bfloat16').predict(rgb)

    assert len(found) == len(wanted) > 0
    for ours, exact in zip(found.full_masks(), wanted.full_masks()):
        assert (ours & exact).sum() / (ours | exact).sum() >= 0.99


@needs_bfloat16
def test_bfloat16_masks_agree_for_the_same_detections(tiny):
    images = image_input(tiny)
    with torch.inference_mode():
        exact = TorchBackend(copy.deepcopy(tiny), CPU, 'float32')(images)
        half = TorchBackend(copy.deepcopy(tiny), CPU, 'bfloat16')(images)
    masks = []
    for raw in (exact, half):
        weights = raw.coefficients[0, :200].float()
        masks.append((raw.prototypes[0].float() @ weights.T) > 0)

    union = (masks[0] | masks[1]).sum()
    assert float((masks[0] & masks[1]).sum() / union) > 0.97


def test_openvino_gives_the_numbers_of_torch_and_leaves_no_files(
        tiny_file, tmp_path, monkeypatch):
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    rgb = noise(120, 160)
    expected = open_predictor(tiny_file, device='cpu', postprocess=EVERYTHING).predict(rgb)
    predictor = open_predictor(tiny_file, backend='openvino', postprocess=EVERYTHING)

    found, *others = predictor.predict_batch([rgb, rgb])

    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-1)
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    assert len(others) == 1
    assert list(tmp_path.iterdir()) == []
    assert predictor.description.endswith('on cpu, float32, openvino')


@pytest.mark.parametrize('package', ['openvino'])
def test_a_missing_runtime_names_the_pip_line(tiny_file, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ImportError, match=rf"pip install 'yolact_ros\[{package}\]'"):
        open_predictor(tiny_file, backend=package)


@pytest.mark.parametrize(('options', 'message'), [
    ({'backend': 'onnx'}, 'backend onnx runs exported files'),
    ({'backend': 'openvino', 'device': 'cuda'}, 'openvino runs on the cpu'),
    ({'backend': 'openvino', 'precision': 'float16'}, 'float16 is for CUDA')])
def test_what_a_runtime_cannot_do_is_refused(tiny_file, options, message):
    with pytest.raises(ValueError, match=message):
        open_predictor(tiny_file, **options)
