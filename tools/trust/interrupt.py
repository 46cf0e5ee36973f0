"""Run a command, interrupt it at a moment, and look for what a clean end does not leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

START_S = 0.3    # Python itself, whose own tracebacks nobody can help, has started by then
LONGEST_S = 20.0  # from the signal to the end, on a busy machine
HANG_S = 300.0
WORDS = ('Traceback', 'terminate called', 'Exception ignored', 'Fatal Python error', 'core dumped')


@dataclass(frozen=True)
class Case:
    """
    A command that can be interrupted.

    :param command: returns its words; gets the folder that it runs in, where inputs are made.
    :param ready: words in its output by which an endless command tells that it is at work; ''
        for a command with an end.
    :param codes: exit codes that are right after a signal, beside 0 when it came too late; a
        negative one is that of a process which the signal ended while it was loading.
    :param provoke: called when it is ready, before the signal: asks for a reload, for instance.
    """

    command: Callable[[Path], Sequence[str]]
    ready: str = ''
    codes: tuple[int, ...] = (130, 143, 129)
    provoke: Callable[[], None] | None = None


@dataclass(frozen=True)
class Moment:
    """
    When the signal comes.

    :param whole_s: how long the command takes, or until it is ready [s].
    :param share: in [0, 1), shifts it a little.
    """

    where: str
    whole_s: float
    share: float

    def delay(self, endless: bool) -> float:
        """Return the seconds to wait, from the start or, with an endless one, from ready."""
        if self.where == 'start':
            return START_S + self.share * 0.3 * self.whole_s
        if endless:
            return self.share * (0.3 if self.where == 'middle' else 3.0)
        return self.whole_s * (0.35 + 0.4 * self.share if self.where == 'middle'
                               else 0.85 + 0.2 * self.share)


@dataclass
class End:
    """How a command ended, and what was wrong with that."""

    seconds: float
    faults: list[str] = field(default_factory=list)


def run_to_the_end(case: Case, folder: Path) -> End:
    """Run a command without a signal, an endless one until it is ready."""
    process, log, start = _start(case, folder)
    if case.ready:
        _wait_for(case.ready, log, process)
        ready = time.monotonic() - start
        process.send_signal(signal.SIGINT)
        return End(ready, _faults(process, log, folder, (0, *case.codes)))
    process.wait(HANG_S)
    return End(time.monotonic() - start, _faults(process, log, folder, (0,)))


def run_until(case: Case, folder: Path, moment: Moment, signals: Sequence[int]) -> End:
    """Run a command and send it signals at a moment."""
    process, log, start = _start(case, folder)
    if case.ready and moment.where != 'start':
        _wait_for(case.ready, log, process)
        if case.provoke is not None:
            case.provoke()
    deadline = time.monotonic() + moment.delay(bool(case.ready))
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    codes = (0, *case.codes, *(-number for number in signals if moment.where == 'start'))
    return End(time.monotonic() - start, _faults(process, log, folder, codes))


def _start(case: Case, folder: Path) -> tuple[subprocess.Popen, Path, float]:
    """Return the started process, the file with its output and the time."""
    words = [str(word) for word in case.command(folder)]
    log = folder / 'output.txt'
    with log.open('w') as file:
        process = subprocess.Popen(
            words, stdout=file, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True,
            env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONUNBUFFERED': '1'})
    return process, log, time.monotonic()


def _wait_for(words: str, log: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + HANG_S
    while words not in log.read_text() and process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            raise TimeoutError(f'no {words!r} in {log.read_text()[-500:]!r}')
        time.sleep(0.02)


def _faults(process: subprocess.Popen, log: Path, folder: Path, codes: Sequence[int]) -> list[str]:
    """Wait for the end and return what is wrong with it."""
    try:
        code = process.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return [f'still there {LONGEST_S:.0f} s after the signal']
    text, faults = log.read_text(errors='replace'), []
    if code not in codes:
        faults.append(f'exit code {code}: {text[-300:]!r}')
    faults += [f'{words}: {text[-600:]!r}' for words in WORDS if words in text]
    return faults + half_written(folder)


def half_written(folder: Path) -> list[str]:
    """Return a line for every file that is a part of one, or damaged."""
    faults = []
    for path in sorted(folder.rglob('*')):
        if '.part-' in path.name:
            faults.append(f'left behind: {path.relative_to(folder)}')
        elif path.suffix == '.json' and not _is_json(path):
            faults.append(f'no JSON: {path.relative_to(folder)}')
        elif path.suffix in ('.png', '.jpg') and cv2.imread(str(path)) is None:
            faults.append(f'no image: {path.relative_to(folder)}')
        elif path.suffix == '.safetensors' and not _is_whole(path):
            faults.append(f'cut off: {path.relative_to(folder)}')
    return faults


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def _is_whole(path: Path) -> bool:
    """Return whether a safetensors file is as long as its header says."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + length])
    ends = [row['data_offsets'][1] for name, row in header.items() if name != '__metadata__']
    return len(data) == 8 + length + max(ends, default=0)
