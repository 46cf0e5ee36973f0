"""The Foxglove layout holds together and shows topics that the node has."""

import json
import re
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CompressedImage

from yolact_ros.msg import InstanceMaskArray
from yolact_ros.ros.node.outputs.publishers import TOPICS

FILE = Path(__file__).resolve().parents[3] / 'config' / 'foxglove_layout.json'
LAYOUT = json.loads(FILE.read_text())
TITLE = 'foxglovePanelTitle'
# Settings of panels as foxglove.layouts of foxglove-sdk 0.30 names them; a title is every panel's.
SETTINGS = {
    'Image': {'imageMode'},
    'Table': {'topicPath', 'expansion'},
    'DiagnosticSummary': {'minLevel', 'pinnedIds', 'topicToRender', 'hardwareIdFilter',
                          'sortByLevel', 'secondsUntilStale'},
    'Parameters': {'title'},
}


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
    assert all(re.fullmatch(r'\w+!\w+', name) for name in LAYOUT['configById'])


@pytest.mark.parametrize('kind', SETTINGS)
def test_a_panel_has_only_settings_that_its_kind_knows(kind):
    panel, = (settings for name, settings in LAYOUT['configById'].items()
              if name.startswith(f'{kind}!'))
    assert set(panel) <= SETTINGS[kind] | {TITLE}
    assert len(LAYOUT['configById']) == len(SETTINGS)


def setting(kind, *path):
    """Return a setting of the panel of a kind."""
    value = next(panel for name, panel in LAYOUT['configById'].items()
                 if name.startswith(f'{kind}!'))
    for key in path:
        value = value[key]
    return value


def test_panels_show_topics_of_the_node_of_types_that_they_can_show():
    kinds = {topic.replace('~', '/yolact'): kind for kind, topic, _ in TOPICS.values()}
    kinds['/diagnostics'] = DiagnosticArray
    table = setting('Table', 'topicPath').partition('.')[0]
    shown = (setting('Image', 'imageMode', 'imageTopic'), table,
             setting('DiagnosticSummary', 'topicToRender'))
    assert [kinds[topic] for topic in shown] == [CompressedImage, InstanceMaskArray,
                                                 DiagnosticArray]


def test_the_rows_of_the_table_are_the_objects_of_the_message():
    field, = re.fullmatch(r'[/\w]+\.(\w+)\[:\]', setting('Table', 'topicPath')).groups()
    types = InstanceMaskArray.get_fields_and_field_types()
    assert types[field] == 'sequence<yolact_ros/InstanceMask>'
