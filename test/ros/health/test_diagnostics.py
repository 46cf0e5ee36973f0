import math

from yolact_ros.ros.health.diagnostics import INPUT_KEYS, OUTPUT_KEYS, diagnose
from yolact_ros.ros.health.metrics import Figures
from yolact_ros.ros.health.watchdog import Finding, Level

SOURCE = {'topic': '/image', 'type': 'sensor_msgs/msg/Image', 'publishers': 'driver',
          'reliability': 'reliable', 'lost': '0'}
IDLE = Figures(0.0, math.nan, 0.0, (math.nan, math.nan), {}, 0, 0)
BUSY = Figures(30.0, 12.34, 29.5, (20.0, 25.0), {'network': 9.0}, 100, 98,
               {'overtaken': 1, 'failed': 1}, 0, 'torn', failing=True)
RUNNING = Finding(Level.OK, 'running', 'images arrive on /image')


def values(status):
    return {each.key: each.value for each in status.values}


def diagnosis(figures, finding=RUNNING):
    return diagnose('front/yolact: left ', finding, figures, SOURCE, 'tiny on cpu')


def test_idle_node_shows_every_key_and_no_figure():
    source, result = diagnosis(IDLE)
    assert set(values(source)) == set(INPUT_KEYS)
    assert set(values(result)) == set(OUTPUT_KEYS)
    assert values(source)['age [ms]'] == values(result)['latency p50 [ms]'] == '-'
    assert (source.level, result.level) == (b'\0', b'\0')


def test_figures_are_shown_with_one_decimal():
    source, result = diagnosis(BUSY)
    assert (values(source)['rate [Hz]'], values(source)['age [ms]']) == ('30.0', '12.3')
    assert (values(result)['network [ms]'], values(result)['latency p95 [ms]']) == ('9.0', '25.0')
    assert (values(result)['dropped overtaken'], values(result)['dropped too_old']) == ('1', '0')


def test_every_cause_of_a_drop_has_its_value():
    result = diagnosis(BUSY)[1]
    assert {key for key in values(result) if key.startswith('dropped')} \
        == {'dropped overtaken', 'dropped too_old', 'dropped unwanted', 'dropped failed'}
    assert values(result)['waiting'] == '0'


def test_failing_output_is_an_error_with_its_reason():
    result = diagnosis(BUSY)[1]
    assert (result.level, result.message) == (b'\2', 'torn')


def test_input_carries_the_watchdogs_finding():
    silent = Finding(Level.WARN, 'no publisher', 'no publisher on /image')
    source = diagnosis(IDLE, silent)[0]
    assert (source.level, source.message, source.name) \
        == (b'\1', 'no publisher on /image', 'front/yolact: left input')
