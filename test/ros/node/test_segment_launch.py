"""segment.launch.py, read as far as possible without launch_ros and run for real where it is."""

import ast
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import rclpy
import yaml
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from yolact_ros.ros.node.parameters import PARAMETERS
from yolact_ros.ros.parameter_table import default_of, rule_of

ROOT = Path(__file__).resolve().parents[3]
LAUNCH_FILE = ROOT / 'launch' / 'segment.launch.py'
PATIENCE = 60.0  # [s], for a busy machine
WANTED = {'image_topic', 'depth_topic', 'camera_info_topic', 'use_depth', 'image_transport',
          'weights', 'config', 'device', 'score_threshold',
          'params_file', 'namespace', 'name', 'use_sim_time', 'log_level', 'fastdds_profile',
          'rqt', 'rviz', 'respawn', 'on_exit'}


def table(name):
    """Return {key: value node} of a dict that the launch file assigns at top level."""
    for statement in ast.parse(LAUNCH_FILE.read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == name:
            return dict(zip((key.value for key in statement.value.keys), statement.value.values))
    raise AssertionError(f'{name} is not assigned in {LAUNCH_FILE}')


def test_every_argument_people_expect_is_there():
    assert WANTED - set(table('ARGUMENTS')) - set(table('OVERRIDES')) == set()


def test_overriding_arguments_are_parameters_of_the_same_type_and_choices():
    for name, row in table('OVERRIDES').items():
        if name == 'use_sim_time':
            continue
        kind, choices, _ = row.elts
        assert kind.id == type(default_of(PARAMETERS[name])).__name__
        if kind.id != 'bool':
            shown = ast.literal_eval(choices) or ()
            assert shown == rule_of(PARAMETERS[name]).choices


def constant(path, name):
    """Return what a launch file assigns to a name at top level, where it is a literal."""
    return next(ast.literal_eval(statement.value)
                for statement in ast.parse(path.read_text()).body
                if isinstance(statement, ast.Assign) and statement.targets[0].id == name)


@pytest.mark.parametrize('file', ['segment.launch.py', 'demo.launch.py'])
def test_switches_may_be_written_like_yaml_and_like_python(file):
    path = ROOT / 'launch' / file
    assert {'true', 'True', 'TRUE', 'false', 'False', 'FALSE'} == set(constant(path, 'SWITCH'))


def test_log_levels_may_be_written_in_capitals():
    assert {'warn', 'WARN', 'info', 'INFO'} <= set(constant(LAUNCH_FILE, 'LEVELS'))


def exec_function(name, names):
    """Define one function of the launch file, which needs nothing else of it."""
    for statement in ast.parse(LAUNCH_FILE.read_text()).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            exec(compile(ast.Module([statement], []), LAUNCH_FILE, 'exec'), names)


def typed(text, kind):
    """Return what becomes of an argument `x:=text`."""
    names = {'LaunchConfiguration': Given}
    exec_function('_typed', names)
    return names['_typed']('x', kind, {'x': text})


def test_switch_in_capitals_means_the_same():
    assert [typed(text, bool) for text in ('true', 'True', 'TRUE', 'False')] \
        == [True, True, True, False]
    assert typed('1', float) == 1.0


@pytest.mark.parametrize('text, kind, words', [
    ('half', float, 'x must be a number, got x:=half'),
    ('2.5', int, 'x must be a whole number, got x:=2.5')])
def test_what_is_no_number_is_named_with_its_argument(text, kind, words):
    with pytest.raises(ValueError, match=words):
        typed(text, kind)


@pytest.mark.parametrize('text', ['front,left', 'front, left', "['front', 'left']",
                                  '["front","left"]'])
def test_list_may_be_written_with_and_without_brackets(text):
    assert typed(text, tuple) == ['front', 'left']


class Given:
    """A launch configuration: what was given for a name."""

    def __init__(self, name):
        self.name = name

    def perform(self, given):
        return given[self.name]


@pytest.mark.parametrize('image, camera_info, expected', [
    ('image', '', 'camera_info'), ('/front/color/image_raw', '', '/front/color/camera_info'),
    ('/front/color/image_raw', '/other', '/other')])
def test_calibration_lies_beside_the_image_unless_named(image, camera_info, expected):
    names = {'LaunchConfiguration': Given}
    exec_function('_inputs', names)
    given = {'image_topic': image, 'depth_topic': 'd', 'camera_info_topic': camera_info}
    assert names['_inputs'](given) == [('image', image), ('depth', 'd'),
                                       ('camera_info', expected)]


def test_every_argument_is_described():
    for row in (*table('ARGUMENTS').values(), *table('OVERRIDES').values()):
        assert len(ast.literal_eval(row.elts[-1])) > 15


def test_rviz_shows_the_nodes_topics():
    config = yaml.safe_load((ROOT / 'config' / 'yolact.rviz').read_text())
    topics = {display['Topic']['Value']
              for display in config['Visualization Manager']['Displays']}
    assert topics == {'/yolact/overlay', '/yolact/label_image', '/yolact/points',
                      '/yolact/markers'}


class Joined:
    """A path of substitutions; what was not given reads like its name."""

    def __init__(self, parts):
        self.path = os.path.join(*(getattr(part, 'name', part) for part in parts))


@pytest.mark.parametrize('camera, prefix', [('', ''), ('front', 'front/')])
def test_viewers_look_at_the_topics_of_their_camera(camera, prefix):
    names = {'LaunchConfiguration': Given, 'PathJoinSubstitution': Joined,
             'Node': SimpleNamespace, 'CONFIG': 'config'}
    for function in ('_topic', '_rqt', '_rviz'):
        exec_function(function, names)
    rqt, rviz = (names[function](camera) for function in ('_rqt', '_rviz'))
    own = f'/namespace/name/{prefix}'
    assert [argument.path for argument in rqt.arguments] == [own + 'overlay']
    assert {before: after.path for before, after in rviz.remappings} == {
        f'/yolact/{name}': own + name for name in ('overlay', 'label_image', 'points', 'markers')}


@pytest.mark.parametrize('text, cameras', [('', ['']), ('front,left', ['front', 'left'])])
def test_there_is_a_viewer_for_each_camera(text, cameras):
    names = {'LaunchConfiguration': Given}
    for function in ('_typed', '_cameras'):
        exec_function(function, names)
    assert names['_cameras']({'cameras': text}) == cameras


def values_of(node, name, *names):
    """Return parameters of a running node."""
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    client = node.create_client(GetParameters, f'{name}/get_parameters')
    assert client.wait_for_service(PATIENCE), f'{name} does not run'
    future = client.call_async(GetParameters.Request(names=names))
    executor.spin_until_future_complete(future, PATIENCE)
    executor.shutdown()
    return [parameter_value_to_python(value) for value in future.result().values]


def test_launch_gives_name_and_parameters_and_ends_cleanly(launched, tmp_path):
    own = tmp_path / 'own.yaml'
    own.write_text(yaml.safe_dump({'/**': {'ros__parameters': {
        'score_threshold': 0.7, 'jpeg_quality': 50, 'autostart': False}}}))
    process, node = launched('name:=seg', 'namespace:=front', f'params_file:={own}',
                             'score_threshold:=1', 'use_sim_time:=true')
    assert values_of(node, '/front/seg', 'score_threshold', 'jpeg_quality', 'autostart',
                     'use_sim_time', 'nms') == [1.0, 50, False, True, 'fast']
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0 and 'finished cleanly' in output
    assert time.monotonic() - start < 5


def test_launch_fails_when_the_node_cannot_start(launched):
    process, _ = launched('weights:=/no/such/file.pth')
    output = process.communicate(timeout=PATIENCE)[0]
    assert '/no/such/file.pth' in output and 'exit code 1' in output


def test_wrong_choice_is_refused_by_launch(launched):
    process, _ = launched('image_transport:=theora')
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode != 0 and 'theora' in output


@pytest.mark.parametrize('file', ['segment.launch.py', 'demo.launch.py'])
def test_process_that_fails_fails_the_launch(file):
    names = {'Shutdown': lambda reason: reason}
    for statement in ast.parse((ROOT / 'launch' / file).read_text()).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == '_end':
            exec(compile(ast.Module([statement], []), file, 'exec'), names)
    ended = SimpleNamespace(process_name='segment_node-1', returncode=0)
    assert 'ended' in names['_end'](ended, None)[0]
    ended.returncode = 1
    with pytest.raises(RuntimeError, match='segment_node-1 ended with code 1'):
        names['_end'](ended, None)


def test_launch_with_a_node_that_cannot_start_ends_with_an_error(launched):
    process, _ = launched('weights:=nothing.pth')
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert 'nothing.pth not found' in output


def test_viewer_that_is_missing_costs_only_itself(launched):
    process, _ = launched('weights:=nothing.pth', 'rqt:=true', 'rviz:=true', 'on_exit:=stay')
    output, _ = process.communicate(timeout=PATIENCE)
    assert 'rqt_image_view is not installed: sudo apt install' in output
    assert 'nothing.pth not found' in output


def install_stand_in(prefix, package):
    """Install a viewer that says what it was started with, where the launch looks for it."""
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    program = prefix / 'lib' / package / package
    for folder in (index, program.parent):
        folder.mkdir(parents=True, exist_ok=True)
    (index / package).touch()
    program.write_text('#!/bin/sh\necho "$0 $*" >&2\n')  # the rest goes to the launch's log
    program.chmod(0o755)


def test_each_camera_is_shown_in_viewers_of_its_own(launched, tmp_path):
    for package in ('rqt_image_view', 'rviz2'):
        install_stand_in(tmp_path, package)
    prefixes = f'{tmp_path}{os.pathsep}{os.environ["AMENT_PREFIX_PATH"]}'
    process, _ = launched('weights:=nothing.pth', 'rqt:=true', 'rviz:=true', 'on_exit:=stay',
                          'cameras:=front,left', 'name:=seg', 'namespace:=robot',
                          AMENT_PREFIX_PATH=prefixes)
    output, _ = process.communicate(timeout=PATIENCE)
    for camera in ('front', 'left'):
        assert f'rqt_image_view /robot/seg/{camera}/overlay' in output
        assert f'/yolact/points:=/robot/seg/{camera}/points' in output
