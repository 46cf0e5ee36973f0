"""One training on several devices: what torchrun says, and agreement between the processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from yolact_ros.devices import choose_device
from yolact_ros.threads import usable_cores

# The first process measures AP while the others wait.
PATIENCE = timedelta(hours=3)


@dataclass(frozen=True)
class Processes:
    """
    This process's place among those of a training.

    :param rank: number of this process; 0 writes files and talks.
    :param world: how many there are.
    """

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Return whether this process writes and talks."""
        return self.rank == 0

    def all_of(self, flags: list[bool]) -> list[bool]:
        """Return for each flag whether it is true in every process."""
        if self.world == 1:
            return flags
        votes = torch.tensor(flags, dtype=torch.int32, device=self.device)
        distributed.all_reduce(votes, distributed.ReduceOp.MIN)
        return [bool(vote) for vote in votes.tolist()]

    def of_main(self, value: float) -> float:
        """Return the first process's value in every process."""
        if self.world == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return shared.item()

    @contextmanager
    def one_first(self) -> Iterator[None]:
        """Let the first process do what the others then find done."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def wait(self) -> None:
        """Return when all processes are here."""
        if self.world > 1:
            distributed.barrier()


def default_threads(workers: int, processes: Processes) -> int:
    """
    Return how many threads leave a core to each loader process of this training, at least one.

    More threads than free cores wait for each other: a step then takes many times as long.
    """
    chosen = os.environ.get('OMP_NUM_THREADS', '')
    if chosen.isdecimal():
        return max(int(chosen), 1)
    # Of this machine's processes only: torchrun names them.
    local = int(os.environ.get('LOCAL_WORLD_SIZE', '1')) if processes.world > 1 else 1
    return max(usable_cores() // local - workers, 1)


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """
    Join the processes that torchrun started, or be the only one.

    :param device: see choose_device; with several CUDA devices each process takes its own.
    """
    world = int(os.environ.get('WORLD_SIZE', '1'))
    chosen = choose_device(device)
    if world == 1:
        yield Processes(chosen)
        return
    if chosen.type == 'cuda':
        chosen = torch.device('cuda', int(os.environ['LOCAL_RANK']))
        torch.cuda.set_device(chosen)
    distributed.init_process_group('nccl' if chosen.type == 'cuda' else 'gloo', timeout=PATIENCE)
    try:
        yield Processes(chosen, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
