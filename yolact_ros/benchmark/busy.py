"""Processes that keep processor cores busy, as the other nodes of a robot do."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from yolact_ros.benchmark.measure import Work

# Ends with its parent, however that ends.
PROGRAM = 'import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass'


@contextmanager
def busy_neighbours(count: int) -> Iterator[Callable[[bool], None]]:
    """
    Keep count processes ready that use a core each; the function given starts and stops them.

    They are asleep at first, and gone after the block.
    """
    neighbours = [subprocess.Popen([sys.executable, '-c', PROGRAM]) for _ in range(count)]

    def switch(on: bool) -> None:
        for neighbour in neighbours:
            neighbour.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    try:
        switch(False)
        yield switch
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


def with_neighbours(works: Mapping[str, Work], switch: Callable[[bool], None],
                    count: int) -> dict[str, Work]:
    """Return each work twice: as it is, and beside count busy processes."""
    def beside(work: Work) -> Work:
        def run() -> Mapping[str, float]:
            switch(True)
            try:
                return work()
            finally:
                switch(False)
        return run

    doubled: dict[str, Work] = {}
    for name, work in works.items():
        doubled |= {name: work, f'{name}, {count} busy': beside(work)}
    return doubled
