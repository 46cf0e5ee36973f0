"""The script that makes the figures of README and docs anew."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def reproduce(folder, *arguments):
    """Run the script in another folder."""
    return subprocess.run([sys.executable, ROOT / 'tools' / 'reproduce', *map(str, arguments)],
                          cwd=folder, text=True, capture_output=True, check=False)


@pytest.mark.slow
def test_the_table_holds_what_the_command_found(tmp_path):
    done = reproduce(tmp_path, '--short', 'easy', '--out', 'figures')

    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / 'figures' / 'easy' / 'result.json').read_text())
    table = (tmp_path / 'figures' / 'tables.md').read_text()
    assert 'yolact eval' in table
    assert f'| mask | {result["mask"]["AP"]:.3f} | {result["mask"]["AP50"]:.3f} |' in table


@pytest.mark.slow
def test_a_step_that_fails_is_named_and_the_others_go_on(tmp_path):
    done = reproduce(tmp_path, '--short', 'easy', 'photos', '--photos', tmp_path / 'missing')

    assert done.returncode == 1
    assert 'without a table: photos0, photos1, photos2' in done.stderr
    assert '| mask |' in (tmp_path / 'out' / 'reproduce' / 'tables.md').read_text()


@pytest.mark.slow
def test_the_figures_of_people_come_from_real_photos(tmp_path, shared_data):
    done = reproduce(tmp_path, '--short', 'people', '--photos', shared_data / 'coco_person')

    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / 'out' / 'reproduce' / 'people' / 'result.json').read_text())
    assert (result['images'], list(result['mask_per_class'])) == (4, ['person'])


@pytest.mark.parametrize(('arguments', 'message'), [
    (['speed'], 'unknown: speed; known: frames, '), (['photos'], 'photos needs --photos DIR'),
    (['easy', 'people'], 'people needs --photos DIR')])
def test_wrong_arguments_are_a_usage_error(tmp_path, arguments, message):
    done = reproduce(tmp_path, *arguments)

    assert (done.returncode, message in done.stderr) == (2, True)


@pytest.mark.parametrize('path', sorted((ROOT / 'config').glob('train_*.yaml')),
                         ids=lambda path: path.stem)
def test_a_recipe_begins_with_its_result_and_its_command(path):
    lines = path.read_text().splitlines()
    comment = [line for line in lines if re.match('# |#   ', line)]

    assert comment[0].startswith('# Result: ')
    assert any(f'yolact train --config config/{path.name}' in line for line in comment[:6])
