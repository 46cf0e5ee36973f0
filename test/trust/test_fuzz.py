"""Damaged inputs of every kind are read or refused; the long form is tools/fuzz."""

import shutil

import numpy as np
import pytest

from tools.trust.engine import fuzz, run_apart
from tools.trust.mutate import mutate_bytes, mutate_tree
from tools.trust.target import Target
from tools.trust.targets import TARGETS


@pytest.mark.parametrize('name', TARGETS)
def test_damaged_inputs_do_no_harm(name, tmp_path):
    if name == 'mask in C++' and not shutil.which('c++'):
        pytest.skip('needs a C++ compiler')
    tally = fuzz(TARGETS[name], seed=0, folder=tmp_path, seconds=0.3)
    assert tally.findings == {}
    assert tally.inputs > 0


def target(consume):
    """Return a target whose reader is that function."""
    return Target('made up', lambda: [bytes(100)], lambda data: data == bytes(100) or
                  consume(data), slow_s=0.05)


@pytest.mark.parametrize('consume, what', [
    (lambda data: data.index(b'absent') if len(data) < 0 else {}['key'], 'KeyError at'),
    (lambda data: sum(range(10 ** 7)), 'slower than'),
    (lambda data: np.ones(600 << 20, np.uint8).sum(), 'more than 512 MiB'),
], ids=['error', 'slow', 'hungry'])
def test_harmful_inputs_are_found_and_kept(consume, what, tmp_path):
    tally = fuzz(target(consume), seed=0, folder=tmp_path, seconds=20, most=1)
    (found, path), *_ = [item for item in tally.findings.items() if what in item[0]]
    assert found.startswith(what)
    assert len(open(path, 'rb').read()) >= 0


def test_promised_errors_are_refusals(tmp_path):
    def refuse(data):
        raise ValueError('damaged')
    tally = fuzz(target(refuse), seed=0, folder=tmp_path, seconds=20, most=5)
    assert (tally.inputs, tally.refused, tally.findings) == (5, 5, {})


def test_process_that_dies_is_a_finding(tmp_path):
    tally = run_apart('no such kind', 0, tmp_path, 1.0)
    assert [what.startswith('the process died with 1: KeyError') for what in tally.findings] == [
        True]


def test_damage_is_the_same_for_the_same_seed():
    data, tree = bytes(range(200)), {'a': [1, {'b': 2}], 'c': 'd'}
    one, other = (mutate_bytes(data, [data], np.random.default_rng(3)) for _ in range(2))
    assert one == other != data
    assert str(mutate_tree(tree, np.random.default_rng(3))) == str(
        mutate_tree(tree, np.random.default_rng(3)))
    assert tree == {'a': [1, {'b': 2}], 'c': 'd'}
