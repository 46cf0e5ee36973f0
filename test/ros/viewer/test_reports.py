"""What the page shows of the node's messages."""

import json
import math

import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from yolact_ros.msg import InstanceMask, InstanceMaskArray
from yolact_ros.overlay import class_color
from yolact_ros.ros.viewer.reports import (
    choice_of_cameras,
    distance_of,
    health,
    objects,
    without_folders,
)


def array_of(*rows):
    return InstanceMaskArray(instances=[
        InstanceMask(track_id=track, class_id=number, class_name=name, score=score)
        for track, number, name, score in rows])


def status(name, level=0, message='', **values):
    return DiagnosticStatus(name=name, level=bytes([level]), message=message, values=[
        KeyValue(key=key, value=value) for key, value in values.items()])


def hex_color(number):
    return '#' + ''.join(f'{channel:02x}' for channel in class_color(number))


def test_no_objects_are_no_rows():
    assert objects(array_of(), 'class') == []


def test_rows_are_ordered_by_number_and_those_without_one_come_last():
    rows = objects(array_of(('', 0, 'mug', 0.9), ('10', 1, 'bowl', 0.8), ('9', 0, 'mug', 0.7),
                            ('', 1, 'bowl', 0.6)), 'class')
    assert [(row['track'], row['class'], row['score']) for row in rows] == [
        ('9', 'mug', 0.7), ('10', 'bowl', 0.8), ('', 'mug', 0.9), ('', 'bowl', 0.6)]


@pytest.mark.parametrize('color_by, colors', [
    ('class', [hex_color(4), hex_color(4)]), ('track', [hex_color(7), '#969696'])])
def test_a_row_has_the_colour_of_the_overlay(color_by, colors):
    rows = objects(array_of(('7', 4, 'mug', 0.9), ('', 4, 'mug', 0.5)), color_by)
    assert [row['color'] for row in rows] == colors


@pytest.mark.parametrize('place, distance', [
    ((0.3, 0.4, 1.2), 1.3), ((0.0, 0.0, 1.23456), 1.235), ((math.nan,) * 3, None),
    ((0.0, 0.0, math.inf), None), ((0.0, 0.0, 0.0), None)])
def test_the_distance_is_shown_where_it_is_known(place, distance):
    mask = InstanceMask()
    mask.position.x, mask.position.y, mask.position.z = place
    assert distance_of(mask) == distance


def test_rows_become_json():
    assert json.loads(json.dumps(objects(array_of(('1', 0, '<b>', 0.5)), 'class')))[0][
        'class'] == '<b>'


@pytest.mark.parametrize('levels, level, text', [
    ((0, 0), 0, 'in'), ((1, 0), 1, 'in'), ((0, 2), 2, 'out'), ((1, 2), 2, 'out'),
    ((2, 2), 2, 'in')])
def test_the_line_is_that_of_the_worse_half(levels, level, text):
    report = health([status('yolact: input', levels[0], 'in'),
                     status('yolact: output', levels[1], 'out')], 'yolact: ')
    assert (report['level'], report['text']) == (level, text)


@pytest.mark.parametrize('name', ['yolact: ', 'arm/yolact: ', 'yolact: front '])
def test_figures_of_both_halves_are_there(name):
    report = health([status(f'{name}input', rate='30.0'), status('camera'), status(f'{name}depth'),
                     status(f'{name}output', rate='15.0')], name)
    assert (report['input'], report['output']) == ({'rate': '30.0'}, {'rate': '15.0'})


@pytest.mark.parametrize('names', [
    (), ('other: input', 'other: output'), ('yolact: input',),
    ('yolact2: input', 'yolact2: output'), ('yolact: front input', 'yolact: front output')])
def test_other_nodes_and_cameras_are_none_of_our_business(names):
    assert health([status(name) for name in names], 'yolact: ') is None


def test_who_names_none_of_several_cameras_is_told_their_names():
    statuses = [status(f'yolact: {camera} {half}') for camera in ('left', 'front')
                for half in ('input', 'output', 'depth')]
    assert choice_of_cameras(statuses, 'yolact: ')['text'] == (
        'the node has the cameras front, left; start the viewer with --camera front')
    assert choice_of_cameras([status('yolact: input')], 'yolact: ') is None


@pytest.mark.parametrize('text, shown', [
    ('start it with FASTDDS_DEFAULT_PROFILES_FILE=/opt/ros/share/config/fastdds.xml, or',
     'start it with FASTDDS_DEFAULT_PROFILES_FILE=fastdds.xml, or'),
    ("weights '/home/me/a.pth' not found", "weights 'a.pth' not found"),
    ('images arrive on /camera/front/image_raw', 'images arrive on /camera/front/image_raw'),
    ('/a/image: 3/4 at 0.5/s', '/a/image: 3/4 at 0.5/s')])
def test_files_are_named_without_their_folders(text, shown):
    assert without_folders(text) == shown
