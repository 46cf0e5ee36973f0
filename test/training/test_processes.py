"""How the cores are shared between learning and loading."""

import os

import pytest
import torch

from yolact_ros.training.processes import Processes, default_threads

CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    """Pretend a machine of eight free cores and no wishes."""
    monkeypatch.setattr(os, 'sched_getaffinity', lambda number: set(range(8)))
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)


@pytest.mark.parametrize('workers, threads', [(0, 8), (2, 6), (7, 1), (8, 1), (20, 1)])
def test_loaders_get_a_core_each_and_one_is_left_to_learn(workers, threads):
    assert default_threads(workers, Processes(CPU)) == threads


def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    assert default_threads(1, Processes(CPU, 0, 4)) == 3


def test_threads_that_were_asked_for_stay(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    assert default_threads(2, Processes(CPU)) == 5
