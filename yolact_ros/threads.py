"""How many threads to use beside others."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

MOST_THREADS = 1024
THREADS_HELP = 'processor threads of the network (default: the cores that the process may use)'


def usable_cores(root: Path = Path('/')) -> int:
    """
    Return how many cores this process may keep busy, at least one.

    That is those it may run on, or fewer where a container is granted less: of a quota of 1.5
    cores two threads would be stopped for a quarter of the time.

    :param root: of the file system; tests bring their own.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return max(min(cores or 1, int(min(_quotas(root), default=MOST_THREADS))), 1)


def _quotas(root: Path) -> Iterator[float]:
    """Yield the cores granted to this process's control group and to those around it."""
    for kind, group in _groups(root):
        mount = root / 'sys/fs/cgroup' / kind
        # In a container the path may be that of the host, of which only the mount is seen.
        for folder in (mount / group, *(mount / group).parents):
            yield from _quota_of(folder)
            if folder == mount:
                break


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """Yield controller ('' for cgroup 2) and path of the groups that limit processor time."""
    for line in _words_by_line(root / 'proc/self/cgroup', ':'):
        if len(line) == 3 and (not line[1] or 'cpu' in line[1].split(',')):
            yield ('cpu' if line[1] else ''), line[2].lstrip('/')


def _quota_of(folder: Path) -> Iterator[float]:
    """Yield the cores that a control group is granted, if it is limited."""
    words = [word for line in _words_by_line(folder / 'cpu.max') for word in line] or [
        word for name in ('cpu.cfs_quota_us', 'cpu.cfs_period_us')
        for line in _words_by_line(folder / name) for word in line]
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
        yield int(words[0]) / int(words[1])


def _words_by_line(path: Path, separator: str | None = None) -> list[list[str]]:
    """Return the words of a file's lines; none where it cannot be read."""
    try:
        return [line.split(separator, 2) for line in path.read_text().splitlines()]
    except OSError:
        return []


@contextmanager
def openmp_threads(count: int | None) -> Iterator[None]:
    """
    Let the calling thread start at most count OpenMP threads; None leaves them alone.

    Only this thread is concerned. torch.set_num_threads speaks for the whole process and throws
    away prepared convolutions, which costs milliseconds each time.
    """
    openmp = _openmp() if count else None
    if openmp is None:
        yield
        return
    before = openmp.omp_get_max_threads()
    openmp.omp_set_num_threads(count)
    try:
        yield
    finally:
        openmp.omp_set_num_threads(before)


@lru_cache(maxsize=1)
def _openmp() -> ctypes.CDLL | None:
    """Return the OpenMP that torch loads for everyone; None where it does not."""
    process = ctypes.CDLL(None) if sys.platform.startswith('linux') else None
    return process if hasattr(process, 'omp_set_num_threads') else None
