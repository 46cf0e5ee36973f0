"""The `yolact` command: one word chooses what it does, only that part is imported."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata

from yolact_ros.memory import keep_freed_memory
from yolact_ros.signals import (
    Interrupted,
    ignore_signals,
    interrupt_caught,
    interrupt_once,
    keep_interrupt,
)

# name -> (module with add_arguments(parser) and run(args) -> exit code, what it does)
# A module of this room for each; only that of the chosen command is imported.
COMMANDS: dict[str, str] = {
    'segment': 'find objects in pictures, folders, videos or a camera',
    'bag': 'find objects in every image of a ROS 2 recording',
    'extract': 'take images for labelling from a recording or a video',
    'download': 'fetch published weights into the cache',
    'models': 'list the weights that can be used by name',
    'train': 'train a network on your own objects',
    'check': 'look for everything that can be wrong with a data set',
    'convert': 'write the labels of any tool as one COCO file',
    'eval': 'measure box and mask AP on a COCO data set',
    'synth': 'make a data set of synthetic tabletop scenes',
    'benchmark': 'measure the speed on this machine',
    'export': 'write the network for other runtimes',
    'quantize': 'make an int8 network for fast inference on the CPU',
}
# Their process is there for images, so it may keep a frame's memory for the next one.
PREDICTING = {'segment', 'bag', 'extract', 'eval', 'benchmark'}
DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command and return the exit code.

    Failures are told in one paragraph on stderr; `--debug` adds the traceback.

    :param argv: arguments without the program's name; None takes those of the process.
    :returns: 0 done, 1 failed, 2 misused, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by the
        end of the terminal.
    """
    if argv is not None:
        return _main(list(argv))
    interrupt_once()  # this process is ours
    try:
        return _main(sys.argv[1:])
    finally:
        ignore_signals()  # one that comes while Python ends changes nothing any more


def _main(argv: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    name = argv[0] if argv else ''
    try:
        code = _run_command(name, argv[1:]) if name in COMMANDS else _run_without_command(argv)
        sys.stdout.flush()
        return code
    except Interrupted as interrupt:
        interrupt_caught()
        return _end(name, 128 + interrupt.args[0])
    except KeyboardInterrupt:
        return _end(name, INTERRUPTED)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return FAILED


def _end(name: str, code: int) -> int:
    """Tell of an interrupt; return the exit code."""
    print(f'\nyolact {name}: interrupted', file=sys.stderr)
    return code


def _run_without_command(argv: Sequence[str]) -> int:
    """Answer --help and --version, refuse anything else."""
    rows = '\n'.join(f'  {name:<11}{text}' for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog='yolact', usage='yolact COMMAND [...]',
        description='Instance segmentation with YOLACT and YOLACT++.',
        epilog=f'commands:\n{rows}\n\nyolact COMMAND --help explains a command.\n'
               'try: yolact segment photo.jpg -o out.jpg',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action='version', version=f'yolact {_version()}')
    parser.add_argument('command', metavar='COMMAND', choices=COMMANDS,
                        help='one of the commands below')
    return _parse(parser, argv or ['--help'])[1]


def _run_command(name: str, argv: Sequence[str]) -> int:
    """Import the command's module, parse its arguments, run it."""
    text = COMMANDS[name]
    debug = '--debug' in argv
    # Waiting threads spin away the cores of others; read when torch is loaded.
    if name in ('train', 'check'):
        os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    try:
        module = importlib.import_module(f'{__package__}.{name}')
        parser = argparse.ArgumentParser(
            prog=f'yolact {name}', description=f'{text[0].upper()}{text[1:]}.',
            formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(parser)
        parser.add_argument('--debug', action='store_true',
                            help='show details, and where in the program an error arose')
        args, code = _parse(parser, argv)
        if args is None:
            return code
        logging.basicConfig(level=logging.INFO, format='%(message)s')
        if debug:  # of others' details there are too many
            logging.getLogger('yolact_ros').setLevel(logging.DEBUG)
        if name in PREDICTING:
            keep_freed_memory()
        with keep_interrupt():
            return module.run(args)
    except argparse.ArgumentError as error:  # what only run() can find out about the arguments
        return _report(name, error, MISUSED, debug)
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _report(name, error, FAILED, debug)


def _parse(parser: argparse.ArgumentParser,
           argv: Sequence[str]) -> tuple[argparse.Namespace | None, int]:
    """Return the arguments, or None and the exit code where argparse has answered itself."""
    try:
        return parser.parse_args(argv), DONE
    except SystemExit as answered:
        return None, int(answered.code or DONE)


def _report(name: str, error: Exception, code: int, debug: bool) -> int:
    """Print the error as one paragraph, after the traceback where that is wanted."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    text = ' '.join(_describe(error).split())
    print(f'yolact {name}: {text}', file=sys.stderr)
    return code


def _describe(error: Exception) -> str:
    """Return what to tell the user about an error."""
    if isinstance(error, OSError) and error.strerror:
        return f'{error.filename!r}: {error.strerror}' if error.filename else error.strerror
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f'{error}; install it with "pip install {error.name.split(".")[0]}"'
    if isinstance(error, MemoryError):
        return f'not enough memory {error}'.strip()
    return str(error) or type(error).__name__


def _version() -> str:
    """Return the installed version."""
    try:
        return metadata.version('yolact_ros')
    except metadata.PackageNotFoundError:
        return '(not installed, run from its source tree)'


if __name__ == '__main__':
    sys.exit(main())
