"""config/diagnostics_aggregator.yaml takes up what the node publishes."""

import re
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).resolve().parents[3] / 'config' / 'diagnostics_aggregator.yaml'
GROUPS = yaml.safe_load(FILE.read_text())['/**']['ros__parameters']['segmentation']['analyzers']


@pytest.mark.parametrize(('state', 'group'), [
    ('yolact: input', 'cameras'), ('yolact: output', 'results'),
    ('front/yolact: left input', 'cameras'), ('yolact: left output', 'results'),
    ('yolact: depth', 'cameras'), ('yolact: front depth', 'cameras'), ('lidar: input', None)])
def test_each_state_belongs_to_one_group(state, group):
    matching = [name for name, row in GROUPS.items()
                if any(re.fullmatch(pattern, state) for pattern in row['regex'])]
    assert matching == ([group] if group else [])
