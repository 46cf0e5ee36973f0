"""What the documentation calls exists: commands, options, tools, arguments, parameters."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from yolact_ros.commands.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'SECURITY.md')),
         *sorted((ROOT / 'docs').glob('*.md'))]
BLOCK = re.compile(r'^ {4}(\S[^\n]*)$|^```\w*\n(.*?)^```', re.MULTILINE | re.DOTALL)
OWN_LAUNCH_FILES = {path.name: path.read_text() for path in (ROOT / 'launch').iterdir()
                    if path.is_file()}


def lines_of(text: str) -> list[str]:
    """Return the lines of all code blocks, those that go on after a backslash as one."""
    joined = re.sub(r'\\\n\s*', ' ', text)
    return [line.strip() for block in BLOCK.findall(joined)
            for part in block for line in part.splitlines() if line.strip()]


def words_of(line: str, begins: str) -> list[str]:
    """Return the words of a shell line after its beginning, up to a pipe or another command."""
    words = shlex.split(line, comments=True)
    number = len(begins.split())
    ends = [place for place, word in enumerate(words) if word in ('|', '&&', '&', ';', '>')]
    return words[number:min(ends, default=len(words))]


def commands(begins: str) -> list[tuple[str, list[str]]]:
    """Return (page and line, words after begins) of every command in the documentation."""
    found = []
    for page in PAGES:
        for line in lines_of(page.read_text(encoding='utf-8')):
            bare = line.removeprefix('.venv/bin/')
            if bare.startswith(begins):
                found.append((f'{page.name}: {line}', words_of(bare, begins)))
    return found


def parser_of(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f'yolact {name}')
    importlib.import_module(f'yolact_ros.commands.{name}').add_arguments(parser)
    parser.add_argument('--debug', action='store_true')
    return parser


@pytest.mark.parametrize('name', COMMANDS)
def test_the_command_takes_what_the_documentation_gives_it(name, capsys):
    parser, wrong = parser_of(name), []
    for where, words in commands(f'yolact {name}'):
        try:
            parser.parse_args(words)
        except SystemExit as ended:
            if ended.code:
                wrong.append(f'{where}\n{capsys.readouterr().err.splitlines()[-1]}')
    assert wrong == []


def test_every_named_option_of_a_command_exists():
    wrong = []
    for page in PAGES:
        for name, rest in re.findall(r'`yolact (\w+)([^`]*)`', page.read_text(encoding='utf-8')):
            known = parser_of(name)._option_string_actions if name in COMMANDS else {}
            wrong += [f'{page.name}: yolact {name} {option}'
                      for option in re.findall(r'(--[a-z][\w-]*)', rest) if option not in known]
    assert wrong == []


def test_the_documented_tools_and_their_options_exist():
    texts = [page.read_text(encoding='utf-8') for page in PAGES]
    lines = [line for text in texts for line in (*lines_of(text), *re.findall('`([^`\n]+)`', text))
             if line.startswith('tools/') and '*' not in line]
    assert len(lines) > 8
    wrong = [line for line in lines if not (tool := ROOT / line.split()[0]).is_file() or any(
        repr(option) not in tool.read_text() for option in re.findall(r'--[a-z]\w*', line))]
    assert wrong == []


def test_the_launch_files_declare_the_documented_arguments():
    found = commands('ros2 launch yolact_ros')
    assert len(found) > 5
    declared = '\n'.join(OWN_LAUNCH_FILES.values())  # the demo's hands on those of the node
    wrong = [where for where, (file, *words) in found
             if file not in OWN_LAUNCH_FILES or any(
                 f"'{name}'" not in declared for word in words
                 if (name := word.partition(':=')[0]) != word)]
    assert wrong == []


def test_the_documented_parameters_exist():
    found = commands('ros2 param set /yolact')
    assert found
    pytest.importorskip('sensor_msgs', reason='needs ROS 2')
    from yolact_ros.ros.node.parameters import Parameters
    known = Parameters.__dataclass_fields__
    assert [where for where, words in found if words[0] not in known] == []


def test_the_documented_make_targets_exist():
    makefile = (ROOT / 'Makefile').read_text()
    found = commands('make')
    assert found
    wrong = [where for where, words in found for word in words
             if not re.search(rf'^{re.escape(word.partition("=")[0])}(| \?=.*|:.*)$', makefile,
                              re.MULTILINE)]
    assert wrong == []
