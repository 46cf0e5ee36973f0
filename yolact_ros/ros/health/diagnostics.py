"""What /diagnostics shows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from yolact_ros.ros.health.metrics import CAUSES, Figures
from yolact_ros.ros.health.watchdog import Finding, Level

# Key -> meaning, the table of the README. Keys of stages are added: 'network [ms]', ...
INPUT_KEYS = {
    'topic': 'Input topic, fully resolved.',
    'type': 'Message type expected on it.',
    'publishers': 'Nodes that publish it.',
    'reliability': 'QoS of the subscription, or closed while nobody listens.',
    'rate [Hz]': 'Images received in the last 5 s.',
    'age [ms]': 'Time from the stamp of the newest image to its arrival.',
    'received': 'Images since the start: processed, dropped and waiting together.',
    'lost': 'Images that the middleware knows it could not deliver. Of a flood it keeps the '
            'newest; the others are counted neither here nor in received.',
}
OUTPUT_KEYS = {
    'rate [Hz]': 'Results published in the last 5 s.',
    'latency p50 [ms]': 'Median from arrival of an image to its published result.',
    'latency p95 [ms]': '95th percentile of the same.',
    'processed': 'Results since the start.',
    **{f'dropped {cause}': text for cause, text in CAUSES.items()},
    'waiting': 'Images received that are neither yet: the newest one, and one being worked on.',
    'model': 'Network, device, number format and backend.',
    'last error': 'Newest reason why an image was lost.',
}

DEPTH_KEYS = {
    'topic': 'Topic of the depth images, fully resolved.',
    'camera_info': 'Topic of the calibration, fully resolved.',
    'publishers': 'Nodes that publish depth images.',
    'with depth': 'Images that got a depth image since the start.',
    'without depth': 'Images that did not; the message of the status says why.',
}


def diagnose(name: str, finding: Finding, figures: Figures, source: Mapping[str, str],
             model: str) -> list[DiagnosticStatus]:
    """
    Return both states of a camera: its input and its output.

    :param name: of node and camera: 'yolact: ' or 'yolact: front '.
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
              for cause in CAUSES},
           'waiting': str(figures.waiting),
           'model': model, 'last error': figures.last_error}
    failing = Level.ERROR if figures.failing else Level.OK
    return [_status(name + 'input', finding.level, finding.text, source['topic'], into),
            _status(name + 'output', failing, figures.last_error if failing else finding.cause,
                    model, out)]


def diagnose_depth(name: str, finding: Finding, values: Mapping[str, str]) -> DiagnosticStatus:
    """
    Return the state of a camera's depth images.

    :param name: of node and camera: 'yolact: ' or 'yolact: front '.
    :param values: of DEPTH_KEYS.
    """
    return _status(name + 'depth', finding.level, finding.text, values['topic'], values)


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
