"""A network of a rectangular input against its steps written down naively."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from yolact_ros.benchmark.frames import seeded_network
from yolact_ros.config import PostprocessConfig, yolact_plus_lite, yolact_plus_tiny
from yolact_ros.export.openvino import convert_network, convert_rescoring
from yolact_ros.inference.backends.exported import ExportedBackend
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.predictor import Predictor
from yolact_ros.model.layers import MaskIouNet

CPU = torch.device('cpu')
WIDE = replace(yolact_plus_tiny(3), input_size=(96, 160))
EVERYTHING = PostprocessConfig(score_threshold=0.0, candidate_threshold=0.0, max_instances=12)


@pytest.fixture(scope='module')
def network():
    return seeded_network(WIDE)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def bilinear(values, height, width):
    """Return values (H, W, ...) at the pixel centres of another grid, in float64."""
    old_height, old_width = values.shape[:2]
    out = np.zeros((height, width, *values.shape[2:]))
    for row in range(height):
        y = min(max((row + 0.5) * old_height / height - 0.5, 0), old_height - 1)
        top, down = int(y), min(int(y) + 1, old_height - 1)
        for column in range(width):
            x = min(max((column + 0.5) * old_width / width - 0.5, 0), old_width - 1)
            left, right = int(x), min(int(x) + 1, old_width - 1)
            upper = values[top, left] * (1 - x % 1) + values[top, right] * (x % 1)
            lower = values[down, left] * (1 - x % 1) + values[down, right] * (x % 1)
            out[row, column] = upper * (1 - y % 1) + lower * (y % 1)
    return out


def naive_best(network, rgb):
    """Return box [px], class, class score and mask of the best anchor, step by step."""
    config = network.config
    x = (bilinear(rgb.astype(float), 96, 160) - config.pixel_mean) / config.pixel_std
    with torch.inference_mode():
        raw = network(torch.from_numpy(x).float().permute(2, 0, 1)[None])
    offsets, logits, coefficients, prototypes = (part[0].double().numpy() for part in raw[:4])
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores = (scores / scores.sum(1, keepdims=True))[:, 1:]
    anchor, class_id = np.unravel_index(scores.argmax(), scores.shape)
    centre, size = network.priors[anchor, :2].numpy(), network.priors[anchor, 2:].numpy()
    # variances 0.1 and 0.2 (reference section 5)
    centre = centre + offsets[anchor, :2] * 0.1 * size
    size = size * np.exp(offsets[anchor, 2:] * 0.2)
    corners = np.concatenate((centre - size / 2, centre + size / 2))
    soft = 1 / (1 + np.exp(-(prototypes @ coefficients[anchor])))
    grid = np.array(soft.shape)[[1, 0, 1, 0]]
    left, top, right, bottom = corners * grid + (-1, -1, 1, 1)   # a cell of padding
    for row in range(soft.shape[0]):
        for column in range(soft.shape[1]):
            if not (left <= column < right and top <= row < bottom):
                soft[row, column] = 0
    height, width = rgb.shape[:2]
    box = np.clip(corners * (width, height, width, height), 0, (width, height) * 2)
    return box, class_id, scores.max(), bilinear(soft, height, width) > 0.5


def test_a_predictor_finds_what_naive_steps_find(network):
    rgb = noise(45, 80)
    box, class_id, score, mask = naive_best(network, rgb)

    found = Predictor(TorchBackend(seeded_network(WIDE), CPU, 'float32'),
                      EVERYTHING).predict(rgb)

    row = int(found.class_scores.argmax())
    assert found.class_ids[row] == class_id
    assert found.class_scores[row] == pytest.approx(score, rel=1e-4)
    np.testing.assert_allclose(found.boxes[row], box, atol=1e-2)
    # a pixel in a thousand may lie on the edge of 0.5
    assert (found.full_masks()[row] != mask).mean() < 1e-3


@pytest.fixture(scope='module')
def exported(network):
    """Return the network as OpenVINO runs it."""
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    from yolact_ros.inference.backends.openvino import run_openvino
    return ExportedBackend(WIDE, run_openvino(convert_network(network), 'float32'),
                           run_openvino(convert_rescoring(network), 'float32'), 'float32',
                           'openvino')


@pytest.mark.parametrize('nms', ['fast', 'traditional'])
@pytest.mark.slow
def test_openvino_finds_the_same(exported, nms):
    rgb, config = noise(60, 100), replace(EVERYTHING, nms=nms)

    found = Predictor(exported, config).predict(rgb)

    expected = Predictor(TorchBackend(seeded_network(WIDE), CPU, 'float32'), config).predict(rgb)
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.1)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)


def test_the_light_network_takes_a_wide_input_too():
    wide = replace(yolact_plus_lite(3), input_size=(64, 128))

    found = Predictor(TorchBackend(seeded_network(wide), CPU, 'float32'),
                      EVERYTHING).predict(noise(30, 60))

    assert len(found) > 0 and np.isfinite(found.mask_scores).all()


def test_a_grid_too_small_for_re_scoring_is_filled_up_with_emptiness():
    net = MaskIouNet(2)
    masks = torch.rand(3, 1, 48, 88, generator=torch.Generator().manual_seed(0))
    padded = torch.zeros(3, 1, 63, 88)
    padded[:, :, :48] = masks

    assert torch.equal(net(masks), net.maskiou_net(padded).amax((2, 3)))
    assert torch.equal(net.before_relu(masks), net.before_relu(padded))
