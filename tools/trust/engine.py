"""Run a target on damaged inputs with bounded memory; keep each input that does harm."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tools.trust.target import Target

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 6 << 30  # [bytes] that this process may ask for; protects the machine
HUNGRY_MIB = 512  # an input that takes more is a finding
HANGS_S = 180.0  # beyond the time given, which starting takes a part of
CURRENT = 'current'  # the input in work: what is left of it when the process dies
MOST_FINDINGS = 50  # of one kind and run; more only repeat themselves


@dataclass
class Tally:
    """
    What became of the inputs of a target.

    :param peak_mib: most memory that one input took [MiB].
    :param slowest_s: most processor time that one input took [s].
    :param findings: kind of failure -> file with its input.
    """

    inputs: int = 0
    refused: int = 0
    peak_mib: float = 0.0
    slowest_s: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)

    def line(self, name: str) -> str:
        """Return one row of the table."""
        return (f'{name:<24}{self.inputs:>9}{self.refused:>9}{self.peak_mib:>9.0f}'
                f'{1e3 * self.slowest_s:>9.0f}{len(self.findings):>10}')


def limit_memory(extra: int = MEMORY) -> None:
    """Let this process ask for no more than it has now and a bit."""
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    limit = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def fuzz(target: Target, seed: int, folder: Path, seconds: float, most: int = 10 ** 9) -> Tally:
    """
    Read damaged inputs for some time; this process dies where one is deadly.

    :param folder: where harmful inputs are kept; holds the one in work under the name CURRENT.
    :param most: inputs at most.
    """
    folder.mkdir(parents=True, exist_ok=True)
    corpus = target.corpus()
    for good in corpus:
        target.consume(good)
    random, tally = np.random.default_rng(seed), Tally()
    end = time.monotonic() + seconds
    while tally.inputs < most and time.monotonic() < end:
        data = target.mutate(corpus[random.integers(len(corpus))], corpus, random)
        (folder / CURRENT).write_bytes(data)
        _try(target, data, tally, folder)
        if len(tally.findings) >= MOST_FINDINGS:
            break
    (folder / CURRENT).unlink(missing_ok=True)
    return tally


def _try(target: Target, data: bytes, tally: Tally, folder: Path) -> None:
    """Read one input; any other error than a refusal is a finding, and so is slowness."""
    tally.inputs += 1
    before, start = _start_peak(), _processor_s()
    try:
        target.consume(data)
    except target.refusals:
        tally.refused += 1
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        _keep(tally, f'{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: '
                     f'{str(error)[:100]}', data, folder)
    taken, grown = _processor_s() - start, _status('VmHWM') - before
    tally.peak_mib = max(tally.peak_mib, grown)
    if grown > HUNGRY_MIB:
        _keep(tally, f'more than {HUNGRY_MIB} MiB', data, folder)
    tally.slowest_s = max(tally.slowest_s, taken)
    if taken > target.slow_s:
        _keep(tally, f'slower than {target.slow_s} s', data, folder)


def _keep(tally: Tally, what: str, data: bytes, folder: Path) -> None:
    """Keep the first input of each kind of failure."""
    if what not in tally.findings:
        path = folder / hashlib.sha256(data).hexdigest()[:16]
        path.write_bytes(data)
        tally.findings[what] = str(path)


def _processor_s() -> float:
    """Return what this process and those it waited for have computed; a busy machine adds none."""
    return sum(os.times()[:4])


def _start_peak() -> float:
    """Begin to note the most memory anew; return what is in use now [MiB]."""
    Path('/proc/self/clear_refs').write_text('5')
    return _status('VmRSS')


def _status(name: str) -> float:
    """Return a size of this process [MiB]."""
    text = Path('/proc/self/status').read_text()
    return int(text.partition(f'{name}:')[2].split()[0]) / 1024


def run_apart(name: str, seed: int, folder: Path, seconds: float) -> Tally:
    """Fuzz a target in a process of its own; its death is a finding."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, '-m', 'tools.trust.worker', name, str(seed), str(folder),
               str(seconds)]
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False,
                             timeout=seconds + HANGS_S)
        lines = ran.stdout.splitlines()
        if ran.returncode == 0 and lines:
            return Tally(**json.loads(lines[-1]))
        why = (ran.stderr.strip().splitlines() or ['no word'])[-1][:200]
        what = f'the process died with {ran.returncode}: {why}'
    except subprocess.TimeoutExpired:
        what = 'the process hangs'
    tally, current = Tally(), folder / CURRENT
    _keep(tally, what, current.read_bytes() if current.exists() else b'', folder)
    return tally


def add(total: Tally, part: Tally) -> Tally:
    """Return two runs of a target as one."""
    return Tally(total.inputs + part.inputs, total.refused + part.refused,
                 max(total.peak_mib, part.peak_mib), max(total.slowest_s, part.slowest_s),
                 {**part.findings, **total.findings})


HEADER = f'{"kind":<24}{"inputs":>9}{"refused":>9}{"MiB":>9}{"ms":>9}{"findings":>10}'
