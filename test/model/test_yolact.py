"""The networks against the published figures, and their parts against plain formulas."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from yolact_ros.config import MODEL_PRESETS, yolact_plus_tiny, yolact_resnet50
from yolact_ros.model.backbone import BACKBONES, DeformConv, build_backbone, deformable_blocks
from yolact_ros.model.layers import FPN, MaskIouNet
from yolact_ros.model.yolact import Yolact

# Trained numbers, state dict entries and anchors of the published checkpoints.
PUBLISHED_FIGURES = {
    'yolact_base': (50_157_071, 660, 19248), 'yolact_resnet50': (31_164_943, 354, 19248),
    'yolact_darknet53': (47_783_087, 348, 19248), 'yolact_im400': (50_157_071, 660, 10077),
    'yolact_im700': (50_157_071, 660, 30963), 'yolact_resnet50_pascal': (30_734_623, 354, 19248),
    'yolact_plus_resnet50': (33_766_460, 405, 57744), 'yolact_plus_base': (52_571_142, 705, 57744)}


def tiny_yolact(num_classes=3):
    """Return a seeded small network in eval mode."""
    model = Yolact(yolact_plus_tiny(num_classes))
    model.initialize(torch.Generator().manual_seed(0))
    return model.eval()


@pytest.mark.parametrize('name', PUBLISHED_FIGURES)
def test_sizes_are_the_published_ones(name):
    with torch.device('meta'):
        model = Yolact(MODEL_PRESETS[name]())

    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert (parameters, len(model.state_dict()), len(model.priors)) == PUBLISHED_FIGURES[name]


@pytest.mark.parametrize('name', MODEL_PRESETS)
def test_every_preset_runs_at_a_small_input(name):
    config = replace(MODEL_PRESETS[name](num_classes=5), input_size=128)
    model = Yolact(config).eval()

    with torch.inference_mode():
        raw = model(torch.zeros(2, 3, 128, 128))

    anchors = config.anchors_per_cell * (16 ** 2 + 8 ** 2 + 4 ** 2 + 2 ** 2 + 1)
    assert raw.box_offsets.shape == (2, anchors, 4) and model.priors.shape == (anchors, 4)
    assert raw.class_logits.shape == (2, anchors, 6)
    assert raw.coefficients.shape == (2, anchors, 32) and raw.coefficients.abs().max() <= 1
    side = 64 if name == 'yolact_plus_lite' else 32  # P3 is 16 x 16
    assert raw.prototypes.shape == (2, side, side, 32) and raw.prototypes.min() >= 0
    assert raw.semantic_logits is None


def test_semantic_logits_exist_in_training_only():
    model = tiny_yolact().train()

    assert model(torch.zeros(2, 3, 256, 256)).semantic_logits.shape == (2, 3, 32, 32)


def test_a_batch_equals_its_images_one_by_one():
    model = tiny_yolact()
    x = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))

    with torch.inference_mode():
        batch, single = model(x), model(x[1:])

    for whole, one in zip(batch[:4], single[:4]):
        torch.testing.assert_close(whole[1:], one, rtol=1e-4, atol=1e-4)


def test_a_wrong_input_size_is_named():
    with pytest.raises(ValueError, match=r'be \(B, 3, 256, 256\), got \(1, 3, 64, 64\)'):
        tiny_yolact()(torch.zeros(1, 3, 64, 64))


def test_the_same_seed_gives_the_same_weights():
    first, second = tiny_yolact().state_dict(), tiny_yolact().state_dict()

    assert all(torch.equal(first[key], second[key]) for key in first)


def test_no_class_of_a_fresh_re_scoring_net_is_dead():
    masks = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))

    assert bool((tiny_yolact(80).maskiou_net(masks) > 0).all())


def test_deformable_blocks_are_those_of_the_paper():
    def chosen(*args):
        return [index for index, deformable in enumerate(deformable_blocks(*args)) if deformable]

    assert chosen(3, 0, 1) == []
    assert chosen(6, 6, 1) == [0, 1, 2, 3, 4, 5]
    assert chosen(4, 4, 3) == [0, 3]
    assert chosen(23, 23, 3) == [0, 3, 6, 9, 12, 15, 18, 21]
    assert chosen(3, 3, 3) == [0]
    assert chosen(3, 1, 1) == [2]


@pytest.mark.parametrize('name, count', [('yolact_plus_resnet50', 13), ('yolact_plus_base', 11)])
def test_plus_networks_have_their_deformable_convolutions(name, count):
    with torch.device('meta'):
        model = Yolact(MODEL_PRESETS[name]())

    assert sum(isinstance(module, DeformConv) for module in model.modules()) == count


def test_a_fresh_deformable_layer_is_half_a_convolution():
    layer = DeformConv(4, 6, stride=2)
    x = torch.randn(1, 4, 9, 9)

    with torch.no_grad():  # embedding_bag of torch 2.4 wants gradients of both inputs or of none
        expected = 0.5 * functional.conv2d(x, layer.weight, None, 2, 1)
        torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize('name', BACKBONES)
def test_backbones_announce_what_they_return(name):
    backbone = build_backbone(name).eval()

    with torch.inference_mode():
        features = backbone(torch.zeros(1, 3, 64, 64))

    assert tuple(feature.shape[1] for feature in features) == backbone.channels
    assert tuple(64 // feature.shape[2] for feature in features) == backbone.strides


@pytest.mark.parametrize('name, dcn, message', [
    ('vgg16', (), "backbone 'vgg16' is unknown; known: resnet50"),
    ('darknet53', (0, 1, 1, 1, 1), 'has no deformable blocks')])
def test_backbones_that_do_not_exist_are_refused(name, dcn, message):
    with pytest.raises(ValueError, match=message):
        build_backbone(name, dcn)


def test_the_pyramid_adds_from_the_coarsest_map_down():
    fpn = FPN((1, 1, 1), 1).eval()
    for parameter in fpn.parameters():
        torch.nn.init.zeros_(parameter)
    for layer in (*fpn.lat_layers, *fpn.pred_layers, *fpn.downsample_layers):
        layer.bias.data.fill_(0.0)
        layer.weight.data[:, :, layer.weight.shape[2] // 2, layer.weight.shape[3] // 2] = 1.0
    c3, c4, c5 = (torch.full((1, 1, side, side), value)
                  for side, value in ((9, 1.0), (5, -10.0), (3, 4.0)))

    p3, p4, p5, p6, p7 = fpn((c3, c4, c5))

    # T5 = 4, T4 = 4 - 10, T3 = 4 - 10 + 1; P = relu(T); P6 and P7 take P5 without another ReLU
    assert [level.unique().tolist() for level in (p3, p4, p5, p6, p7)] == [[0], [0], [4], [4], [4]]
    assert (p6.shape[-1], p7.shape[-1]) == (2, 1)
    fpn.downsample_layers[0].bias.data.fill_(-9.0)
    assert fpn((c3, c4, c5))[3].max() == -5


def test_re_scoring_takes_the_maximum_over_positions():
    net = MaskIouNet(7).eval()
    masks = torch.rand(2, 1, 138, 138)

    with torch.inference_mode():
        features = net.maskiou_net(masks)

    assert features.shape == (2, 7, 3, 3)
    torch.testing.assert_close(net(masks), features.flatten(2).max(2).values)
    assert net(masks[:0]).shape == (0, 7)


def test_finer_prototypes_begin_as_the_published_ones_enlarged():
    published = yolact_plus_tiny(2)
    with torch.device('meta'):
        plain, fine = Yolact(published), Yolact(replace(published, prototype_scale=4))
    plain, fine = plain.to_empty(device='cpu').eval(), fine.to_empty(device='cpu').eval()
    plain.initialize(torch.Generator().manual_seed(0))
    fine.initialize(torch.Generator().manual_seed(1))
    report = fine.load_state_dict(plain.state_dict(), strict=False)
    assert report.missing_keys == ['proto_net.13.weight', 'proto_net.13.bias']
    level = torch.rand(1, 128, 4, 5, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        before, after = plain.proto_net(level), fine.proto_net(level)
    assert (before.shape[2:], after.shape[2:]) == ((8, 10), (16, 20))
    wanted = np.stack([cv2.resize(channel, (20, 16)) for channel in before[0].numpy()])
    np.testing.assert_allclose(after[0], wanted, atol=1e-6)


def test_masks_of_finer_prototypes_are_judged_at_the_published_size():
    plain, fine = MaskIouNet(3).eval(), MaskIouNet(3, prototype_scale=4).eval()
    fine.load_state_dict(plain.state_dict())
    masks = torch.rand(2, 1, 96, 80, generator=torch.Generator().manual_seed(0))
    means = sum(masks[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)) / 4
    with torch.inference_mode():
        torch.testing.assert_close(fine(masks), plain(means))
        torch.testing.assert_close(fine.before_relu(masks), plain.before_relu(means))


def test_resnet50_state_dict_has_the_published_names():
    with torch.device('meta'):
        keys = Yolact(yolact_resnet50()).state_dict()

    assert keys['fpn.lat_layers.0.weight'].shape == (256, 2048, 1, 1)
    assert keys['backbone.layers.0.0.downsample.1.running_var'].shape == (256,)
    assert keys['proto_net.10.weight'].shape == (32, 256, 1, 1)
    assert keys['prediction_layers.0.upfeature.0.bias'].shape == (256,)
