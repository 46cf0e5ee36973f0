"""Tools run by their own name, as the documents call them, whatever Python is found first."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not (ROOT / '.venv' / 'bin' / 'python').exists(), reason='needs make setup')
@pytest.mark.parametrize('name', ['clean_ends', 'demo', 'demo_data', 'dense_scenes', 'fuzz',
                                  'reproduce', 'soak', 'track_eval'])
def test_a_tool_explains_itself_from_another_folder_without_the_prepared_python(name, tmp_path):
    # Isolated: it knows the standard library alone, as the Python of a bare machine does.
    command = [sys._base_executable, '-S', str(ROOT / 'tools' / name), '--help']
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert f'usage: {name}' in ended.stdout


@pytest.mark.parametrize('kind, name', [('granules', 'granule'), ('nuclei', 'nucleus')])
def test_dense_scenes_hold_many_objects_that_do_not_overlap(kind, name, tmp_path):
    pycoco = pytest.importorskip('pycocotools.mask')
    subprocess.run([sys.executable, str(ROOT / 'tools' / 'dense_scenes'), str(tmp_path), '--kind',
                    kind, '--count', '1'], check=True, capture_output=True)
    [path] = (tmp_path / 'annotations').iterdir()
    content = json.loads(path.read_text())
    assert [category['name'] for category in content['categories']] == [name]
    objects = content['annotations']
    assert 90 <= len(objects) <= 300
    masks = pycoco.decode([item['segmentation'] for item in objects])
    assert masks.shape[:2] == (512, 512) and masks.sum(-1).max() == 1
    assert masks.sum((0, 1)).tolist() == [item['area'] for item in objects]
    [image] = content['images']
    assert (tmp_path / 'images' / image['file_name']).exists()
