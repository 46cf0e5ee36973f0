"""Signals end a process once, with everything half-written taken away."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.trust.interrupt import half_written

ROOT = Path(__file__).resolve().parents[1]
# A command that writes for ever, as main() runs it.
PROGRAM = """
import sys, time, types
from pathlib import Path
from yolact_ros.commands import main
from yolact_ros.files import replacing
def run(args):
    with replacing(Path('out.json')) as part:
        part.write_text('[1, 2')
        print('at work', flush=True)
        try:
            while True:
                time.sleep(0.01)
        finally:
            time.sleep(0.3)  # a second signal comes meanwhile
sys.modules['yolact_ros.commands.segment'] = types.SimpleNamespace(
    add_arguments=lambda parser: None, run=run)
sys.argv = ['yolact', 'segment']
sys.exit(main.main())
"""


def hear_hangups():
    """Undo what nohup around the tests leaves to every process."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def run_program(program):
    """Return what became of a program that ends by itself."""
    return subprocess.run([sys.executable, '-c', program], text=True, check=False,
                          capture_output=True, timeout=20, env={'PYTHONPATH': str(ROOT)})


@pytest.fixture
def started(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', PROGRAM], cwd=tmp_path, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=hear_hangups,
                               env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'})
    assert process.stdout.readline() == 'at work\n'
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize('signals, code', [
    ([signal.SIGINT], 130), ([signal.SIGINT, signal.SIGINT], 130), ([signal.SIGTERM], 143),
    ([signal.SIGHUP], 129)], ids=['Ctrl-C', 'twice', 'SIGTERM', 'SIGHUP'])
def test_a_signal_ends_the_command_and_leaves_nothing_behind(started, tmp_path, signals, code):
    for number in signals:
        started.send_signal(number)
    _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors.strip()) == (code, 'yolact segment: interrupted')
    assert list(tmp_path.iterdir()) == []


def test_half_written_files_are_found(tmp_path):
    (tmp_path / '.out.part-7.mp4').touch()
    (tmp_path / 'a.json').write_text('[1, 2')
    (tmp_path / 'b.png').write_bytes(b'\x89PNG')
    (tmp_path / 'good.json').write_text('[]')
    assert [line.partition(':')[0] for line in half_written(tmp_path)] == [
        'left behind', 'no JSON', 'no image']


def test_a_signal_amid_an_import_waits_for_its_end(tmp_path):
    (tmp_path / 'slow.py').write_text(
        'import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(0.2)\n'
        'print("imported", flush=True)\n')
    program = ('import sys, time\nfrom yolact_ros.signals import Interrupted, interrupt_once\n'
               'interrupt_once()\ntry:\n    import slow\n    time.sleep(30)\n'
               'except Interrupted as interrupt:\n    sys.exit(interrupt.args[0])\n')
    ran = subprocess.run([sys.executable, '-c', program], cwd=tmp_path, text=True, check=False,
                         capture_output=True, timeout=60, env={'PYTHONPATH': str(ROOT)})
    assert (ran.returncode, ran.stdout, ran.stderr) == (signal.SIGTERM, 'imported\n', '')


@pytest.mark.parametrize('lose', [
    'class Lost:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGTERM)\n'
    '        time.sleep(0.01)\nLost()\ntime.sleep(30)',
    'try:\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(0.01)\nexcept Interrupted:\n'
    '    pass\ntime.sleep(30)'], ids=['in __del__', 'in a library'])
def test_an_interrupt_that_vanishes_comes_again(lose):
    program = ('import os, signal, sys, time\n'
               'from yolact_ros.signals import Interrupted, interrupt_once\ninterrupt_once()\n'
               f'exec({lose!r})')
    ran = run_program(program)
    assert ran.returncode != 0
    assert ran.stderr.splitlines()[-1] == f'yolact_ros.signals.Interrupted: {signal.SIGTERM.value}'


def test_an_interrupt_comes_once_while_it_is_tidied_up():
    program = ('import os, signal, sys, time\n'
               'from yolact_ros.signals import Interrupted, interrupt_caught, interrupt_once\n'
               'interrupt_once()\ntry:\n    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n'
               '        time.sleep(1)\n    finally:\n        time.sleep(0.3)\n'
               '        print("tidied up")\nexcept Interrupted:\n    interrupt_caught()\n'
               'time.sleep(0.3)\nprint("went on")')
    ran = run_program(program)
    assert (ran.stdout, ran.stderr) == ('tidied up\nwent on\n', '')


def test_an_error_after_an_interrupt_that_was_caught_is_told_as_such():
    program = ('import os, signal, time\nfrom yolact_ros.signals import (\n'
               '    Interrupted, interrupt_caught, interrupt_once, keep_interrupt)\n'
               'interrupt_once()\nwith keep_interrupt():\n    try:\n'
               '        os.kill(os.getpid(), signal.SIGINT)\n        time.sleep(5)\n'
               '    except Interrupted:\n        interrupt_caught()\n'
               '    raise OSError("the disk is full")')
    ran = run_program(program)
    assert ran.stderr.splitlines()[-1] == 'OSError: the disk is full'


def test_an_interrupt_that_a_library_tells_as_an_error_is_an_interrupt(tmp_path):
    program = PROGRAM.replace('time.sleep(0.01)', """try:
                    time.sleep(0.01)
                except BaseException:
                    raise ValueError('could not determine the shape')""")
    process = subprocess.Popen([sys.executable, '-c', program], cwd=tmp_path, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'})
    assert process.stdout.readline() == 'at work\n'
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.strip()) == (143, 'yolact segment: interrupted')


def test_what_is_ignored_from_the_start_stays_ignored():
    program = ('import os, signal\nfrom yolact_ros.signals import interrupt_once\n'
               'signal.signal(signal.SIGHUP, signal.SIG_IGN)\ninterrupt_once()\n'
               'os.kill(os.getpid(), signal.SIGHUP)\nprint("goes on")\n')
    ran = subprocess.run([sys.executable, '-c', program], text=True, check=False,
                         capture_output=True, timeout=60, env={'PYTHONPATH': str(ROOT)})
    assert ran.stdout == 'goes on\n'
