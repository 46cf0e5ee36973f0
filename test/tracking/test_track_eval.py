"""tools/track_eval: figures of sequences whose identities are known."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('trackeval', reason='needs trackeval: pip install --no-deps trackeval')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'track_eval'


@pytest.fixture(scope='module')
def tool():
    """Return the tool as a module."""
    loader = importlib.machinery.SourceFileLoader('track_eval', str(TOOL))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('track_eval', loader))
    sys.modules['track_eval'] = module
    loader.exec_module(module)
    return module


def frames(tool, count=10):
    """Return images of two resting objects that are found exactly."""
    masks = [np.zeros((40, 60), bool) for _ in range(2)]
    masks[0][5:15, 5:15] = masks[1][20:35, 30:50] = True
    found = tool.as_instances(masks, np.array([0.9, 0.8]), tool.ImageSize(40, 60))
    return [tool.Frame(0.1 * step, found, [7, 9], tool.likeness(masks, found),
                       np.zeros(2, bool)) for step in range(count)]


def test_true_identities_score_one(tool):
    figures = tool.score(frames(tool), lambda found, stamp: np.array([3, 4]))
    assert figures == pytest.approx({'HOTA': 1, 'AssA': 1, 'DetA': 1, 'IDF1': 1, 'IDSW': 0})


def test_identities_that_swap_halfway_are_two_switches_and_half_of_idf1(tool):
    figures = tool.score(frames(tool), lambda found, stamp: np.array(
        [3, 4] if stamp < 0.45 else [4, 3]))
    assert figures['IDSW'] == 2
    assert figures['IDF1'] == pytest.approx(0.5)
    assert figures['DetA'] == pytest.approx(1)


def test_objects_without_a_number_are_not_counted_as_tracked(tool):
    figures = tool.score(frames(tool), lambda found, stamp: np.array([3, 0]))
    assert figures['DetA'] == pytest.approx(0.5)


def test_a_pan_moves_detections_and_leaves_their_likeness(tool):
    sequence = frames(tool, 3)
    panned = tool.pan(sequence)
    moved = [frame.instances.rois[0, 0] - before.instances.rois[0, 0]
             for frame, before in zip(panned, sequence)]
    assert moved == [0, tool.PAN_STEP, 2 * tool.PAN_STEP]
    np.testing.assert_array_equal(panned[2].likeness, sequence[2].likeness)


def test_an_image_in_which_every_mask_is_missing_is_one_of_the_same_size(tool):
    mask = np.zeros((40, 60), bool)
    mask[5:15, 5:15] = True
    damaged = list(tool.damage([{1: mask}] * 30, 6.0, 0))
    empty = [frame for frame in damaged if len(frame.instances) == 0]
    assert empty and empty[0].likeness.shape == (1, 0)
    assert {frame.instances.image_size for frame in damaged} == {tool.ImageSize(40, 60)}
