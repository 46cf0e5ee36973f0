"""One signal ends the work, whenever it comes; the next ones change nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import rclpy

from yolact_ros.ros.spin import until_interrupted, with_cure
from yolact_ros.signals import SIGNALS


@pytest.fixture(autouse=True)
def _handlers():
    before = [signal.getsignal(number) for number in SIGNALS]
    for number in SIGNALS:  # under nohup one of them is ignored
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in zip(SIGNALS, before):
        signal.signal(number, handler)


def test_status_of_undisturbed_work_is_returned():
    assert until_interrupted(lambda: 7) == 7


@pytest.mark.parametrize('number', SIGNALS, ids=str)
def test_first_signal_ends_the_work(number):
    after = []
    assert until_interrupted(lambda: signal.raise_signal(number) or after.append(1)) == 0
    assert after == []


def test_later_signals_do_not_disturb_the_taking_down():
    taken_down = []

    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            for number in SIGNALS * 3:
                signal.raise_signal(number)
            taken_down.append(True)

    assert until_interrupted(work) == 0
    for number in SIGNALS:
        signal.raise_signal(number)
    assert taken_down == [True]


def test_signals_after_the_end_are_ignored_too():
    assert until_interrupted(lambda: 3) == 3
    assert signal.raise_signal(signal.SIGINT) is None


def test_errors_of_the_work_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        until_interrupted(lambda: 1 // 0)


@pytest.mark.parametrize('script', ['segment_node', 'frame_source'])
def test_a_place_for_the_logs_that_is_none_is_named_with_the_cure(script):
    path = Path(__file__).resolve().parents[2] / 'scripts' / script
    places = {name: value for name, value in os.environ.items()
              if name not in ('HOME', 'ROS_LOG_DIR', 'ROS_HOME')}
    ran = subprocess.run([sys.executable, path], env=places, text=True, capture_output=True,
                         check=False, timeout=100)
    assert ran.returncode == 1
    assert 'set HOME, or ROS_LOG_DIR to a folder' in ran.stdout + ran.stderr
    assert 'Traceback' not in ran.stderr


def test_a_list_of_mixed_names_is_answered_with_how_to_write_it():
    with pytest.raises(RuntimeError) as caught:
        rclpy.init(args=['--ros-args', '-p', 'classes:=[mug, 3]'], context=rclpy.Context())
    assert with_cure(caught.value).endswith("in quotes, like ['mug', '3']")


def test_other_errors_are_told_as_they_are():
    assert with_cure(ValueError('weights not found')) == 'weights not found'
