"""What pip has to bring is named before it is missed."""

import importlib.util

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
