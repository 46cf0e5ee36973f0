"""Figures are written whole, or the missing package is named."""

import sys

import cv2
import numpy as np
import pytest

from yolact_ros.figures import open_figure


def test_a_figure_shows_what_was_drawn(tmp_path):
    pytest.importorskip('matplotlib')
    path = tmp_path / 'new' / 'a.png'
    with open_figure(path, 4, 3) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.axhspan(0, 1, color=(1, 0, 0))
    image = cv2.imread(str(path))
    red = (image == (0, 0, 255)).all(-1)  # BGR
    assert 0.5 < image.shape[0] / image.shape[1] < 1
    assert np.count_nonzero(red) > 0.5 * red.size
    assert [file.name for file in path.parent.iterdir()] == ['a.png']


def test_a_failure_while_drawing_keeps_the_older_figure(tmp_path):
    pytest.importorskip('matplotlib')
    (tmp_path / 'a.png').write_text('older')
    with pytest.raises(ZeroDivisionError), open_figure(tmp_path / 'a.png', 4, 3):
        raise ZeroDivisionError
    assert [file.read_text() for file in tmp_path.iterdir()] == ['older']


def test_without_matplotlib_the_line_that_installs_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)  # importing it fails
    with pytest.raises(ImportError, match=r"pip install 'yolact_ros\[train\]'"), \
            open_figure(tmp_path / 'a.png', 4, 3):
        pass
    assert not list(tmp_path.iterdir())
