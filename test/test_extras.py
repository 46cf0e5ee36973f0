"""What pip has to bring is named before it is missed."""

import importlib.util
import os
import subprocess
import sys

import pytest

from yolact_ros.extras import FROM_PIP, missing_packages, require


def test_nothing_is_missing_in_the_tested_environment():
    assert missing_packages() is None


@pytest.mark.parametrize('name, line', [
    ('torch', "pip install 'torch>=2.4'"), ('pycocotools', 'pip install pycocotools')])
def test_a_missing_package_is_named_with_the_line_that_brings_it(monkeypatch, name, line):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec',
                        lambda asked: None if asked == name else find(asked))
    assert missing_packages().startswith(f'{name} not installed')
    assert line in missing_packages()


def test_all_missing_packages_are_in_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda _asked: None)
    assert all(name in missing_packages() for name in FROM_PIP)


def test_a_missing_extra_is_named_with_the_line_that_brings_it():
    with pytest.raises(ImportError, match=r"pip install 'yolact_ros\[bag\]'"):
        require('no_such_package', 'bag')


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize('package', ['openvino', 'nncf'])
def test_nothing_is_reported_to_the_makers_of_a_runtime(tmp_path, package):
    """Their reporter leaves a folder with an identity at home before it sends anything."""
    pytest.importorskip(package, reason='the extra int8 is not installed')
    program = (f'from yolact_ros.extras import require; require({package!r}, "int8")\n'
               'import openvino, torch\n'
               'openvino.convert_model(torch.nn.ReLU(), example_input=torch.zeros(1))')
    # Both keep silent in CI and NNCF beneath pytest; a robot is neither.
    environment = {name: value for name, value in os.environ.items()
                   if name not in ('CI', 'TF_BUILD', 'JENKINS_URL')}

    subprocess.run([sys.executable, '-c', program], check=True, timeout=180,
                   env={**environment, 'HOME': str(tmp_path)})

    assert not (tmp_path / 'intel').exists()
