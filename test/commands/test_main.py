"""The `yolact` command: choosing, helping, failing."""

import argparse
import importlib
import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest

from yolact_ros.commands.main import COMMANDS, main


@pytest.fixture
def command(monkeypatch):
    """Add a command 'try' whose run() is set by the test; undo its set-up of logging."""
    module = SimpleNamespace(run=lambda args: 0,
                             add_arguments=lambda parser: parser.add_argument('--depth', type=int))
    monkeypatch.setitem(COMMANDS, 'try', 'try something')
    monkeypatch.setitem(sys.modules, 'yolact_ros.commands.try', module)
    loggers = logging.getLogger(), logging.getLogger('yolact_ros')
    levels = [logger.level for logger in loggers]
    yield module
    for logger, level in zip(loggers, levels):
        logger.setLevel(level)


def failing(error: BaseException):
    """Return a run() that raises."""
    def run(args):
        raise error
    return run


def test_without_arguments_the_commands_are_listed(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    for name, text in COMMANDS.items():
        assert name in shown
        assert text in shown


def test_help_lists_the_commands_too(capsys):
    assert main(['--help']) == 0
    assert 'yolact segment photo.jpg -o out.jpg' in capsys.readouterr().out


@pytest.mark.parametrize('name', COMMANDS)
def test_every_argument_of_a_command_is_explained(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(f'yolact_ros.commands.{name}').add_arguments(parser)
    assert [action.dest for action in parser._actions if not action.help] == []


def test_version_is_one_line(capsys):
    assert main(['--version']) == 0
    assert capsys.readouterr().out.startswith('yolact ')


@pytest.mark.parametrize(('argv', 'message'), [
    (['segmnt'], "invalid choice: 'segmnt' (choose from"), (['--wrong'], 'required: COMMAND')])
def test_an_unknown_command_is_a_usage_error(argv, message, capsys):
    assert main(argv) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('name', ['segment', 'download', 'models'])
def test_every_command_explains_itself(name, capsys):
    assert main([name, '--help']) == 0
    shown = capsys.readouterr().out
    assert f'usage: yolact {name}' in shown
    assert '--debug' in shown


@pytest.mark.parametrize('name', list(COMMANDS))
def test_every_command_has_arguments_and_a_run(name):
    module = importlib.import_module(f'yolact_ros.commands.{name}')
    assert callable(module.add_arguments)
    assert callable(module.run)


def test_arguments_reach_the_command_and_its_exit_code_comes_back(command):
    command.run = lambda args: args.depth
    assert main(['try', '--depth', '5']) == 5


def test_a_wrong_argument_is_a_usage_error(command, capsys):
    assert main(['try', '--depth', 'deep']) == 2
    assert "invalid int value: 'deep'" in capsys.readouterr().err


@pytest.mark.parametrize(('error', 'expected'), [
    (ValueError('boxes must be (N, 4),\n   got (3, 5)'), 'boxes must be (N, 4), got (3, 5)'),
    (FileNotFoundError("checkpoint 'a' not found"), "checkpoint 'a' not found"),
    (PermissionError(13, 'Permission denied', '/root/x'), "'/root/x': Permission denied"),
    (OSError(28, 'No space left on device'), 'No space left on device'),
    (RuntimeError('no CUDA device'), 'no CUDA device'),
    (ModuleNotFoundError("No module named 'onnx'", name='onnx.helper'),
     'No module named \'onnx\'; install it with "pip install onnx"'),
    (ImportError('COCO masks need pycocotools'), 'COCO masks need pycocotools'),
    (MemoryError('for 3 GB'), 'not enough memory for 3 GB'),
    (RuntimeError(), 'RuntimeError'),
], ids=lambda value: type(value).__name__)
def test_a_failure_is_one_paragraph_and_exit_code_1(command, capsys, error, expected):
    command.run = failing(error)
    assert main(['try']) == 1
    assert capsys.readouterr().err == f'yolact try: {expected}\n'


def test_debug_adds_the_traceback(command, capsys):
    command.run = failing(ValueError('wrong'))
    assert main(['try', '--debug']) == 1
    errors = capsys.readouterr().err
    assert 'Traceback' in errors
    assert errors.endswith('yolact try: wrong\n')


def test_a_bug_of_ours_keeps_its_traceback(command):
    command.run = failing(AssertionError('impossible'))
    with pytest.raises(AssertionError, match='impossible'):
        main(['try'])


def test_ctrl_c_is_exit_code_130(command, capsys):
    command.run = failing(KeyboardInterrupt())
    assert main(['try']) == 130
    assert 'interrupted' in capsys.readouterr().err


def test_a_command_whose_module_is_broken_is_one_paragraph(monkeypatch, capsys):
    monkeypatch.setitem(COMMANDS, 'no_such', 'try something')
    assert main(['no_such']) == 1
    assert 'No module named' in capsys.readouterr().err


def test_messages_of_the_library_are_shown(command, caplog):
    caplog.set_level(logging.INFO)
    command.run = lambda args: logging.getLogger('yolact_ros.x').info('12 pictures') or 0
    assert main(['try']) == 0
    assert '12 pictures' in caplog.text


def test_debug_shows_the_details_of_this_library_only(command, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), 'handlers', [])  # pytest's stand for a set-up

    def run(args):
        for name in ('yolact_ros.x', 'matplotlib.font_manager'):
            logging.getLogger(name).debug('a detail of %s', name)
            logging.getLogger(name).info('a message of %s', name)
        return 0
    command.run = run

    assert main(['try', '--debug']) == 0

    assert capsys.readouterr().err.splitlines() == [
        'a detail of yolact_ros.x', 'a message of yolact_ros.x',
        'a message of matplotlib.font_manager']


@pytest.mark.parametrize('argv', [['--help'], ['segment', '--help'], ['download', '--help']])
def test_help_does_not_wait_for_torch(argv):
    code = (f'import sys\nfrom yolact_ros.commands.main import main\nmain({argv})\n'
            'sys.exit("torch is imported" if "torch" in sys.modules else 0)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          env={'PYTHONPATH': ':'.join(sys.path)})
    assert done.returncode == 0, done.stderr


def test_a_reader_that_has_seen_enough_is_no_failure_with_traceback():
    code = 'import sys\nfrom yolact_ros.commands.main import main\nsys.exit(main(["models"]))'
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={'PYTHONPATH': ':'.join(sys.path)})
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert errors == b''
