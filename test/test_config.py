"""Presets and the validation of configurations."""

import pytest

from yolact_ros.config import (
    COCO_CLASSES,
    MODEL_PRESETS,
    PASCAL_CLASSES,
    ModelConfig,
    PostprocessConfig,
    class_id_of,
    yolact_plus_resnet50,
    yolact_resnet50,
)
from yolact_ros.structures import format_input_size, parse_input_size


def test_coco_has_80_classes_in_the_published_order():
    assert len(COCO_CLASSES) == 80 and len(PASCAL_CLASSES) == 20
    assert (COCO_CLASSES[0], COCO_CLASSES[41], COCO_CLASSES[79]) == ('person', 'cup', 'toothbrush')


@pytest.mark.parametrize('name', MODEL_PRESETS)
def test_a_preset_takes_any_number_of_classes(name):
    assert MODEL_PRESETS[name](3).class_names == ('class_0', 'class_1', 'class_2')
    assert MODEL_PRESETS[name](class_names=['nut', 'fig']).num_classes == 2
    assert MODEL_PRESETS[name]().name == name


def test_two_class_counts_that_disagree_are_refused():
    with pytest.raises(ValueError, match='num_classes is 3, but 2 class_names'):
        yolact_resnet50(3, ['nut', 'fig'])


def test_plus_has_nine_anchors_an_octave_apart_by_thirds():
    config = yolact_plus_resnet50()

    assert config.anchors_per_cell == 9
    assert config.anchor_scales[1] == pytest.approx((48, 60.476, 76.195), abs=1e-3)


@pytest.mark.parametrize('changes, message', [
    ({'class_names': ()}, 'at least one class'),
    ({'class_names': ('a', 'a')}, 'duplicates'),
    ({'input_size': 32}, 'at least 64 px, got 32'),
    ({'input_size': (32, 352)}, 'at least 64 px, got 32x352'),
    ({'input_size': (-64, 352)}, 'at least 64 px, got -64x352'),
    ({'input_size': (192, 8192)}, r'must be in \[64, 4096\], got 192x8192'),
    ({'input_size': (200, 352)}, 'multiples of 32, got 200x352; nearest: 192x352'),
    ({'input_size': (64, 64, 64)}, r'a whole number or \(height, width\), got \(64, 64, 64\)'),
    ({'input_size': 256.0}, r'a whole number or \(height, width\), got 256.0'),
    ({'anchor_scales': ((8,), (16,))}, 'each of P3-P7, got 2'),
    ({'anchor_scales': ((8,), (16,), (32,), (64,), (128, 256))}, 'same number of scales')])
def test_impossible_networks_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{'name': 'mine', 'backbone': 'resnet50', 'class_names': ('a',), **changes})


@pytest.mark.parametrize('changes, message', [
    ({'score_threshold': 1.5}, r'score_threshold must be in \[0, 1\], got 1.5'),
    ({'iou_threshold': -0.1}, 'iou_threshold'),
    ({'class_thresholds': {'cup': 2.0}}, r"class_thresholds\['cup'\]"),
    ({'top_k': -1}, 'top_k must be at least 0, got -1'),
    ({'max_instances': 0}, 'max_instances'),
    ({'nms': 'soft'}, "one of fast, cross_class, traditional, soft_cluster, got 'soft'")])
def test_post_processing_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PostprocessConfig(**changes)


def test_classes_are_known_by_name_and_id():
    assert class_id_of('fig', ['nut', 'fig']) == class_id_of(1, ['nut', 'fig']) == 1


def test_name_of_digits_wins_over_an_id():
    names = ['1', '2', '5', '10']
    assert [class_id_of(key, names) for key in ('1', '5', '3', 1)] == [0, 2, 3, 1]


@pytest.mark.parametrize('thresholds', [{'nut': 0.1, '0': 0.2}, {1: 0.1, 'fig': 0.2},
                                        {'1': 0.1, 1: 0.2}], ids=str)
def test_a_class_with_two_thresholds_is_refused(thresholds):
    with pytest.raises(ValueError, match='names one class twice'):
        PostprocessConfig(class_thresholds=thresholds).check_classes(['nut', 'fig'])


@pytest.mark.parametrize('key', ['date', '2', '\u00b2', 2, -1])
def test_an_unknown_class_is_named_with_the_known_ones(key):
    with pytest.raises(ValueError, match=r'is not one of the model.s 2 classes \(nut, fig; ids'):
        class_id_of(key, ['nut', 'fig'])


@pytest.mark.parametrize('name', ['input_size', 'fpn_channels', 'num_prototypes'])
def test_sizes_that_no_memory_holds_are_refused(name):
    with pytest.raises(ValueError, match=f'{name} must be in .*, got 1000000000'):
        ModelConfig('a', 'resnet50', ('cup',), **{name: 10 ** 9})


@pytest.mark.parametrize('scale', [0, 1, 3, 8])
def test_prototypes_of_another_size_are_refused(scale):
    with pytest.raises(ValueError, match=f'prototype_scale must be 2, .* or 4, got {scale}'):
        ModelConfig('a', 'resnet50', ('cup',), prototype_scale=scale)


@pytest.mark.parametrize('name, value', [
    ('anchor_scales', ((),) * 5), ('anchor_scales', ((0.0,),) * 5), ('anchor_ratios', ()),
    ('anchor_ratios', (1.0, -1.0)), ('anchor_ratios', (float('nan'),)), ('pixel_std', (1.0,)),
    ('pixel_std', (0.0, 1.0, 1.0)), ('pixel_mean', ()), ('pixel_mean', (float('inf'), 0.0, 0.0)),
    ('dcn_blocks', (0, 0, 2)), ('dcn_blocks', (0, 0, -1, 2)), ('dcn_interval', 0)], ids=str)
def test_numbers_that_no_network_computes_with_are_refused(name, value):
    with pytest.raises(ValueError, match=f'^{name} (must be|needs)'):
        ModelConfig('a', 'resnet50', ('cup',), **{name: value})


@pytest.mark.parametrize('value, expected', [
    (256, 256), ('256', 256), ('192x352', (192, 352)), ('192X352', (192, 352)),
    ([192, 352], (192, 352)), ((192.0, 352), (192, 352)), ([256, 256], 256)], ids=str)
def test_input_sizes_are_read_as_people_write_them(value, expected):
    assert parse_input_size(value) == expected
    assert parse_input_size(format_input_size(expected)) == expected


@pytest.mark.parametrize('value', [
    '', 'wide', '192x352x3', '192x', [192, 352, 3], [], [192.5, 352], True, None, [[192], 352],
    float('inf')], ids=str)
def test_what_is_no_input_size_is_refused_with_examples(value):
    with pytest.raises(ValueError, match=r'such as 192x352 or \[192, 352\], got'):
        parse_input_size(value)
