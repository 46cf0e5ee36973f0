import math

import pytest

from yolact_ros.ros.health.metrics import CAUSES, LATENCIES, Metrics, RateMeter


def test_figures_before_the_first_image_are_empty():
    figures = Metrics().figures()
    assert (figures.input_rate, figures.output_rate, figures.received, figures.dropped) \
        == (0.0, 0.0, 0, {})
    assert math.isnan(figures.input_age_ms) and math.isnan(figures.latency_ms[0])


@pytest.mark.parametrize(('ticks', 'now', 'rate'), [
    ([], 0.0, 0.0),
    ([1.0], 1.0, 0.0),
    ([0.0, 0.1, 0.2, 0.3], 0.3, 10.0),
    ([0.0, 0.1, 0.2, 0.3], 0.45, 10.0),
    ([0.0, 0.1, 0.2, 0.3], 1.3, 1.0),
    ([0.0, 0.1, 0.2, 0.3], 9.0, 0.0),
], ids=['nothing', 'once', 'ten a second', 'one and a half intervals ago', 'silent for a second',
        'stopped'])
def test_rate_counts_the_last_seconds(ticks, now, rate):
    meter = RateMeter()
    for tick in ticks:
        meter.tick(tick)
    assert meter.rate(now) == pytest.approx(rate)


def test_latency_percentiles_and_stage_medians_are_in_milliseconds():
    metrics = Metrics()
    for index in range(101):  # 0 to 100 ms
        metrics.processed(index / 1000, {'network': float(index)})
    figures = metrics.figures()
    assert figures.latency_ms == pytest.approx((50.0, 95.0))
    assert figures.stage_ms == {'network': 50.0}


def test_only_the_latest_latencies_count():
    metrics = Metrics()
    for latency in [9.0] * LATENCIES + [0.001] * LATENCIES:
        metrics.processed(latency, {})
    assert metrics.figures().latency_ms == pytest.approx((1.0, 1.0))


def test_dropped_images_are_counted_by_cause():
    metrics = Metrics()
    metrics.drop('overtaken')
    metrics.drop('overtaken')
    metrics.drop('failed', 'torn')
    assert metrics.dropped == 3
    assert metrics.figures().dropped == {'overtaken': 2, 'failed': 1}


def test_books_add_up_whatever_happens_to_an_image():
    metrics = Metrics()
    for _ in range(6):
        metrics.arrived(0.0)
    for cause in CAUSES:
        metrics.drop(cause)
    metrics.processed(0.1, {})
    figures = metrics.figures()
    assert (figures.received, figures.processed, figures.dropped, figures.waiting) \
        == (6, 1, dict.fromkeys(CAUSES, 1), 1)


def test_error_stays_but_failing_ends_with_the_next_result():
    metrics = Metrics()
    metrics.drop('failed', 'torn')
    failing = metrics.figures().failing
    metrics.processed(0.1, {})
    after = metrics.figures()
    assert (failing, after.failing, after.last_error) == (True, False, 'torn')


def test_age_of_an_image_is_that_of_the_newest():
    metrics = Metrics()
    metrics.arrived(5.0)
    metrics.arrived(0.02)
    assert metrics.figures().input_age_ms == pytest.approx(20.0)
