"""The judge of a soak, and a short soak of a real node."""

import pytest

from tools.trust.soak import soak
from tools.trust.vitals import Sample, Vitals


def vitals(seconds=600, **changes):
    """Return the samples of a healthy node; changes are functions of the time."""
    values = {'rss_mib': lambda time: 500.0, 'threads': lambda time: 20,
              'descriptors': lambda time: 40, 'waiting': lambda time: 1, **changes}
    return Vitals([Sample(
        time, values['rss_mib'](time), values['threads'](time), values['descriptors'](time), 30.0,
        {'received': 10 * time + 1, 'processed': 9 * time, 'dropped overtaken': time,
         'waiting': values['waiting'](time)}) for time in range(1, seconds)])


def test_healthy_node_has_no_faults():
    assert vitals().faults() == []


@pytest.mark.parametrize('change, words', [
    ({'rss_mib': lambda time: 500 + 0.05 * time}, 'memory grew by'),
    ({'threads': lambda time: 20 + time // 100}, 'threads grew from'),
    ({'descriptors': lambda time: 40 + time // 50}, 'descriptors grew from'),
    ({'waiting': lambda time: 1 - (time == 77)}, 'the books are off 1 times, first by 1 at 77 s'),
], ids=['memory', 'threads', 'descriptors', 'books'])
def test_faults_are_found(change, words):
    (fault,) = vitals(**change).faults()
    assert words in fault


def test_memory_of_the_first_minutes_may_grow():
    assert vitals(rss_mib=lambda time: 500 + min(time, 150)).faults() == []


def test_figures_are_drawn(tmp_path):
    pytest.importorskip('matplotlib')
    vitals(30).plot(tmp_path / 'soak.png')
    assert (tmp_path / 'soak.png').stat().st_size > 10000


@pytest.mark.slow
def test_real_node_keeps_its_books_in_trouble():
    found = soak(6.0, 30.0, seed=1, log=lambda line: None)
    assert found.faults() == []
    assert len(found.events) >= 2
