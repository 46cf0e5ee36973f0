"""How many threads, and how they wait."""

import os
from pathlib import Path

import pytest

from yolact_ros.threads import openmp_threads, usable_cores

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    """Pretend a process that may run on eight cores."""
    monkeypatch.setattr(os, 'sched_getaffinity', lambda number: set(range(8)))


def system(root, files):
    """Return a root with files of a system, whose processes are in the group /a/b."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + '\n')
    return root


V2 = {'proc/self/cgroup': '0::/a/b'}
V1 = {'proc/self/cgroup': '5:cpuset:/a\n1:cpu,cpuacct:/a/b'}
TWO = {'sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us': '200000',
       'sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us': '100000'}


@pytest.mark.parametrize('files, cores', [
    ({}, 8),
    (V2, 8),
    ({**V2, 'sys/fs/cgroup/a/b/cpu.max': 'max 100000'}, 8),
    ({**V2, 'sys/fs/cgroup/a/b/cpu.max': '350000 100000'}, 3),
    ({**V2, 'sys/fs/cgroup/a/b/cpu.max': '50000 100000'}, 1),
    ({**V2, 'sys/fs/cgroup/a/b/cpu.max': '1600000 100000'}, 8),
    ({**V2, 'sys/fs/cgroup/a/cpu.max': '200000 100000',
      'sys/fs/cgroup/a/b/cpu.max': '400000 100000'}, 2),
    ({**V2, 'sys/fs/cgroup/cpu.max': '200000 100000'}, 2),
    ({**V2, 'sys/fs/cgroup/a/b/cpu.max': 'nonsense'}, 8),
    ({**V1, **TWO}, 2),
    ({**V1, **TWO, 'sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us': '-1'}, 8),
], ids=['nothing known', 'no limit', 'max', 'three and a half', 'half a core', 'too much',
        'an outer group has less', 'seen from inside a container', 'unreadable', 'cgroup 1',
        'cgroup 1 without limit'])
def test_a_quota_of_processor_time_counts_in_whole_cores(tmp_path, files, cores):
    assert usable_cores(system(tmp_path, files)) == cores


def test_only_cores_that_the_process_may_run_on_count(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda number: {3})
    assert usable_cores(tmp_path) == 1


def test_openmp_threads_are_those_of_the_block_only():
    torch = pytest.importorskip('torch')
    before = torch.get_num_threads()
    with openmp_threads(before + 2):
        assert torch.get_num_threads() == before + 2
        with openmp_threads(None):
            assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before
