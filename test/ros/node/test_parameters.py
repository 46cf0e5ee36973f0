from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from yolact_ros.config import PostprocessConfig
from yolact_ros.overlay import OverlayStyle
from yolact_ros.ros.node.parameters import (
    PARAMETERS,
    Parameters,
    parse_class_thresholds,
)
from yolact_ros.ros.parameter_table import default_of, rule_of

ROOT = Path(__file__).resolve().parents[3]


def test_defaults_are_the_predictors_and_the_overlays_own():
    assert Parameters().postprocess == PostprocessConfig()
    assert Parameters().overlay_style == OverlayStyle()


def test_shipped_yaml_holds_every_parameter_with_its_default():
    written = yaml.safe_load((ROOT / 'config' / 'yolact.yaml').read_text())
    table = {name: list(default_of(row)) if isinstance(default_of(row), tuple)
             else default_of(row) for name, row in PARAMETERS.items()}
    assert written == {'/**': {'ros__parameters': table}}


def test_every_parameter_is_described_in_full_sentences():
    texts = [rule_of(row).description for row in PARAMETERS.values()]
    assert all(len(text) > 15 and text.endswith('.') for text in texts)


def test_snapshot_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Parameters().score_threshold = 0.5


@pytest.mark.parametrize(('values', 'reason'), [
    ({'score_threshold': 1.5}, r'score_threshold must be in \[0.0, 1.0\], got 1.5'),
    ({'max_instances': 0}, r'max_instances must be in \[1, 1000\], got 0'),
    ({'nms': 'soft'}, "one of fast, cross_class, traditional, soft_cluster, got 'soft'"),
    ({'image_qos': ''}, "image_qos must be one of auto, reliable, best_effort, got ''"),
    ({'class_thresholds': ('mug',)}, "entries like 'mug:0.5', got 'mug'"),
    ({'class_thresholds': (':0.5',)}, "entries like 'mug:0.5', got ':0.5'"),
    ({'class_thresholds': ('mug:high',)}, "entries like 'mug:0.5', got 'mug:high'"),
    ({'class_thresholds': ('mug:2',)}, r"class_thresholds\['mug'\] must be in \[0, 1\], got 2"),
    ({'class_thresholds': ('mug:0.5', 'mug :0.6')}, "names 'mug' twice"),
    ({'max_image_age': float('nan')}, 'max_image_age must be in'),
])
def test_refused_value_is_named_with_what_is_allowed(values, reason):
    with pytest.raises(ValueError, match=reason):
        Parameters(**values)


@pytest.mark.parametrize(('entries', 'thresholds'), [
    ((), {}),
    (('mug:0.5', '3:1'), {'mug': 0.5, '3': 1.0}),
    (('cup:large: 0.25',), {'cup:large': 0.25}),
], ids=['none', 'name and id', 'name with a colon'])
def test_class_thresholds_are_read_by_name_or_id(entries, thresholds):
    assert parse_class_thresholds(entries) == thresholds


def test_classes_are_names_or_ids():
    assert Parameters(classes=('mug', '2')).postprocess.classes == ('mug', '2')
