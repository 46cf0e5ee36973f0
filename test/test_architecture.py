"""The rooms of the package and who may use whom; every arrow points one way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'yolact_ros'

VALUES = {'structures', 'config', 'masks', 'files', 'devices', 'extras', 'memory', 'progress',
          'signals', 'threads'}
STEPS = {'inference.steps', 'inference.backends', 'inference.captured'}
NETWORK = {'ops', 'model', 'weights', 'checkpoint'}

# For each room (a folder or a single module) the other rooms it may import. A room in a room
# ('inference.steps') is its own; the outer one then is the modules beside it.
ARROWS = {
    'structures': set(),
    'config': {'structures'},
    'masks': {'structures'},
    'files': set(),
    'signals': set(),
    'progress': set(),
    'devices': set(),
    'threads': set(),
    'extras': set(),
    'memory': set(),
    'coded_images': set(),
    'figures': {'extras', 'files'},
    'labels': {'structures'},
    'overlay': {'structures', 'labels', 'masks'},
    'tracking': {'structures'},
    'ops': set(),
    'model': {'ops', 'config', 'structures'},
    'weights': {'config', 'model', 'files'},
    'checkpoint': {'config', 'model', 'weights', 'files'},
    'export': VALUES | NETWORK,
    'inference.steps': VALUES | NETWORK | {'inference.backends'},
    'inference.backends': VALUES | NETWORK | {'export'},
    'inference.captured': VALUES | NETWORK | {'inference.steps', 'inference.backends'},
    'inference': VALUES | NETWORK | STEPS | {'export'},
    'scenes': {'masks'},
    'geometry': {'structures'},
    'messages': {'structures', 'coded_images'},
    'media': {'structures', 'masks', 'files', 'config', 'extras', 'coded_images', 'messages'},
    'data': {'structures', 'masks', 'files', 'coded_images', 'scenes', 'media'},
    'checking': {'structures', 'masks', 'files', 'coded_images', 'progress', 'overlay', 'media',
                 'data'},
    'evaluation': {'structures', 'progress', 'masks', 'files', 'overlay', 'data', 'figures'},
    'training': VALUES | NETWORK | STEPS | {'inference', 'overlay', 'data', 'evaluation',
                                            'scenes', 'media', 'figures'},
    'benchmark': VALUES | NETWORK | STEPS | {'inference', 'export', 'evaluation', 'figures'},
    'ros': {'signals', 'structures', 'masks', 'coded_images', 'messages', 'geometry', 'msg'},
    'ros.health': {'structures'},
    'ros.node.parameters': {'config', 'coded_images', 'overlay', 'threads', 'ros'},
    'ros.node.depth': {'structures', 'geometry', 'msg'},
    'ros.node.outputs': {'structures', 'geometry', 'overlay', 'ros', 'ros.node.depth', 'msg'},
    'ros.node.camera': {'structures', 'coded_images', 'geometry', 'overlay', 'tracking', 'ros',
                        'ros.health', 'ros.node.depth', 'ros.node.outputs',
                        'ros.node.parameters'},
    'ros.node': {'structures', 'messages', 'config', 'devices', 'extras', 'files', 'memory',
                 'threads', 'overlay', 'ros', 'ros.health', 'ros.node.parameters',
                 'ros.node.camera', 'ros.node.outputs', 'srv'},
    'ros.camera': {'structures', 'masks', 'geometry', 'media', 'scenes', 'messages', 'ros',
                   'msg'},
    'ros.viewer': {'extras', 'overlay', 'ros', 'ros.node.parameters', 'msg'},
    'ros.demo': {'structures', 'masks', 'files', 'ros', 'msg'},
    'ros.benchmark': {'structures', 'config', 'scenes', 'ros', 'ros.node', 'ros.health', 'msg',
                      'srv'},
    'commands': VALUES | NETWORK | STEPS | {
        'inference', 'export', 'data', 'checking', 'scenes', 'media', 'evaluation', 'training',
        'benchmark', 'overlay', 'tracking', 'messages', 'ros.benchmark'},
}

# The node's main opens the model it is given.
EXCEPTIONS = {
    'ros/node/node.py': 'yolact_ros.inference.predictor',
}

# What a room may import from outside the standard library, where that is part of its purpose.
OUTSIDE = {
    'structures': {'numpy'},
    'config': set(),
    'masks': {'numpy', 'cv2', 'pycocotools'},
    'ops': {'torch', 'triton', 'torchvision'},
    'model': {'torch'},
    'coded_images': {'numpy', 'cv2', 'simplejpeg'},
    'labels': {'numpy', 'cv2'},
    'overlay': {'numpy', 'cv2'},
    'scenes': {'numpy', 'cv2'},
    'tracking': {'numpy', 'scipy'},
    'geometry': {'numpy', 'cv2'},
}
ROS_PACKAGE = re.compile(
    r'rclpy|launch|launch_ros|cv_bridge|ament_index_python|\w+_(msgs|srvs|interfaces)')


def room_of(module: str) -> str:
    """Return the room of a module that is named from within the package: 'inference.steps.x'."""
    rooms = [room for room in ARROWS if (module + '.').startswith(room + '.')]
    return max(rooms, key=len, default=module.split('.')[0])


@dataclass(frozen=True)
class Import:
    """One import statement, also one inside of a function."""

    file: str
    line: int
    module: str

    @property
    def room(self) -> str:
        """Return the room that imports."""
        return room_of('.'.join(Path(self.file).with_suffix('').parts))

    @property
    def outside(self) -> str | None:
        """Return the imported package, if it is neither ours nor Python's."""
        package = self.module.split('.')[0]
        return None if package in (*sys.stdlib_module_names, PACKAGE.name) else package

    @property
    def target(self) -> str | None:
        """Return the imported room, if it is another one of ours."""
        package, _, rest = self.module.partition('.')
        if package != PACKAGE.name or not rest or room_of(rest) == self.room:
            return None
        return room_of(rest)

    def __str__(self) -> str:
        """Return a place that an editor finds."""
        return f'yolact_ros/{self.file}:{self.line} imports {self.module}'


def imports_of(path: Path) -> list[Import]:
    """Return all imports of a module."""
    found = []
    file = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found += [Import(file, node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{file}:{node.lineno}: imports are absolute'
            modules = [node.module] if node.module != PACKAGE.name else [
                f'{PACKAGE.name}.{alias.name}' for alias in node.names]
            found += [Import(file, node.lineno, module) for module in modules]
    return found


MODULES = sorted(PACKAGE.rglob('*.py'))
IMPORTS = [statement for path in MODULES for statement in imports_of(path)]


def test_every_room_has_its_arrows():
    rooms = {room_of('.'.join(path.relative_to(PACKAGE).with_suffix('').parts))
             for path in MODULES}
    assert rooms - {'__init__'} <= set(ARROWS)


def test_the_arrows_form_no_circle():
    assert circle_in(ARROWS) == []


@pytest.mark.parametrize('room', ARROWS)
def test_a_room_imports_only_what_its_arrows_allow(room):
    wrong = [str(statement) for statement in IMPORTS
             if statement.room == room and statement.target
             and statement.target not in ARROWS[room]
             and not statement.module.startswith(EXCEPTIONS.get(statement.file, '-'))]
    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize('room', OUTSIDE)
def test_a_pure_room_needs_few_libraries(room):
    wrong = [str(statement) for statement in IMPORTS
             if statement.room == room and statement.outside
             and statement.outside not in OUTSIDE[room]]
    assert not wrong, '\n'.join(wrong)


def test_only_the_ros_room_imports_ros():
    wrong = [str(statement) for statement in IMPORTS
             if statement.room.split('.')[0] != 'ros'
             and (ROS_PACKAGE.fullmatch(statement.outside or '')
                  or statement.target in ('msg', 'srv'))]
    assert not wrong, '\n'.join(wrong)


def test_the_ros_room_does_not_mention_torch():
    wrong = [str(statement) for statement in IMPORTS
             if statement.room.split('.')[0] == 'ros' and statement.outside == 'torch']
    assert not wrong, '\n'.join(wrong)


def test_importing_the_ros_room_loads_no_torch():
    pytest.importorskip('rclpy', reason='ROS is not installed')
    modules = ['.'.join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix('').parts))
               for path in MODULES if path.relative_to(PACKAGE).parts[0] == 'ros'
               and path.stem != '__init__']
    program = (f'import importlib, sys\nfor name in {modules!r}:\n'
               '    importlib.import_module(name)\n'
               'assert "torch" not in sys.modules')
    ran = subprocess.run([sys.executable, '-c', program], text=True, capture_output=True,
                         cwd=PACKAGE.parent, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_package_itself_only_extends_its_path():
    # An installed __init__.py may be the generated empty one (ROS lyrical): nothing may need ours.
    code = ast.parse((PACKAGE / '__init__.py').read_text(encoding='utf-8'))
    assert [type(node).__name__ for node in code.body] == ['Expr', 'ImportFrom', 'Assign']


def test_no_folder_of_ours_hides_the_generated_messages():
    assert not [name for name in ('msg', 'srv', 'action') if (PACKAGE / name).exists()]


def imported_at_start(path: Path) -> set[Path]:
    """Return the files of ours that a file imports as it is loaded itself."""
    named = []
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Import):
            named += [(alias.name,) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            named += [(f'{node.module}.{alias.name}', node.module) for alias in node.names]
    return {file for names in named if (file := next(filter(None, map(file_of, names)), None))}


def file_of(module: str) -> Path | None:
    """Return the file of one of our modules or packages."""
    path = PACKAGE.parent.joinpath(*module.split('.'))
    files = [file for file in (path.with_suffix('.py'), path / '__init__.py') if file.is_file()]
    return files[0] if files else None


def circle_in(targets: dict[str, set[str]]) -> list[str]:
    """Return the names that lead to each other again, none where all arrows end."""
    remaining = dict(targets)
    while leaves := [name for name, seen in remaining.items() if not seen & set(remaining)]:
        for name in leaves:
            del remaining[name]
    return sorted(remaining)


def test_circles_are_found_where_there_are_some():
    assert circle_in({'a': {'b', 'd'}, 'b': {'c'}, 'c': {'a'}, 'd': set()}) == ['a', 'b', 'c']
    assert circle_in({'a': {'b', 'c'}, 'b': {'c'}, 'c': set()}) == []


def test_no_files_import_each_other_in_a_circle():
    seen = {str(path.relative_to(PACKAGE)): {str(file.relative_to(PACKAGE))
                                             for file in imported_at_start(path)}
            for path in MODULES}
    assert len(seen['commands/eval.py']) > 5  # or the test would see nothing
    assert circle_in(seen) == []


def test_nothing_of_ours_is_imported_by_a_string():
    by_string = {str(path.relative_to(PACKAGE)) for path in MODULES
                 if re.search(r'import_module|__import__', path.read_text(encoding='utf-8'))}
    # Packages that may be missing; the file of a subcommand, in its own room.
    assert by_string == {'extras.py', 'commands/main.py'}


@pytest.mark.parametrize('folder', sorted({path.parent for path in MODULES}),
                         ids=lambda folder: folder.relative_to(PACKAGE.parent).as_posix())
def test_a_room_says_in_a_sentence_what_it_is_for_and_is_no_drawer(folder):
    text = ast.get_docstring(ast.parse((folder / '__init__.py').read_text(encoding='utf-8')))
    assert text and text.splitlines()[0].endswith('.')
    assert len(list(folder.glob('*.py'))) - 1 <= 15


def test_a_file_tells_one_story():
    assert [str(path) for path in MODULES
            if len(path.read_text(encoding='utf-8').splitlines()) >= 300] == []


def test_the_drawing_of_the_rooms_shows_every_arrow_pointing_down():
    drawing = (PACKAGE.parent / 'docs' / 'rooms.svg').read_text(encoding='utf-8')
    row = {name: int(y) for y, name in re.findall(r'class="room" x="\d+" y="(\d+)"[^>]*>(\w+)<',
                                                  drawing)}
    assert set(row) == {room.split('.')[0] for room in ARROWS}
    wrong = [f'{room} to {target}' for room, targets in ARROWS.items() for target in targets
             if (one := room.split('.')[0]) != (other := target.split('.')[0])
             and other in row and row[one] >= row[other]]
    assert wrong == []
