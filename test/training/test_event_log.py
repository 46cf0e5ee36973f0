"""Curves for TensorBoard, read back by TensorBoard."""

import logging
import sys

import pytest

from yolact_ros.training.event_log import EventLog


def curves(folder):
    """Return tag -> [(step, value)] as TensorBoard sees them."""
    reader = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    events = reader.EventAccumulator(str(folder)).Reload()
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)]
            for tag in events.Tags()['scalars']}


def test_rows_become_curves_and_a_resumed_training_replaces_what_it_repeats(tmp_path):
    log = EventLog(tmp_path)
    log.add('train', {'step': 20, 'box': 2.0})
    log.add('val', {'step': 20, 'mask_ap': 0.25})
    log.add('train', {'step': 40, 'box': 1.0})
    log.close()
    again = EventLog(tmp_path)
    again.add('train', {'step': 40, 'box': 1.5})
    again.close()
    assert curves(tmp_path) == {'train/box': [(20, 2.0), (40, 1.5)],
                                'val/mask_ap': [(20, 0.25)]}


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    log = EventLog(tmp_path)
    log.add('train', {'step': 20, 'box': 2.0})
    log.close()
    assert (list(tmp_path.iterdir()), caplog.text) == ([], '')


def test_a_training_without_rows_leaves_no_file(tmp_path):
    EventLog(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, caplog):
    pytest.importorskip('tensorboard')
    caplog.set_level(logging.WARNING)
    (tmp_path / 'file').write_text('')
    log = EventLog(tmp_path / 'file')
    for step in (20, 40):
        log.add('train', {'step': step, 'box': 2.0})
    log.close()
    assert caplog.text.count('no more curves for TensorBoard: ') == 1
