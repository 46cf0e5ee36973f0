"""One page that holds an evaluation: its figures, its curves, and what went wrong."""

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle_codec

from yolact_ros.evaluation.confusion import confusion, match_image
from yolact_ros.evaluation.curves import LEFT, SIDE_X, SIDE_Y, TOP, curves_svg
from yolact_ros.evaluation.detections import Detection
from yolact_ros.evaluation.evaluate import evaluate_detections
from yolact_ros.evaluation.ground_truth import GroundTruth, TrueObject
from yolact_ros.evaluation.html_report import write_html_report
from yolact_ros.evaluation.marked_images import MARKS, SIDE, mark
from yolact_ros.structures import ImageSize

EDGE = 100  # [px]
CLASSES = ('cat', '<b>dog</b>')
HIT, SWAP, MISS, ALARM = (5, 5, 20, 20), (60, 5, 20, 20), (5, 60, 20, 20), (60, 60, 20, 20)


def rectangle(x, y, width, height):
    mask = np.zeros((EDGE, EDGE), np.uint8, 'F')
    mask[y:y + height, x:x + width] = 1
    return rle_codec.encode(mask)


def true(class_id, box, crowd=False):
    return TrueObject(1, class_id, box, rectangle(*box), box[2] * box[3], crowd)


def found(class_id, box):
    return Detection(1, class_id, 0.9, 0.9, box, rectangle(*box))


TRUTH = GroundTruth(CLASSES, {1: ImageSize(EDGE, EDGE)},
                    (true(0, HIT), true(0, SWAP), true(1, MISS)), (1, 2),
                    {1: '/secret/cat & dog.png'}, ('an annotation was left out',))
FOUND = (found(0, HIT), found(1, SWAP), found(1, ALARM))


def black(_image_id):
    return np.zeros((EDGE, EDGE, 3), np.uint8)


def report(tmp_path, truth=TRUTH, read=black, **settings):
    """Return the page of the truth above and what was found."""
    result = evaluate_detections(truth, FOUND)
    path = tmp_path / 'folder' / 'report.html'
    write_html_report(path, result, confusion(truth, FOUND), read, 5, settings)
    return path.read_text()


def texts(html, tag):
    """Return what stands between tags."""
    return re.findall(f'<{tag}[^>]*>([^<]*)</{tag}>', html)


def test_what_was_found_for_what():
    matches = match_image(TRUTH.objects, FOUND, 0.5)
    assert matches.partners == (0, 1, -1)
    assert matches.excused == (False, False, False)
    assert matches.missed == [TRUTH.objects[2]]


def test_an_object_found_as_two_classes_is_found_and_the_other_finding_a_false_alarm():
    better_but_wrong, right = found(1, (5, 5, 20, 20)), found(0, (5, 5, 20, 22))
    matches = match_image([true(0, HIT)], [better_but_wrong, right], 0.5)
    assert (matches.partners, matches.missed) == ((-1, 0), [])
    assert match_image([true(0, HIT)], [better_but_wrong], 0.5).partners == (0,)


def test_classes_pair_by_the_best_overlap_of_all():
    first, second = found(0, (5, 5, 20, 24)), found(0, HIT)
    assert match_image([true(0, HIT)], [first, second], 0.5).partners == (-1, 0)


def test_a_finding_in_a_crowd_is_excused():
    matches = match_image([true(1, (50, 50, 50, 50), crowd=True)], [found(1, ALARM)], 0.5)
    assert (matches.true, matches.partners, matches.excused) == ((), (-1,), (True,))


@pytest.mark.parametrize('what, box', [('right', HIT), ('wrong class', SWAP), ('missed', MISS),
                                       ('false alarm', ALARM)])
def test_every_fault_is_outlined_in_its_colour(what, box):
    marked = mark(black(1), match_image(TRUTH.objects, FOUND, 0.5), CLASSES)
    assert marked.shape == (SIDE, SIDE, 3)
    x, y, width, height = box
    row = marked[round(SIDE / EDGE * (y + height / 2))]
    near = np.flatnonzero((np.abs(row.astype(int) - MARKS[what]) < 12).all(-1)) * EDGE / SIDE
    # An outline's two sides, each within half a pixel of the original.
    assert abs(near.min() - x) < 0.5 and abs(near.max() - (x + width)) < 0.5


def test_names_in_a_crowd_hide_neither_each_other_nor_the_image():
    items = [true(1, (x, y, 3, 3)) for x in range(0, 96, 4) for y in range(0, 96, 4)]
    marked = mark(black(1), match_image(items, [], 0.5), CLASSES)
    plates = cv2.erode((marked == MARKS['missed']).all(-1).astype(np.uint8), np.ones((4, 4)))
    assert 0.02 < plates.mean() < 0.2


def test_nothing_is_drawn_for_an_excused_finding_or_on_the_original():
    image = black(1)
    matches = match_image([true(1, (50, 50, 50, 50), crowd=True)], [found(1, ALARM)], 0.5)
    assert not mark(image, matches, CLASSES).any()
    assert mark(image, match_image(TRUTH.objects, FOUND, 0.5), CLASSES).any()
    assert not image.any()


def test_boxes_are_outlined_where_there_are_no_masks():
    bare = [replace(item, rle=None) for item in FOUND]
    marked = mark(black(1), match_image(TRUTH.objects, bare, 0.5), CLASSES)
    assert (marked == MARKS['false alarm']).all(-1).sum() > 100


def test_the_curve_of_a_perfect_model_runs_along_the_top():
    summary = evaluate_detections(TRUTH, [replace(
        FOUND[0], class_id=item.class_id, bbox=item.bbox, rle=item.rle)
        for item in TRUTH.objects]).mask
    svg = curves_svg(summary)
    points = re.findall(r'points="([^"]+)"', svg)
    assert len(points) == 3
    for curve in points:
        corners = np.array([pair.split(',') for pair in curve.split()], float)
        assert len(corners) == 101
        assert (corners[:, 1] == TOP).all()
        assert corners[0, 0] == LEFT and corners[-1, 0] == LEFT + SIDE_X
    assert svg.count('1.000') == 3


def test_the_curve_of_a_blind_model_runs_along_the_bottom():
    points = re.findall(r'points="([^"]+)"', curves_svg(evaluate_detections(TRUTH, ()).box))
    assert {pair.split(',')[1] for curve in points for pair in curve.split()} == {
        f'{TOP + SIDE_Y:.1f}'}


def test_the_page_holds_the_figures(tmp_path):
    html = report(tmp_path, model='mine.safetensors', data='val.json')
    cells = texts(html, 'td')
    result = evaluate_detections(TRUTH, FOUND)
    assert '1 images, 3 objects, 0 crowd regions, 3 detections' in html
    assert f'{result.mask.values["AP50"]:.3f}' in texts(html, 'b')
    assert {'mine.safetensors', 'val.json', 'torch', 'an annotation was left out'} <= set(cells)
    # Rows of the confusion: cat, dog, false alarm; columns: cat, dog, missed.
    table = html.split('class="confusion"')[1].split('</table>')[0]
    assert texts(table, 'td') == ['cat', '1', '1', '', '&lt;b&gt;dog&lt;/b&gt;', '', '', '1',
                                  'false alarm', '', '1', '']
    assert 'cat &amp; dog.png: 1 right, 1 missed, 1 false alarms, 1 of another class' in html


def test_the_page_needs_nothing_else_and_runs_nothing(tmp_path):
    html = report(tmp_path, model='<script>alert(1)</script>')
    assert '<script' not in html and '<b>dog' not in html
    assert not re.findall(r'(?:src|href)="(?!data:)', html) and 'url(' not in html
    assert "default-src 'none'" in html


def test_the_worst_images_are_inside(tmp_path):
    coded, = re.findall('data:image/jpeg;base64,([^"]+)', report(tmp_path))
    image = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (SIDE, SIDE, 3) and image.std() > 5


def test_without_images_there_is_the_rest(tmp_path):
    html = report(tmp_path, read=None)
    assert 'Worst images' not in html and 'Confusion at score 0.3' in html
