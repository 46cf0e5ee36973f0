"""Names that cannot be namespaces of cameras are refused with the reason."""

import pytest


@pytest.mark.parametrize(('names', 'reason'), [
    (['front', 'left', 'front'], "'front' is named twice"),
    (['front/left'], "'front/left' cannot be a part of a topic"),
    (['/front'], "'/front' cannot be a part of a topic"),
    (['1front'], "'1front' cannot be a part of a topic"),
    ([1, 2], "'1' cannot be a part of a topic"),
    (['front camera'], "'front camera' cannot be a part of a topic"),
    (['fro__nt'], "'fro__nt' cannot be a part of a topic"),
    (['vorwärts'], "'vorwärts' cannot be a part of a topic"),
], ids=['twice', 'slash', 'absolute', 'digit', 'numbers', 'space', 'two underscores', 'umlaut'])
def test_bad_name_is_refused_at_configure_with_the_reason(new_bench, capfd, names, reason):
    with new_bench(cameras=names) as bench:
        assert bench.start() is False
        assert bench.models.opened == []
    assert reason in capfd.readouterr().err


@pytest.mark.parametrize('topic', ['image', 'depth', 'camera_info'])
def test_cameras_beside_a_remapped_input_are_refused(new_bench, capfd, topic):
    with new_bench(arguments=['-r', f'{topic}:=/cam/other'], cameras=['front']) as bench:
        assert bench.start() is False
    log = capfd.readouterr().err
    assert 'exclude each other' in log and f'-r front/{topic}:=/cam/other' in log


def test_image_remapped_to_itself_is_as_not_remapped(new_bench):
    with new_bench(arguments=['-r', 'image:=image'], cameras=['front']) as bench:
        assert bench.start()
