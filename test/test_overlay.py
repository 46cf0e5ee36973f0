"""Images with masks, contours, boxes and labels on them."""

import dataclasses

import cv2
import numpy as np
import pytest

from yolact_ros import labels
from yolact_ros.labels import transliterated
from yolact_ros.overlay import OverlayStyle, TrackMarks, class_color, draw_instances
from yolact_ros.structures import ImageSize, Instances

NAMES = ('mug', 'bottle', 'bowl')
FILL_ONLY = OverlayStyle(boxes=False, labels=False, contours=False)
CONTOURS_ONLY = OverlayStyle(alpha=0.0, boxes=False, labels=False)
LABELS_ONLY = OverlayStyle(alpha=0.0, boxes=False, contours=False)


def gray(height: int, width: int, value: int = 100) -> np.ndarray:
    """Return an image of one colour."""
    return np.full((height, width, 3), value, np.uint8)


def instances_of(size: tuple[int, int], *masks: np.ndarray, class_ids=None) -> Instances:
    """Return instances of full-frame masks, scores falling from 0.9 in steps of 0.1."""
    count = len(masks)
    rois = np.zeros((count, 4), np.int32)
    crops = []
    for roi, mask in zip(rois, masks):
        ys, xs = np.nonzero(mask)
        if len(xs):
            roi[:] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        crops.append(np.asarray(mask, bool)[roi[1]:roi[3], roi[0]:roi[2]])
    scores = (0.9 - 0.1 * np.arange(count)).astype(np.float32)
    ids = np.array(class_ids if class_ids is not None else range(count), np.int64)
    return Instances(ImageSize(*size), rois.astype(np.float32), scores,
                     np.full(count, np.nan, np.float32), scores, ids, rois, tuple(crops))


def rectangle(size: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Return a (H, W) mask that is True inside the half-open rectangle."""
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return (H, W) bool, True where any channel differs."""
    return (before != after).any(axis=2)


@pytest.mark.parametrize('size', [(1, 1), (1, 5000), (5000, 1), (480, 640)])
def test_a_image_without_instances_comes_back_as_an_equal_copy(size):
    rgb = gray(*size)
    drawn = draw_instances(rgb, Instances.empty(ImageSize(*size)), NAMES)
    np.testing.assert_array_equal(drawn, rgb)
    assert not np.shares_memory(drawn, rgb)


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (1, 5000), (5000, 1), (480, 640), (3000, 4000)])
def test_every_size_of_image_can_be_drawn_on(size):
    drawn = draw_instances(gray(*size), instances_of(size, np.ones(size, bool)), NAMES)
    assert drawn.shape == (*size, 3)
    assert drawn.dtype == np.uint8
    assert changed(gray(*size), drawn).any()


def test_the_image_given_is_not_modified_even_when_it_is_a_reversed_view():
    bgr = gray(40, 60)
    bgr.setflags(write=False)
    view = bgr[:, ::-1, ::-1]
    draw_instances(view, instances_of((40, 60), rectangle((40, 60), 5, 5, 30, 30)), NAMES)
    np.testing.assert_array_equal(bgr, gray(40, 60))


def test_mask_pixels_are_mixed_with_the_class_color_and_no_others():
    size = (20, 30)
    mask = rectangle(size, 4, 5, 12, 9)
    drawn = draw_instances(gray(*size), instances_of(size, mask, class_ids=[1]), NAMES, FILL_ONLY)
    expected = np.rint(0.55 * 100 + 0.45 * np.array(class_color(1))).astype(np.uint8)
    assert (drawn[mask] == expected).all()
    assert (drawn[~mask] == 100).all()


def test_alpha_one_paints_the_plain_color_and_alpha_zero_nothing():
    size = (20, 30)
    found = instances_of(size, rectangle(size, 4, 5, 12, 9))
    opaque = draw_instances(gray(*size), found, NAMES,
                            OverlayStyle(1.0, boxes=False, labels=False, contours=False))
    nothing = draw_instances(gray(*size), found, NAMES,
                             OverlayStyle(0.0, boxes=False, labels=False, contours=False))
    assert tuple(opaque[6, 6]) == class_color(0)
    np.testing.assert_array_equal(nothing, gray(*size))


def test_where_masks_overlap_the_better_score_is_on_top():
    size = (20, 30)
    better, worse = rectangle(size, 0, 0, 15, 20), rectangle(size, 10, 0, 30, 20)
    drawn = draw_instances(gray(*size), instances_of(size, better, worse), NAMES,
                           OverlayStyle(1.0, boxes=False, labels=False, contours=False))
    assert tuple(drawn[10, 12]) == class_color(0)
    assert tuple(drawn[10, 20]) == class_color(1)


def test_a_contour_is_a_colored_line_inside_the_mask_and_a_dark_rim_outside():
    size = (30, 40)
    mask = rectangle(size, 10, 8, 30, 22)
    drawn = draw_instances(gray(*size), instances_of(size, mask), NAMES, CONTOURS_ONLY)
    assert tuple(drawn[8, 20]) == class_color(0)
    assert tuple(drawn[15, 10]) == class_color(0)
    assert drawn[7, 20].max() < 50
    assert (drawn[15, 20] == 100).all(), 'the inside of the mask stays as it was'


def test_the_edge_of_a_hole_gets_a_contour_too():
    size = (40, 40)
    mask = rectangle(size, 5, 5, 35, 35) & ~rectangle(size, 15, 15, 25, 25)
    drawn = draw_instances(gray(*size), instances_of(size, mask), NAMES, CONTOURS_ONLY)
    assert tuple(drawn[20, 14]) == class_color(0)
    assert drawn[20, 15].max() < 50
    assert (drawn[20, 20] == 100).all()


def test_a_mask_that_touches_the_frame_has_its_contour_along_the_frame():
    size = (20, 20)
    drawn = draw_instances(gray(*size), instances_of(size, np.ones(size, bool)), NAMES,
                           CONTOURS_ONLY)
    frame = [drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]]
    assert (np.concatenate(frame) == class_color(0)).all()


def test_contours_grow_with_the_image():
    widths = {}
    for height in (240, 1080):
        size = (height, height)
        mask = rectangle(size, height // 4, height // 4, height // 2, height // 2)
        drawn = draw_instances(gray(*size), instances_of(size, mask), NAMES, CONTOURS_ONLY)
        middle = drawn[height * 3 // 8, :height * 3 // 8]
        widths[height] = int((middle == class_color(0)).all(axis=1).sum())
    assert widths == {240: 1, 1080: 4}


def test_an_instance_without_mask_pixels_still_has_its_box():
    size = (40, 40)
    empty = instances_of(size, np.zeros(size, bool))
    found = Instances(empty.image_size, np.array([[5, 6, 25, 26]], np.float32),
                      empty.class_scores, empty.mask_scores, empty.scores, empty.class_ids,
                      empty.rois, empty.crops)
    drawn = draw_instances(gray(*size), found, NAMES, OverlayStyle(labels=False))
    assert tuple(drawn[6, 5]) == tuple(drawn[25, 24]) == class_color(0)
    assert (drawn[15, 15] == 100).all()


@pytest.mark.parametrize('box', [(0, 0, 60, 40), (280, 0, 320, 30), (0, 220, 30, 240),
                                 (290, 215, 320, 240), (310, 100, 320, 110)])
def test_a_label_lies_wholly_inside_the_image_wherever_the_box_is(box):
    size = (240, 320)
    drawn = draw_instances(gray(*size), instances_of(size, rectangle(size, *box)), NAMES,
                           LABELS_ONLY)
    ys, xs = np.nonzero(changed(gray(*size), drawn))
    plate = drawn[ys.min():ys.max() + 1, xs.min():xs.max() + 1]
    frame = np.concatenate([plate[0], plate[-1], plate[:, 0], plate[:, -1]])
    assert (frame == (24, 24, 24)).all(), 'the dark frame of the plate is complete'


@pytest.mark.parametrize('class_id', range(24))
def test_the_letters_of_a_label_stand_out_from_their_plate(class_id):
    size = (480, 640)
    found = instances_of(size, rectangle(size, 100, 100, 300, 300), class_ids=[class_id])
    drawn = draw_instances(gray(*size), found, ('mug',) * 24, LABELS_ONLY)
    ys, xs = np.nonzero(changed(gray(*size), drawn))
    inner = drawn[ys.min() + 2:ys.max() - 1, xs.min() + 2:xs.max() - 1].reshape(-1, 3)
    light = cv2.cvtColor(inner[None], cv2.COLOR_RGB2GRAY)[0].astype(int)
    assert np.abs(light - np.median(light)).max() > 80


def test_labels_of_neighbours_do_not_cover_each_other():
    size = (480, 640)
    boxes = [(100, 100, 300, 300), (104, 102, 290, 305), (98, 97, 310, 310)]
    masks = [rectangle(size, *box) for box in boxes]
    together = draw_instances(gray(*size), instances_of(size, *masks), NAMES, LABELS_ONLY)
    frames = (together == (24, 24, 24)).all(axis=2).astype(np.uint8)
    parts, _, stats, _ = cv2.connectedComponentsWithStats(
        changed(gray(*size), together).astype(np.uint8))
    assert frames.any()
    assert stats[1:, cv2.CC_STAT_AREA].sum() == pytest.approx(3 * 2000, rel=0.4)


def test_a_label_that_better_ones_would_hide_is_left_out():
    size = (60, 120)
    masks = [rectangle(size, 30, 20, 90, 40)] * 20
    few = draw_instances(gray(*size), instances_of(size, *masks[:6], class_ids=[0] * 6), NAMES,
                         LABELS_ONLY)
    found = instances_of(size, *masks[:9], class_ids=[0] * 6 + [2] * 3)
    many = draw_instances(gray(*size), found, NAMES, LABELS_ONLY)
    np.testing.assert_array_equal(few, many)


def test_no_label_is_drawn_where_letters_cannot_be_read():
    size = (8, 8)
    drawn = draw_instances(gray(*size), instances_of(size, rectangle(size, 2, 2, 6, 6)), NAMES,
                           LABELS_ONLY)
    np.testing.assert_array_equal(drawn, gray(*size))


@pytest.mark.parametrize('names', [(), ('тарелка',), ('Schüssel',)],
                         ids=['no name', 'no latin letter', 'accent'])
def test_names_that_the_font_cannot_write_are_replaced(names):
    size = (240, 320)
    drawn = draw_instances(gray(*size), instances_of(size, rectangle(size, 50, 50, 90, 90)), names,
                           LABELS_ONLY)
    assert changed(gray(*size), drawn).any()


def test_an_object_without_a_score_is_labelled_by_its_name_alone(monkeypatch):
    texts = []
    draw = labels._plate
    monkeypatch.setattr(labels, '_plate', lambda text, *more: texts.append(text) or draw(
        text, *more))
    found = instances_of((200, 300), rectangle((200, 300), 60, 60, 160, 160))
    for scores in (found.scores, np.full(1, np.nan, np.float32)):
        draw_instances(gray(200, 300), dataclasses.replace(found, scores=scores), ['mug'])
    assert texts == ['mug 0.90', 'mug']


def test_colors_of_the_first_twelve_classes_are_far_apart():
    colors = np.array([[class_color(class_id) for class_id in range(12)]], np.uint8)
    lab = cv2.cvtColor(colors.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    # 2.3 is the just noticeable difference in CIE Lab
    assert distances[np.triu_indices(12, 1)].min() > 20


def test_class_colors_never_change():
    assert [class_color(class_id) for class_id in (0, 1, 79)] == [
        (247, 92, 98), (3, 119, 186), (158, 66, 183)]


def test_a_image_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r'\(10, 20, 3\) uint8, got \(20, 10, 3\)'):
        draw_instances(gray(20, 10), Instances.empty(ImageSize(10, 20)), NAMES)


def test_an_opacity_above_one_is_refused():
    with pytest.raises(ValueError, match=r'alpha must be in \[0, 1\], got 1.5'):
        OverlayStyle(alpha=1.5)


def test_the_number_of_a_track_is_written_before_the_name():
    size = (200, 300)
    instances = instances_of(size, rectangle(size, 40, 80, 200, 180), class_ids=[1])
    numbered = draw_instances(gray(*size), instances, NAMES, LABELS_ONLY,
                              TrackMarks(np.array([12])))
    # The oracle: the same label of a class that is called so.
    named = draw_instances(gray(*size), instances, ('', '12 bottle'), LABELS_ONLY)
    np.testing.assert_array_equal(numbered, named)


def test_the_distance_is_written_behind_the_score_where_it_is_known():
    size = (200, 400)
    instances = instances_of(size, rectangle(size, 20, 80, 180, 180),
                             rectangle(size, 220, 80, 380, 180), class_ids=[1, 1])
    plain = draw_instances(gray(*size), instances, NAMES, LABELS_ONLY)
    drawn = draw_instances(gray(*size), instances, NAMES, LABELS_ONLY,
                           distances=[np.nan, 1.234])
    other = draw_instances(gray(*size), instances, NAMES, LABELS_ONLY, distances=[np.nan, 8.234])
    np.testing.assert_array_equal(drawn[:, :200], plain[:, :200])
    digit = np.flatnonzero(changed(drawn, other).any(axis=0))
    ends = [np.flatnonzero(changed(image, gray(*size)).any(axis=0)).max()
            for image in (plain, drawn)]
    assert ends[0] < digit.min() < digit.max() < ends[1]  # one digit, behind what was there


def test_an_object_without_a_number_is_drawn_as_if_untracked():
    size = (200, 300)
    instances = instances_of(size, rectangle(size, 40, 80, 200, 180))
    marks = TrackMarks(np.array([0]), (np.zeros((0, 2)),))
    np.testing.assert_array_equal(draw_instances(gray(*size), instances, NAMES, tracks=marks),
                                  draw_instances(gray(*size), instances, NAMES))


@pytest.mark.parametrize(('color_by', 'number'), [('class', 1), ('track', 7)])
def test_the_colour_follows_the_class_or_the_track(color_by, number):
    size = (60, 60)
    mask = rectangle(size, 10, 10, 50, 50)
    style = OverlayStyle(alpha=1.0, boxes=False, labels=False, contours=False, color_by=color_by)
    drawn = draw_instances(gray(*size), instances_of(size, mask, class_ids=[1]), NAMES, style,
                           TrackMarks(np.array([7])))
    assert (drawn[mask] == class_color(number)).all()


def test_an_object_without_a_number_is_grey_among_coloured_tracks():
    size = (60, 60)
    mask = rectangle(size, 10, 10, 50, 50)
    style = OverlayStyle(alpha=1.0, boxes=False, labels=False, contours=False, color_by='track')
    drawn = draw_instances(gray(*size), instances_of(size, mask), NAMES, style,
                           TrackMarks(np.array([0])))
    assert (drawn[mask] == (150, 150, 150)).all()


def test_a_trail_is_drawn_along_its_points_and_nowhere_else():
    size = (100, 200)
    trail = np.array([(20.0, 80.0), (100.0, 80.0), (180.0, 80.0)])
    instances = instances_of(size, rectangle(size, 170, 60, 190, 100), class_ids=[2])
    style = OverlayStyle(alpha=0.0, boxes=False, labels=False, contours=False)
    drawn = draw_instances(gray(*size), instances, NAMES, style,
                           TrackMarks(np.array([3]), (trail,)))
    assert (drawn[80, 25:170] == class_color(2)).all()
    assert not changed(gray(*size), drawn)[:70].any()
    assert not changed(gray(*size), drawn)[90:].any()


def test_colours_of_what_is_not_known_are_refused():
    with pytest.raises(ValueError, match='color_by must be one of class, track'):
        OverlayStyle(color_by='mood')


@pytest.mark.parametrize('name, plain', [
    ('Fußball', 'Fussball'), ('Müllgefäß', 'Mullgefass'), ('cafe\u0301', 'cafe'), ('Łódź', 'Lodz'),
    ('A杯', ''), ('杯子', ''), ('cup', 'cup'), ('', '')])
def test_names_are_written_in_plain_letters_whole_or_not_at_all(name, plain):
    assert transliterated(name) == plain


def test_plates_of_a_crowd_leave_most_of_the_image_free():
    size = (240, 320)
    masks = [rectangle(size, x, y, x + 12, y + 12) for y in range(0, 228, 16)
             for x in range(0, 308, 16)]
    style = OverlayStyle(alpha=0, boxes=False, contours=False)
    drawn = draw_instances(gray(*size), instances_of(size, *masks), ['thing'], style)
    assert 0.05 < changed(gray(*size), drawn).mean() <= 0.15


def test_every_object_of_an_image_may_have_a_colour_of_its_own():
    size = (40, 60)
    masks = rectangle(size, 2, 2, 20, 30), rectangle(size, 30, 2, 50, 30)
    style = OverlayStyle(alpha=1, boxes=False, labels=False, contours=False, color_by='instance')
    drawn = draw_instances(gray(*size), instances_of(size, *masks, class_ids=[0, 0]), ['a'], style)
    assert drawn[10, 10].tolist() == list(class_color(0))
    assert drawn[10, 40].tolist() == list(class_color(1))
