"""What ROS would ignore on the command line is told."""

import os

import pytest
import yaml

from yolact_ros.ros.arguments import check_arguments, warn_of_foreign_files
from yolact_ros.ros.node.node import main


@pytest.mark.parametrize('args', [
    ['node'], ['node', '--ros-args', '-p', 'x:=1'],
    ['node', '--ros-args', '-r', 'image:=/cam', '--'],
    ['node', '--ros-args', '--log-level', 'info', '--ros-args', '-r', '__node:=a']],
    ids=['nothing', 'parameter', 'closed', 'as launch writes it'])
def test_command_line_for_ros_starts(args):
    assert check_arguments(args, 'usage') is None


@pytest.mark.parametrize('word', ['-h', '--help'])
def test_help_is_printed(capsys, word):
    assert check_arguments(['node', word], 'usage: so') == 0
    assert capsys.readouterr().out == 'usage: so\n'


@pytest.mark.parametrize('words', [['--nonsense'], ['-p', 'score_threshold:=0.5'], ['image']])
def test_what_means_nothing_is_refused_with_the_usage(capsys, words):
    assert check_arguments(['node', *words], 'usage: so') == 1
    told = capsys.readouterr().err
    assert ' '.join(words) in told and 'after --ros-args' in told and 'usage: so' in told


@pytest.mark.parametrize(('section', 'warned'), [
    ('/**', False), ('yolact', False), ('/yolact', False), ('/*', False), ('other', True),
    ('/**/yolact', False), ('/ns/yolact', True)])
def test_file_for_another_node_is_told(new_bench, tmp_path, capfd, section, warned):
    path = tmp_path / 'own.yaml'
    path.write_text(f'{section}:\n  ros__parameters:\n    score_threshold: 0.7\n')
    with new_bench(arguments=['--params-file', str(path)]) as bench:
        warn_of_foreign_files(bench.node, ['node', '--ros-args', '--params-file', str(path)])
        taken = bench.node.get_parameter('score_threshold').value == 0.7
    assert (taken, 'none for /yolact' in capfd.readouterr().err) == (not warned, warned)


def test_sections_may_be_nested_in_namespaces(new_bench, tmp_path, capfd):
    path = tmp_path / 'own.yaml'
    path.write_text('front:\n  yolact:\n    ros__parameters: {nms: fast}\n')
    with new_bench(arguments=['-r', '__ns:=/front']) as bench:
        warn_of_foreign_files(bench.node, ['--params-file', str(path)])
    assert 'none for' not in capfd.readouterr().err


def test_lists_as_launch_files_write_them_are_read(new_bench, tmp_path, capfd):
    path = tmp_path / 'launch_params'
    path.write_text(yaml.dump({'/**': {'ros__parameters': {'classes': ('mug', 'bowl')}}}))
    assert '!!python/tuple' in path.read_text()
    with new_bench(arguments=['--params-file', str(path)]) as bench:
        warn_of_foreign_files(bench.node, ['--params-file', str(path)])
        assert list(bench.node.get_parameter('classes').value) == ['mug', 'bowl']
    assert 'none for' not in capfd.readouterr().err


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_files_of_windows_are_read(new_bench, tmp_path, capfd, encoding):
    path = tmp_path / 'own.yaml'
    path.write_text('/**:\n  ros__parameters:\n    nms: cross_class\n', encoding=encoding)
    with new_bench(arguments=['--params-file', str(path)]) as bench:
        warn_of_foreign_files(bench.node, ['--params-file', str(path)])
        assert bench.node.get_parameter('nms').value == 'cross_class'
    assert 'none for' not in capfd.readouterr().err


def test_a_pipe_is_left_to_ros_which_has_read_it(new_bench, tmp_path, capfd):
    os.mkfifo(tmp_path / 'pipe')
    with new_bench() as bench:
        warn_of_foreign_files(bench.node, ['--params-file', str(tmp_path / 'pipe')])
    assert 'none for' not in capfd.readouterr().err


@pytest.mark.parametrize('words, status', [(['--help'], 0), (['--nonsense'], 1)])
def test_the_node_answers_before_it_starts(capsys, words, status):
    assert main(['segment_node', *words]) == status
    assert 'usage: segment_node' in ''.join(capsys.readouterr())
