"""The README's tables are those of the node and its launch file."""

import re
from pathlib import Path

import pytest

from yolact_ros.commands.main import COMMANDS
from yolact_ros.config import MODEL_PRESETS
from yolact_ros.ros.node.readme_tables import (
    diagnostics_table,
    parameter_table,
    service_table,
    topic_table,
)

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / 'README.md').read_text()


@pytest.mark.parametrize('table', [parameter_table, topic_table, service_table,
                                   diagnostics_table])
def test_the_readme_has_the_table_of_the_node(table):
    assert table().strip() in README, \
        f'run python -m yolact_ros.ros.node.readme_tables; {table.__name__}'


def test_the_readme_names_every_launch_argument():
    text = (ROOT / 'launch' / 'segment.launch.py').read_text()
    names = re.findall(r"^    '(\w+)': \(", text, re.MULTILINE)

    assert len(names) > 15
    assert [name for name in names if f'`{name}`' not in README] == []


@pytest.mark.parametrize('name', COMMANDS)
def test_the_readme_names_every_command(name):
    assert f'`yolact {name}`' in README


@pytest.mark.parametrize('name', MODEL_PRESETS)
def test_the_readme_names_every_preset(name):
    assert f'`{name}`' in README


def test_the_readme_links_to_files_that_exist():
    targets = re.findall(r'\]\(([^)#]+)\)', README)

    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_readme_says_where_the_command_is_after_make_setup():
    assert '`.venv/bin/yolact' in README
