"""What CMake, pip, make and package.xml say about the same package agrees."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ElementTree.parse(ROOT / 'package.xml').getroot()


@pytest.fixture(scope='module')
def setup_arguments() -> dict:
    """Return what setup.py hands to setuptools."""
    import setuptools
    caught: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(setuptools, 'setup', lambda **arguments: caught.update(arguments))
        runpy.run_path(str(ROOT / 'setup.py'))
    return caught


def requirement_name(line: str) -> str:
    """Return the package of a requirement line, without version."""
    return re.match(r'[\w-]+', line).group().lower()


def pinned_packages(file: str = 'requirements.txt') -> set[str]:
    """Return the packages that a requirements file names."""
    lines = (ROOT / file).read_text(encoding='utf-8').splitlines()
    return {requirement_name(line) for line in lines if line and not line.startswith('#')}


def test_ros_and_pip_give_the_package_the_same_version(setup_arguments):
    assert MANIFEST.findtext('version') == setup_arguments['version']


def test_ros_and_pip_give_the_package_the_same_licence(setup_arguments):
    assert MANIFEST.findtext('license') == setup_arguments['license'] == 'Apache-2.0'
    assert 'Apache License' in (ROOT / 'LICENSE').read_text(encoding='utf-8')[:200]


def test_everything_pip_installs_is_in_the_tested_environment(setup_arguments):
    extras = setup_arguments['extras_require'].values()
    wanted = [*setup_arguments['install_requires'], *(line for lines in extras for line in lines)]
    assert {requirement_name(line) for line in wanted} <= pinned_packages()


@pytest.mark.parametrize('file', ['requirements.txt', 'requirements-jazzy.txt'])
def test_the_environments_have_every_message_package_that_is_imported(file):
    brought = {'std_msgs', 'lifecycle_msgs', 'rosgraph_msgs'}  # by rclpy and sensor_msgs
    optional = {'vision_msgs'}
    messages = {name for name in ros_imports() if re.fullmatch(r'\w+_(msgs|srvs)', name)}
    wanted = {f'ros-{name.replace("_", "-")}' for name in messages - brought - optional}
    assert wanted <= pinned_packages(file)


def test_every_python_folder_is_installed_by_pip(setup_arguments):
    folders = {'.'.join(path.parent.relative_to(ROOT).parts)
               for path in (ROOT / 'yolact_ros').rglob('*.py')}
    assert folders == set(setup_arguments['packages'])


def ros_imports() -> set[str]:
    """Return the ROS packages that the ROS modules, the launch files and the tests use."""
    modules = set()
    for path in [*(ROOT / 'yolact_ros' / 'ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module)
    ros = re.compile(r'rclpy|launch|launch_ros|cv_bridge|ament_index_python|\w+_(msgs|srvs)|'
                     r'\w+_interfaces')
    return {name for module in modules if ros.fullmatch(name := module.split('.')[0])}


def test_package_xml_depends_on_every_ros_package_that_is_imported():
    declared = {element.text for tag in ('depend', 'exec_depend')
                for element in MANIFEST.iter(tag)}
    assert ros_imports() <= declared


def test_package_xml_has_no_pip_key_so_that_it_can_be_released():
    keys = [element.text for element in MANIFEST.iter() if element.tag.endswith('depend')]
    assert [key for key in keys if key.endswith('-pip')] == []


def test_the_changelog_begins_with_this_version():
    lines = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8').splitlines()
    assert lines[4].split()[0] == MANIFEST.findtext('version')


def test_package_xml_is_one_that_ros_tools_accept():
    package = pytest.importorskip('catkin_pkg.package')
    parsed = package.parse_package(str(ROOT / 'package.xml'))
    assert parsed.get_build_type() == 'ament_cmake'
    assert [group.name for group in parsed.member_of_groups] == ['rosidl_interface_packages']


def test_cmake_builds_every_message_and_service():
    cmake = (ROOT / 'CMakeLists.txt').read_text(encoding='utf-8')
    listed = set(re.findall(r'\b(?:msg|srv)/\w+\.(?:msg|srv)', cmake))
    present = {path.relative_to(ROOT).as_posix()
               for folder in ('msg', 'srv') for path in (ROOT / folder).iterdir()}
    assert listed == present


@pytest.mark.parametrize('path', sorted((ROOT / 'msg').iterdir()), ids=lambda path: path.stem)
def test_messages_have_no_fixed_size_arrays(path):
    # They alone would tie the generated C code to one NumPy version.
    assert not re.search(r'\[\d+\]', path.read_text(encoding='utf-8'))


@pytest.mark.parametrize('script', sorted((ROOT / 'scripts').iterdir()),
                         ids=lambda path: path.name)
def test_executables_call_a_main_that_exists(script):
    text = script.read_text(encoding='utf-8')
    assert os.access(script, os.X_OK)
    assert text.startswith('#!/usr/bin/env python3\n')
    module = ROOT / (re.search(r'from ([\w.]+) import main', text).group(1).replace('.', '/'))
    code = ast.parse(module.with_suffix('.py').read_text(encoding='utf-8'))
    assert 'main' in [node.name for node in code.body if isinstance(node, ast.FunctionDef)]


def test_pip_makes_a_wheel_of_pure_python_without_tests_or_messages(tmp_path):
    pytest.importorskip('setuptools')
    source = tmp_path / 'source'
    shutil.copytree(ROOT / 'yolact_ros', source / 'yolact_ros',
                    ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copytree(ROOT / 'config', source / 'config')
    for name in ('setup.py', 'pyproject.toml', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, 'setup.py', '-q', 'bdist_wheel', '-d', str(tmp_path)],
                   cwd=source, check=True, capture_output=True)
    wheel, = tmp_path.glob('*.whl')
    files = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to(source).as_posix() for path in (source / 'yolact_ros').rglob('*')
              if path.is_file()}
    assert wheel.name.endswith('-py3-none-any.whl')
    recipes = {f'yolact_ros-0.2.0.data/data/share/yolact_ros/config/{path.name}'
               for path in (ROOT / 'config').glob('train_*.yaml')}
    assert recipes
    assert {name for name in files if '.dist-info/' not in name} == wanted | recipes


def make(*arguments: str) -> str:
    """Return what make would do."""
    return subprocess.run(['make', '--no-print-directory', '--dry-run', *arguments],
                          cwd=ROOT, text=True, check=True,
                          capture_output=True).stdout


@pytest.mark.skipif(not shutil.which('make'), reason='needs make')
def test_make_demo_passes_its_arguments_on():
    line = make('demo', 'SOURCE=my video.mp4', 'WEIGHTS=a.pth', 'DURATION=5')
    assert "--source 'my video.mp4'" in line
    assert "--weights 'a.pth'" in line
    assert "--duration '5'" in line
    assert '--source' not in make('demo') and '--viewer' not in make('demo')
    assert '--viewer' in make('demo', 'VIEWER=1')


@pytest.mark.skipif(not shutil.which('make'), reason='needs make')
@pytest.mark.parametrize('target', ['demo', 'test'])
def test_both_commands_set_the_machine_up_first(target):
    assert make(target).splitlines()[0].startswith('tools/setup')


def machine_with(folder: Path, *programs: str) -> dict[str, str]:
    """Return the environment of a machine that has only these programs."""
    for program in ('dirname', *programs):
        (folder / program).symlink_to(shutil.which(program) or pytest.skip(f'no {program} here'))
    return {'PATH': str(folder), 'HOME': str(folder)}


@pytest.mark.parametrize('programs, wanted', [
    ((), 'python3 python3-venv python3-dev build-essential cmake'),
    (('c++', 'make'), 'python3 python3-venv python3-dev cmake'),
    (('cmake', 'make'), 'python3 python3-venv python3-dev build-essential'),
], ids=['nothing', 'no cmake', 'no compiler'])
def test_setup_names_what_a_bare_machine_lacks(tmp_path, programs, wanted):
    ran = subprocess.run([shutil.which('bash'), str(ROOT / 'tools' / 'setup')], text=True,
                         env=machine_with(tmp_path, *programs), capture_output=True, check=False)
    assert ran.returncode == 1
    assert f'sudo apt-get install -y {wanted}\n' in ran.stderr


@pytest.mark.parametrize('script', sorted((ROOT / 'scripts').iterdir()),
                         ids=lambda path: path.name)
def test_a_program_can_be_ended_while_its_libraries_load(script):
    before, loads, _ = script.read_text(encoding='utf-8').partition('\nfrom yolact_ros')
    assert loads and 'signal.signal(' in before
