"""Who changes how the process keeps memory: programs, not the library."""

import sys

import pytest
import torch

from yolact_ros import memory
from yolact_ros.commands import models, segment
from yolact_ros.commands.main import main
from yolact_ros.config import yolact_plus_tiny
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.predictor import open_predictor
from yolact_ros.model.yolact import Yolact

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='needs mallopt')


class StandInLibrary:
    """A C library that notes what mallopt is told."""

    def __init__(self):
        self.told = []

    def CDLL(self, name):  # noqa: N802
        """Return itself, whatever library is asked for."""
        return self

    def mallopt(self, parameter, value):
        """Agree."""
        self.told.append(parameter)
        return 1


@pytest.fixture
def told(monkeypatch):
    """Return the parameters that mallopt is told."""
    library = StandInLibrary()
    monkeypatch.setattr(memory, 'ctypes', library)
    return library.told


def test_opening_a_predictor_leaves_the_process_as_it_is(told):
    open_predictor('demo', device='cpu', backend='torch')
    TorchBackend(Yolact(yolact_plus_tiny()).eval(), torch.device('cpu'), 'float32')
    assert told == []


def test_a_command_that_predicts_keeps_freed_memory(told, monkeypatch):
    monkeypatch.setattr(segment, 'run', lambda args: 0)
    assert main(['segment', 'photo.jpg']) == 0
    assert told == [memory._MMAP_THRESHOLD, memory._TRIM_THRESHOLD]


def test_a_command_that_does_not_predict_leaves_the_process_as_it_is(told, monkeypatch):
    monkeypatch.setattr(models, 'run', lambda args: 0)
    assert main(['models']) == 0
    assert told == []
