"""What /diagnostics shows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from yolact_ros.ros.health.metrics import Figures
from yolact_ros.ros.health.watchdog import Finding, Level

# Key -> meaning, the table of the README. Keys of stages are added: 'network [ms]', ...
INPUT_KEYS = {
    'topic': 'Input topic, fully resolved.',
    'type': 'Message type expected on it.',
    'publishers': 'Nodes that publish it.',
    'reliability': 'QoS of the subscription, or closed while nobody listens.',
    'rate [Hz]': 'Images received in the last 5 s.',
    'age [ms]': 'Time from the stamp of the newest image to its arrival.',
    'received': 'Images since the start.',
    'lost': 'Images that the middleware could not deliver.',
}
OUTPUT_KEYS = {
    'rate [Hz]': 'Results published in the last 5 s.',
    'latency p50 [ms]': 'Median from arrival of an image to its published result.',
    'latency p95 [ms]': '95th percentile of the same.',
    'processed': 'Results since the start.',
    'dropped overtaken': 'Images skipped because a newer one came.',
    'dropped too_old': 'Images skipped for max_image_age.',
    'dropped failed': 'Images lost to an error.',
    'model': 'Network, device, number format and backend.',
    'last error': 'Newest reason why an image was lost.',
}


def diagnose(name: str, stamp: Time, finding: Finding, figures: Figures,
             source: Mapping[str, str], model: str) -> DiagnosticArray:
    """
    Return both states of the node: its input and its output.

    :param name: of the node, without leading slash.
    :param source: values of INPUT_KEYS that are not figures.
    :param model: description of the loaded model.
    """
    into = {**source, 'rate [Hz]': _number(figures.input_rate),
            'age [ms]': _number(figures.input_age_ms), 'received': str(figures.received)}
    out = {'rate [Hz]': _number(figures.output_rate),
           'latency p50 [ms]': _number(figures.latency_ms[0]),
           'latency p95 [ms]': _number(figures.latency_ms[1]),
           **{f'{stage} [ms]': _number(time) for stage, time in figures.stage_ms.items()},
           'processed': str(figures.processed),
           **{f'dropped {cause}': str(figures.dropped.get(cause, 0))
              for cause in ('overtaken', 'too_old', 'failed')},
           'model': model, 'last error': figures.last_error}
    failing = Level.ERROR if figures.failing else Level.OK
    return DiagnosticArray(status=[
        _status(f'{name}: input', finding.level, finding.text, source['topic'], into),
        _status(f'{name}: output', failing, figures.last_error if failing else finding.cause,
                model, out)], header=_header(stamp))


def _header(stamp: Time) -> object:
    """Return a header with a stamp and no frame."""
    header = DiagnosticArray().header
    header.stamp = stamp
    return header


def _status(name: str, level: Level, message: str, hardware: str,
            values: Mapping[str, str]) -> DiagnosticStatus:
    """Return one line of the diagnostics with its values."""
    return DiagnosticStatus(level=bytes([level]), name=name, message=message,
                            hardware_id=hardware,
                            values=[KeyValue(key=key, value=value)
                                    for key, value in values.items()])


def _number(value: float) -> str:
    """Return a figure with one decimal, '-' where there is none."""
    return '-' if math.isnan(value) else f'{value:.1f}'
