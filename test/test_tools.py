"""Tools run by their own name, as the documents call them, whatever Python is found first."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not (ROOT / '.venv' / 'bin' / 'python').exists(), reason='needs make setup')
@pytest.mark.parametrize('name', ['clean_ends', 'demo', 'demo_data', 'fuzz', 'reproduce', 'soak',
                                  'track_eval'])
def test_a_tool_explains_itself_from_another_folder_without_the_prepared_python(name, tmp_path):
    # Isolated: it knows the standard library alone, as the Python of a bare machine does.
    command = [sys._base_executable, '-S', str(ROOT / 'tools' / name), '--help']
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert f'usage: {name}' in ended.stdout
