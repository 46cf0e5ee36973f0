"""Numbers stay with their objects: motions made by hand, whose truth is known."""

import logging

import numpy as np
import pytest

from yolact_ros.structures import ImageSize, Instances
from yolact_ros.tracking import Tracker, TrackerConfig

SIZE = ImageSize(720, 1280)


def frame(centres, classes=0, scores=0.9, side=60, size=SIZE, order=None):
    """
    Return discs at the centres that are inside the image, and which centre each row is.

    Rows are mixed, so that no tracker can live on their order.
    """
    centres = np.asarray(centres, float).reshape(-1, 2)
    count = len(centres)
    classes = np.broadcast_to(classes, count)
    scores = np.broadcast_to(np.float32(scores), count)
    sides = np.broadcast_to(side, count)
    rows = np.random.default_rng(count + int(centres.sum()) if order is None else order
                                 ).permutation(count)
    rows = rows[np.argsort(-scores[rows], kind='stable')]
    rois, crops, truth = [], [], []
    for row in rows:
        roi, crop = disc(centres[row], sides[row] / 2, size)
        if crop.any():
            rois.append(roi)
            crops.append(crop)
            truth.append(int(row))
    rois = np.array(rois, np.int32).reshape(-1, 4)
    values = scores[truth].astype(np.float32)
    unknown = np.full(len(truth), np.nan, np.float32)
    return Instances(size, rois.astype(np.float32), values, unknown, values,
                     classes[truth].astype(np.int64), rois, tuple(crops)), truth


def disc(centre, radius, size):
    """Return roi and crop of a disc, cut off at the image's border."""
    x0, y0 = (max(int(np.floor(c - radius)), 0) for c in centre)
    x1, y1 = (min(int(np.ceil(c + radius)), limit)
              for c, limit in zip(centre, (size.width, size.height)))
    if x1 <= x0 or y1 <= y0:
        return (0, 0, 0, 0), np.zeros((0, 0), bool)
    ys, xs = np.mgrid[y0:y1, x0:x1] + 0.5
    return (x0, y0, x1, y1), np.hypot(xs - centre[0], ys - centre[1]) <= radius


def follow(tracker, frames, stamps):
    """Return for every frame {object: number}, numbers of 0 left out."""
    seen = []
    for (instances, truth), stamp in zip(frames, stamps):
        ids = tracker.update(instances, stamp)
        assert ids.shape == (len(instances),)
        assert ids.dtype == np.int64
        seen.append({row: int(number) for row, number in zip(truth, ids) if number})
        assert len(set(seen[-1].values())) == len(seen[-1]), 'one number twice in one image'
    return seen


def numbers_of(seen):
    """Return {object: set of its numbers}."""
    numbers = {}
    for one in seen:
        for row, number in one.items():
            numbers.setdefault(row, set()).add(number)
    return numbers


def assert_kept(seen, count):
    """Assert that every object has one number from its second image to the end."""
    numbers = numbers_of(seen)
    assert sorted(numbers) == list(range(count))
    assert all(len(one) == 1 for one in numbers.values()), numbers
    assert len(set.union(*numbers.values())) == count


def stamps_of(count, rate=30.0, start=100.0):
    return start + np.arange(count) / rate


def grid(columns, rows, pitch, left=100, top=100):
    return [(left + pitch * x, top + pitch * y) for y in range(rows) for x in range(columns)]


def test_an_object_gets_its_number_when_it_was_seen_min_hits_times():
    for hits in (1, 2, 4):
        ids = [int(Tracker.update(tracker, frame([(300, 300)])[0], stamp)[0])
               for tracker in [Tracker(TrackerConfig(min_hits=hits))]
               for stamp in stamps_of(5)]
        assert ids == [0] * (hits - 1) + [1] * (6 - hits)


def test_an_image_without_objects_has_no_numbers():
    tracker = Tracker()
    ids = tracker.update(Instances.empty(SIZE), 1.0)
    assert ids.shape == (0,)
    assert ids.dtype == np.int64
    assert tracker.class_ids.shape == (0,)


def test_two_crossing_objects_of_one_class_keep_their_numbers():
    paths = [[(200 + 12 * k, 300 + 2 * k), (920 - 12 * k, 420 - 2 * k)] for k in range(60)]
    assert_kept(follow(Tracker(), [frame(p) for p in paths], stamps_of(60)), 2)


def test_an_object_that_is_hidden_while_it_passes_another_keeps_its_number():
    frames = []
    for k in range(60):
        mover, other = (200 + 10 * k, 300), (500, 305)
        instances, truth = frame([mover, other], side=80)
        if abs(mover[0] - other[0]) < 60:  # behind the other one
            row = truth.index(0)
            instances, truth = instances.select([1 - row]), [1]
        frames.append((instances, truth))
    assert_kept(follow(Tracker(), frames, stamps_of(60)), 2)


@pytest.mark.parametrize('way', ['x', 'y', 'to and fro', 'starts at full speed'])
def test_a_pan_of_a_quarter_object_a_frame_keeps_all_numbers(way):
    places = np.array(grid(6, 3, 130, 300, 200), float)
    steps = np.arange(20)
    shift = 15 * {'x': steps, 'y': steps, 'to and fro': 6 - abs(steps % 12 - 6),
                  'starts at full speed': np.maximum(steps - 5, 0)}[way]
    axis = (0, 1) if way == 'y' else (1, 0)
    frames = [frame(places + np.multiply(axis, s)) for s in shift]
    assert_kept(follow(Tracker(), frames, stamps_of(20)), 18)


def test_a_sudden_jerk_of_more_than_an_object_keeps_all_numbers():
    places = np.random.default_rng(5).uniform((200, 100), (1000, 600), (12, 2))
    jerks = np.cumsum([(0, 0)] * 4 + [(75, -20)] * 2 + [(-80, 30)] * 2 + [(0, 0)] * 3, axis=0)
    frames = [frame(places + jerk, classes=np.arange(12) % 3, side=50) for jerk in jerks]
    assert_kept(follow(Tracker(), frames, stamps_of(len(jerks))), 12)


def test_a_lost_object_is_carried_along_by_the_pan():
    places = np.array(grid(4, 2, 180, 300, 200), float)
    frames = []
    for k in range(30):
        instances, truth = frame(places + (12 * k, 0))
        if 10 <= k < 20:
            row = truth.index(5)
            keep = [r for r in range(len(truth)) if r != row]
            instances, truth = instances.select(keep), [truth[r] for r in keep]
        frames.append((instances, truth))
    assert_kept(follow(Tracker(), frames, stamps_of(30)), 8)


def test_an_object_that_a_turning_camera_lost_and_found_again_is_the_same():
    places = np.array(grid(5, 2, 180, 60, 200), float)
    pan = np.array([*range(8), *[8] * 6, *reversed(range(8))]) * -15
    frames = [frame(places + (shift, 0)) for shift in pan]
    assert_kept(follow(Tracker(), frames, stamps_of(len(pan))), 10)


@pytest.mark.parametrize(('step', 'numbers'), [(40, 2), (10, 1)], ids=['fast', 'slow'])
def test_what_enters_where_an_object_went_out_is_another_one_unless_that_was_slow(step, numbers):
    still = (900, 300)
    places = [(40 + step * k, 300) for k in range(-100 // step, 8)]  # from outside to well inside
    frames = [frame([place, still], side=120) for place in reversed(places)]
    frames += [(frame([still], side=120)[0], [1])] * 20
    frames += [frame([place, still], side=120) for place in places]
    seen = numbers_of(follow(Tracker(), frames, stamps_of(len(frames))))
    assert len(seen[0]) == numbers
    assert len(seen[1]) == 1


def test_a_zoom_keeps_all_numbers():
    places = np.array(grid(6, 4, 80, -200, -120), float)
    frames = [frame(np.array((640, 360)) + places * 1.04 ** k, side=50 * 1.04 ** k)
              for k in range(15)]
    assert_kept(follow(Tracker(), frames, stamps_of(15)), 24)


def test_dropped_frames_keep_the_numbers_of_steady_motions():
    rng = np.random.default_rng(1)
    steps = np.flatnonzero(rng.random(90) > 0.5)
    frames = [frame([(100 + 10 * k, 200), (1150 - 9 * k, 240), (600, 100 + 5 * k)])
              for k in steps]
    assert_kept(follow(Tracker(), frames, 50 + steps / 30), 3)


@pytest.mark.parametrize('rate', [5, 15, 60])
@pytest.mark.parametrize(('gap', 'kept'), [(0.8, True), (1.0, True), (1.3, False)])
def test_time_not_the_number_of_frames_decides_how_long_a_lost_object_lives(rate, gap, kept):
    tracker = Tracker(TrackerConfig(max_gap=1.0))
    seen = follow(tracker, [frame([(300, 300)])] * 5, stamps_of(5, rate, 1.7e9))
    last = 1.7e9 + 4 / rate
    for stamp in np.arange(last + 1 / rate, last + gap - 1e-3, 1 / rate):
        assert len(tracker.update(Instances.empty(SIZE), stamp)) == 0
    back = follow(tracker, [frame([(300, 300)])] * 2, [last + gap, last + gap + 1 / rate])
    assert (back[1][0] == seen[-1][0]) is kept


def test_a_dense_grid_of_one_class_keeps_its_numbers_while_it_drifts():
    places = np.array(grid(15, 10, 62, 60, 60), float)
    rng = np.random.default_rng(2)
    frames = [frame(places + (6 * k, 3 * k) + rng.normal(0, 1.5, places.shape)) for k in range(10)]
    assert_kept(follow(Tracker(), frames, stamps_of(10)), 150)


def test_hundreds_of_objects_keep_their_numbers():
    places = np.array(grid(30, 17, 41, 40, 40), float)
    frames = [frame(places + (3 * k, 0), side=30) for k in range(4)]
    assert_kept(follow(Tracker(), frames, stamps_of(4)), 510)


def test_a_class_that_flips_for_single_images_keeps_number_and_class():
    tracker = Tracker()
    for k, stamp in enumerate(stamps_of(30)):
        flipped = k in (7, 13, 14, 22)
        ids = tracker.update(frame([(300 + 4 * k, 300)], 5 if flipped else 2)[0], stamp)
        assert ids.tolist() == [min(k, 1)]
        assert tracker.class_ids.tolist() == [2]


def test_an_object_seen_as_another_class_for_longer_than_max_gap_is_another_object():
    tracker = Tracker(TrackerConfig(max_gap=0.5))
    seen = follow(tracker, [frame([(300, 300)], 2)] * 60, stamps_of(60))
    later = follow(tracker, [frame([(300, 300)], 5)] * 30, stamps_of(30, start=102.0))
    assert later[-1][0] != seen[-1][0]
    assert tracker.class_ids.tolist() == [5]


def test_neighbours_of_different_classes_do_not_swap_when_they_touch():
    paths = [[(300 + 5 * k, 300), (600 - 5 * k, 330)] for k in range(60)]
    seen = follow(Tracker(), [frame(p, classes=(0, 1), side=70) for p in paths], stamps_of(60))
    assert_kept(seen, 2)


@pytest.mark.parametrize(('apart', 'numbers'), [(2, [1, 0]), (16, [1, 0]), (27, [1, 2])],
                         ids=['IoU 0.92', 'IoU 0.5', 'IoU 0.29'])
def test_one_object_found_twice_has_one_number(apart, numbers):
    tracker = Tracker()
    for stamp in stamps_of(5):
        ids = tracker.update(frame([(300, 300), (300 + apart, 300)], (0, 1), (0.9, 0.8))[0], stamp)
    assert ids.tolist() == numbers


def test_weak_detections_continue_a_track_but_begin_none():
    tracker = Tracker(TrackerConfig(high_score=0.5))
    seen = follow(tracker, [frame([(300, 300)])] * 3, stamps_of(3))
    weak = follow(tracker, [frame([(300, 300), (700, 300)], scores=0.2)] * 5,
                  stamps_of(5, start=100.1))
    assert weak == [{0: seen[-1][0]}] * 5


def test_images_with_the_same_stamp_keep_numbers():
    stamps = np.repeat(stamps_of(10), 3)
    frames = [frame([(200 + 12 * (k // 3), 300), (600, 300)]) for k in range(30)]
    assert_kept(follow(Tracker(), frames, stamps), 2)


def test_with_a_dead_clock_numbers_stay_and_lost_objects_still_die():
    tracker = Tracker()
    seen = follow(tracker, [frame([(300 + 5 * k, 300)]) for k in range(50)], [0.0] * 50)
    assert_kept(seen, 1)
    for _ in range(60):
        assert len(tracker.update(Instances.empty(SIZE), 0.0)) == 0
    later = follow(tracker, [frame([(545, 300)])] * 2, [0.0] * 2)
    assert later[1] == {0: 2}


def test_stamps_that_jump_back_start_anew_with_one_line_and_fresh_numbers(caplog):
    tracker = Tracker()
    first = follow(tracker, [frame([(300, 300)])] * 3, stamps_of(3))
    with caplog.at_level(logging.INFO, 'yolact_ros.tracking'):
        second = follow(tracker, [frame([(300, 300)])] * 3, stamps_of(3, start=10.0))
    assert first[-1] == {0: 1}
    assert second == [{}, {0: 2}, {0: 2}]
    assert [record.message for record in caplog.records] == [
        'tracks start anew: stamps jumped back by 90.067 s']


def test_reset_forgets_objects_but_never_uses_a_number_twice(caplog):
    tracker = Tracker()
    follow(tracker, [frame([(300, 300), (600, 300)])] * 3, stamps_of(3))
    with caplog.at_level(logging.INFO, 'yolact_ros.tracking'):
        tracker.reset()
    later = follow(tracker, [frame([(300, 300)])] * 2, stamps_of(2, start=100.1))
    assert later == [{}, {0: 3}]
    assert len(caplog.records) == 1


def test_another_size_of_image_starts_anew():
    tracker = Tracker()
    follow(tracker, [frame([(300, 300)])] * 3, stamps_of(3))
    later = follow(tracker, [frame([(300, 300)], size=ImageSize(480, 640))] * 2,
                   stamps_of(2, start=100.1))
    assert later == [{}, {0: 2}]


@pytest.mark.parametrize('stamp', [float('nan'), float('inf')])
def test_a_stamp_that_is_no_time_is_refused(stamp):
    with pytest.raises(ValueError, match='stamp must be a time'):
        Tracker().update(Instances.empty(SIZE), stamp)


@pytest.mark.parametrize('config', [{'max_gap': -1.0}, {'max_gap': float('nan')}, {'min_hits': 0},
                                    {'high_score': 1.5}])
def test_settings_without_meaning_are_refused(config):
    with pytest.raises(ValueError, match=next(iter(config))):
        TrackerConfig(**config)


def test_objects_without_a_mask_pixel_are_followed_by_their_boxes():
    def boxes(k):
        one = np.array([[100 + 8 * k, 100, 180 + 8 * k, 200]], np.float32)
        score = np.array([0.9], np.float32)
        return Instances(SIZE, one, score, score, score, np.zeros(1, np.int64),
                         np.zeros((1, 4), np.int32), (np.zeros((0, 0), bool),))
    assert_kept(follow(Tracker(), [(boxes(k), [0]) for k in range(20)], stamps_of(20)), 1)
