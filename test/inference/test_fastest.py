"""The choice between torch and OpenVINO, with times that no machine had to measure."""

import json
import logging
from dataclasses import replace

import pytest
import torch

from yolact_ros.config import MODEL_PRESETS
from yolact_ros.inference import fastest
from yolact_ros.inference.backends import TorchBackend
from yolact_ros.inference.fastest import (
    Times,
    fastest_cpu_backend,
    read_times,
    times_path,
    write_times,
)
from yolact_ros.model.yolact import Yolact


class StandIn:
    """A backend for OpenVINO that only remembers its inputs."""

    def __init__(self):
        self.seen = []

    def __call__(self, x):
        self.seen.append(tuple(x.shape))


def model():
    net = Yolact(replace(MODEL_PRESETS['yolact_plus_tiny'](2), input_size=136)).eval()
    net.initialize(torch.Generator().manual_seed(0))
    return net


def refuse(*_):
    raise AssertionError('must not be called')


@pytest.fixture
def openvino(monkeypatch, tmp_path):
    """Return what stands in for OpenVINO in an empty cache."""
    stand_in = StandIn()
    monkeypatch.setattr(fastest, 'openvino_installed', lambda: True)
    monkeypatch.setattr(fastest, 'openvino_cache', lambda: tmp_path)
    monkeypatch.setattr(fastest, 'model_digest', lambda _: 'digest')
    monkeypatch.setattr(fastest, 'openvino_backend', lambda *_: stand_in)
    return stand_in


@pytest.mark.parametrize(('torch_ms', 'openvino_ms', 'winner'), [
    (100.0, 80.0, 'openvino'), (100.0, 99.0, 'torch'), (80.0, 100.0, 'torch')],
    ids=['clearly faster', 'hardly faster', 'slower'])
def test_the_measured_winner_is_taken_told_and_remembered(openvino, caplog, torch_ms,
                                                          openvino_ms, winner):
    caplog.set_level(logging.INFO, logger=fastest.__name__)
    times = {'torch': torch_ms, 'openvino': openvino_ms}

    first = fastest_cpu_backend(model(), 'float32', lambda backends: times)
    told = [record.getMessage() for record in caplog.records]
    again = fastest_cpu_backend(model(), 'float32', refuse)

    assert 'once for this model and machine' in told[0]
    assert f'runs by {winner}: torch {torch_ms} ms, OpenVINO {openvino_ms} ms' in told[1]
    for backend in (first, again):
        assert (backend is openvino) == (winner == 'openvino')
        assert isinstance(backend, TorchBackend) == (winner == 'torch')


def test_both_backends_are_measured_by_pictures_of_the_networks_size(openvino):
    backend = TorchBackend(model(), torch.device('cpu'), 'float32')

    times = fastest.measure_backends({'torch': backend, 'openvino': openvino})

    assert set(times) == {'torch', 'openvino'} and min(times.values()) > 0
    assert set(openvino.seen) == {(1, 3, 136, 136)}


@pytest.mark.parametrize('content', [
    '', '{"torch_ms": 1', '[1, 2]', '{"torch_ms": 1}', '{"torch_ms": -1, "openvino_ms": 1}',
    '{"torch_ms": "1", "openvino_ms": 1}', '{"torch_ms": NaN, "openvino_ms": 1}'])
def test_a_damaged_file_is_measured_again(openvino, caplog, content):
    path = times_path(model(), 'float32')
    path.write_text(content)

    backend = fastest_cpu_backend(model(), 'float32', lambda _: {'torch': 2.0, 'openvino': 1.0})

    assert backend is openvino
    assert 'measured again' in caplog.text
    assert json.loads(path.read_text()) == {'torch_ms': 2.0, 'openvino_ms': 1.0}


def test_a_folder_that_cannot_be_written_costs_only_the_memory(tmp_path, caplog):
    blocked = tmp_path / 'file'
    blocked.write_text('')

    write_times(blocked / 'a.times.json', Times(1.0, 2.0))

    assert 'the next start measures again' in caplog.text
    assert read_times(tmp_path / 'missing.json') is None


@pytest.mark.parametrize('error', [OSError('read-only file system'), RuntimeError('no such op')])
def test_torch_runs_what_openvino_cannot(openvino, monkeypatch, caplog, error):
    def fail(*_):
        raise error
    monkeypatch.setattr(fastest, 'openvino_backend', fail)

    backend = fastest_cpu_backend(model(), 'float32', refuse)

    assert isinstance(backend, TorchBackend)
    assert [str(error) in record.getMessage() for record in caplog.records
            if record.levelno == logging.WARNING] == [True]


def test_without_openvino_torch_runs_silently(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(fastest, 'openvino_installed', lambda: False)

    assert isinstance(fastest_cpu_backend(model(), 'float32', refuse), TorchBackend)
    assert caplog.text == ''


def test_other_ways_to_run_have_other_times(openvino, monkeypatch):
    usual = times_path(model(), 'float32')
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 77)

    assert len({usual, times_path(model(), 'bfloat16'), times_path(model(), 'float32')}) == 3
