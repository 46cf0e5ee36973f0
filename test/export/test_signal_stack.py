"""A signal finds memory to run on after OpenVINO's plugins have come and gone."""

import signal
import subprocess
import sys

import pytest

# Of two plugins the older one goes first: the younger then gives back what is gone.
PLUGINS_GO_IN_THE_WRONG_ORDER = """
import signal
from contextlib import nullcontext
import numpy as np
import openvino
from openvino import opset13
from yolact_ros.export.signal_stack import keep_signal_stack

def compile():
    values = opset13.parameter([1, 3], np.float32)
    return openvino.compile_model(openvino.Model([opset13.relu(values)], [values]), 'CPU')

with {context}():
    older, younger = compile(), compile()
    del older
    del younger
signal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))
signal.raise_signal(signal.SIGUSR1)
"""


def run(context):
    pytest.importorskip('openvino')
    return subprocess.run([sys.executable, '-c',
                           PLUGINS_GO_IN_THE_WRONG_ORDER.format(context=context)],
                          capture_output=True, text=True, timeout=60)


def test_a_signal_is_heard_after_plugins_went_in_the_wrong_order():
    done = run('keep_signal_stack')

    assert (done.returncode, done.stdout) == (0, 'heard\n'), done.stderr


def test_without_care_the_same_signal_ends_the_process():
    # Should this fail one day, OpenVINO was mended and keep_signal_stack can go.
    assert run('nullcontext').returncode == -signal.SIGSEGV
