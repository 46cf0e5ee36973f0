"""The choice between torch and OpenVINO, with times that no machine had to measure."""

import logging
from dataclasses import replace

import pytest
import torch

from yolact_ros.config import MODEL_PRESETS, yolact_plus_tiny
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

CONFIG = replace(yolact_plus_tiny(2), input_size=136)
OPENVINO_FASTER, TORCH_FASTER = Times(100.0, 80.0), Times(80.0, 100.0)


class StandIn:
    """A backend for OpenVINO that only remembers its inputs."""

    def __init__(self):
        self.seen = []

    def __call__(self, x):
        self.seen.append(tuple(x.shape))


def model():
    net = Yolact(CONFIG).eval()
    net.initialize(torch.Generator().manual_seed(0))
    return net


@pytest.fixture
def openvino(monkeypatch, tmp_path):
    """Return what stands in for OpenVINO in an empty cache."""
    stand_in = StandIn()
    monkeypatch.setattr(fastest, 'openvino_version', lambda: '2030.1')
    monkeypatch.setattr(fastest, 'openvino_cache', lambda: tmp_path / 'cache')
    monkeypatch.setattr(fastest, 'openvino_backend', lambda *_: stand_in)
    return stand_in


@pytest.mark.parametrize(('times', 'winner'), [
    (OPENVINO_FASTER, 'openvino'), (Times(100.0, 99.0), 'torch'), (TORCH_FASTER, 'torch')],
    ids=['clearly faster', 'hardly faster', 'slower'])
def test_what_was_measured_to_be_faster_is_taken_and_told(openvino, caplog, times, winner):
    caplog.set_level(logging.INFO, logger=fastest.__name__)
    write_times(times_path(CONFIG, 'float32'), times)

    backend = fastest_cpu_backend(model(), 'float32')

    assert (backend is openvino) == (winner == 'openvino')
    assert isinstance(backend, TorchBackend) == (winner == 'torch')
    assert [record.getMessage() for record in caplog.records] == [
        f'yolact_plus_tiny runs by {winner}: torch {times.torch_ms} ms, OpenVINO '
        f'{times.openvino_ms} ms a picture']


def test_openvino_runs_once_before_it_serves(openvino):
    write_times(times_path(CONFIG, 'float32'), OPENVINO_FASTER)

    assert fastest_cpu_backend(model(), 'float32').seen == [(1, 3, 136, 136)]


def test_what_was_not_measured_is_run_by_torch_with_a_hint(openvino, caplog):
    caplog.set_level(logging.INFO, logger=fastest.__name__)

    assert isinstance(fastest_cpu_backend(model(), 'float32'), TorchBackend)
    assert 'yolact benchmark WEIGHTS --backends torch,openvino' in caplog.text


@pytest.mark.parametrize('content', [
    '', '{"torch_ms": 1', '[1, 2]', '{"torch_ms": 1}', '{"torch_ms": -1, "openvino_ms": 1}',
    '{"torch_ms": "1", "openvino_ms": 1}', '{"torch_ms": NaN, "openvino_ms": 1}'])
def test_a_damaged_file_is_not_used(openvino, caplog, content):
    path = times_path(CONFIG, 'float32')
    write_times(path, OPENVINO_FASTER)
    path.write_text(content)

    assert isinstance(fastest_cpu_backend(model(), 'float32'), TorchBackend)
    assert 'is damaged and will not be used' in caplog.text


@pytest.mark.parametrize('error', [OSError('read-only file system'), RuntimeError('no such op')])
def test_torch_runs_what_openvino_cannot(openvino, monkeypatch, caplog, error):
    def fail(*_):
        raise error
    monkeypatch.setattr(fastest, 'openvino_backend', fail)
    write_times(times_path(CONFIG, 'float32'), OPENVINO_FASTER)

    backend = fastest_cpu_backend(model(), 'float32')

    assert isinstance(backend, TorchBackend)
    assert [str(error) in record.getMessage() for record in caplog.records
            if record.levelno == logging.WARNING] == [True]


def test_without_openvino_torch_runs_silently(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(fastest, 'openvino_version', lambda: None)

    assert isinstance(fastest_cpu_backend(model(), 'float32'), TorchBackend)
    assert caplog.text == ''


def test_times_hold_for_networks_of_one_shape_and_one_way_to_run_them(openvino, monkeypatch):
    usual = times_path(CONFIG, 'float32')
    others = [times_path(CONFIG, 'bfloat16'), times_path(yolact_plus_tiny(2), 'float32'),
              times_path(MODEL_PRESETS['yolact_base'](), 'float32')]

    assert times_path(replace(CONFIG, name='mine', class_names=('a', 'b')), 'float32') == usual
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 77)
    assert len({usual, *others, times_path(CONFIG, 'float32')}) == 5
    assert read_times(usual) is None
