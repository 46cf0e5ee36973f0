"""The Foxglove layout holds together and shows topics that the node has."""

import json
import re
from pathlib import Path

from yolact_ros.ros.node.outputs.publishers import TOPICS

FILE = Path(__file__).resolve().parents[3] / 'config' / 'foxglove_layout.json'
LAYOUT = json.loads(FILE.read_text())


def leaves(tree):
    """Return the panels of a layout from left to right."""
    if isinstance(tree, str):
        return [tree]
    assert tree['direction'] in ('row', 'column') and 0 < tree['splitPercentage'] < 100
    return leaves(tree['first']) + leaves(tree['second'])


def test_every_panel_has_its_settings_and_is_shown_once():
    assert sorted(leaves(LAYOUT['layout'])) == sorted(LAYOUT['configById'])


def test_the_parts_are_those_of_an_exported_layout():
    assert set(LAYOUT) == {'configById', 'globalVariables', 'userNodes', 'playbackConfig',
                           'layout'}
    assert all(re.fullmatch(r'(Image|Table|DiagnosticSummary|Parameters)!\w+', name)
               for name in LAYOUT['configById'])


def test_it_shows_topics_of_the_node():
    own = {topic.replace('~', '/yolact') for _, topic, _ in TOPICS.values()} | {'/diagnostics'}
    named = set(re.findall(r'"(?:imageTopic|topicPath|topicToRender)": "(/[\w/]+)',
                           FILE.read_text()))
    assert len(named) == 3
    assert named <= own
