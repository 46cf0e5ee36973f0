"""Errors as people read them."""

import pytest

from yolact_ros.ros.reason import reason_of


@pytest.mark.parametrize('error, text', [
    (ValueError('weights a.pth not found'), 'weights a.pth not found'),
    (KeyError('box'), "KeyError: 'box'"), (ValueError(), 'ValueError: '),
    (OSError('x' * 5000), 'x' * 1000 + '...')],
    ids=['clear', 'of code', 'without a word', 'endless'])
def test_an_error_becomes_one_line(error, text):
    assert reason_of(error) == text
