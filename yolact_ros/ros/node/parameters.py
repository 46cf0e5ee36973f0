"""Every parameter of the node, declared once; an object of Parameters is one valid setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cached_property
from typing import Any

from yolact_ros.config import NMS_KINDS, PostprocessConfig
from yolact_ros.overlay import COLOR_BY, OverlayStyle

TRANSPORTS = ('raw', 'compressed')
QOS_RULES = ('auto', 'reliable', 'best_effort')
MASK_ENCODINGS = ('packed', 'rle', 'mono8')


@dataclass(frozen=True)
class Rule:
    """
    What a parameter is for and which values it takes.

    :param description: one or two sentences for people.
    :param live: it can be set while the node runs.
    :param low: smallest value, None where there is no limit.
    :param high: largest value, None where there is no limit.
    :param choices: the only values, or () for any.
    """

    description: str
    live: bool
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> None:
        """
        Refuse a value outside the range or the choices.

        :raises ValueError: naming the parameter, the value and what is allowed.
        """
        if self.choices and value not in self.choices:
            raise ValueError(f'{name} must be one of {", ".join(self.choices)}, got {value!r}')
        if self.low is not None and not self.low <= value <= self.high:
            raise ValueError(f'{name} must be in [{self.low}, {self.high}], got {value}')


def _start(default: Any, description: str, **limits: Any) -> Any:
    """Return a field that is fixed when the node starts."""
    return field(default=default, metadata={'rule': Rule(description, live=False, **limits)})


def _live(default: Any, description: str, **limits: Any) -> Any:
    """Return a field that can be set while the node runs."""
    return field(default=default, metadata={'rule': Rule(description, live=True, **limits)})


@dataclass(frozen=True)
class Parameters:
    """
    One valid setting of all parameters: the fields are the table, an object is a snapshot.

    :raises ValueError: when a value is refused; the message names it and what is allowed.
    """

    weights: str = _start('', 'Weights at the start: a path or a name that `yolact models` lists; '
                          'empty for the packaged demo model. Later: service ~/reload.')
    config: str = _start('', 'Preset of the network (yolact_base, yolact_plus_resnet50, ...); '
                         'empty to find it out from the weights.')
    device: str = _start('auto', 'Where the network runs: auto, cpu, cuda, cuda:1, ...')
    backend: str = _start('auto', 'What runs the network: torch, openvino (CPU), or auto: '
                          'OpenVINO or ONNX Runtime for exported files, torch for checkpoints.')
    precision: str = _start('auto', 'Number format of the network: auto, float32, float16, '
                            'bfloat16.')
    image_transport: str = _start('raw', 'Form of the input: raw subscribes to image, compressed '
                                  'to image/compressed.', choices=TRANSPORTS)
    autostart: bool = _start(True, 'Configure and activate the lifecycle node at the start.')

    enabled: bool = _live(True, 'Process images; the same switch as service ~/enable.')
    image_qos: str = _live('auto', 'Reliability of the input subscription; auto follows the '
                           'publishers.', choices=QOS_RULES)
    max_image_age: float = _live(0.0, 'Skip images older than this [s]; 0 takes all. Needs '
                                 'clocks that agree (or use_sim_time with a bag).',
                                 low=0.0, high=3600.0)
    score_threshold: float = _live(0.3, 'A detection must have a class score above it.',
                                   low=0.0, high=1.0)
    class_thresholds: tuple[str, ...] = _live((), "Score thresholds of single classes, each "
                                              "'name:0.5' or 'id:0.5'.")
    classes: tuple[str, ...] = _live((), 'Names or ids of the classes to keep; empty for all.')
    max_instances: int = _live(100, 'Most instances in one array, best scores first.',
                               low=1, high=1000)
    nms: str = _live('fast', 'How overlapping detections are thinned out.', choices=NMS_KINDS)
    iou_threshold: float = _live(0.5, 'Boxes that overlap more suppress each other (IoU).',
                                 low=0.0, high=1.0)
    top_k: int = _live(200, 'Best boxes of each class that enter the suppression.',
                       low=1, high=1000)
    candidate_threshold: float = _live(0.05, 'Anchors with no class score above it are ignored '
                                       'from the start.', low=0.0, high=1.0)
    tracking: bool = _live(True, 'Number the objects: track_id stays with an object from image '
                           'to image.')
    mask_encoding: str = _live('packed', 'How masks are stored in ~/instances.',
                               choices=MASK_ENCODINGS)
    overlay_alpha: float = _live(0.45, 'Opacity of the masks in ~/overlay.', low=0.0, high=1.0)
    overlay_boxes: bool = _live(True, 'Draw boxes in ~/overlay.')
    overlay_labels: bool = _live(True, 'Draw class names and scores in ~/overlay.')
    overlay_contours: bool = _live(True, 'Draw outlines of the masks in ~/overlay.')
    overlay_color_by: str = _live('class', 'What has a colour of its own in ~/overlay: a class, '
                                  'or every tracked object.', choices=COLOR_BY)
    jpeg_quality: int = _live(85, 'Quality of ~/overlay/compressed.', low=1, high=100)

    def __post_init__(self) -> None:
        """Check every value by itself, then those that only make sense together."""
        for row in fields(self):
            rule_of(row).check(row.name, getattr(self, row.name))
        _ = self.postprocess  # raises ValueError for thresholds it cannot use

    @cached_property
    def postprocess(self) -> PostprocessConfig:
        """Return what the predictor needs to know."""
        return PostprocessConfig(
            score_threshold=self.score_threshold, candidate_threshold=self.candidate_threshold,
            iou_threshold=self.iou_threshold, top_k=self.top_k,
            max_instances=self.max_instances, nms=self.nms,
            classes=tuple(map(class_key, self.classes)) or None,
            class_thresholds=parse_class_thresholds(self.class_thresholds) or None)

    @cached_property
    def overlay_style(self) -> OverlayStyle:
        """Return how the overlay looks."""
        return OverlayStyle(alpha=self.overlay_alpha, boxes=self.overlay_boxes,
                            labels=self.overlay_labels, contours=self.overlay_contours,
                            color_by=self.overlay_color_by)


PARAMETERS: Mapping[str, Field] = {row.name: row for row in fields(Parameters)}


def rule_of(row: Field) -> Rule:
    """Return description, range and liveness of a field of Parameters."""
    return row.metadata['rule']


def default_of(row: Field) -> Any:
    """Return the default value of a field of Parameters."""
    assert row.default is not MISSING
    return row.default


def class_key(entry: str) -> str | int:
    """Return a class id when the entry is a number, else the name itself."""
    return int(entry) if entry.isdigit() else entry


def parse_class_thresholds(entries: Sequence[str]) -> dict[str | int, float]:
    """
    Return {name or id: threshold} of entries like 'mug:0.5'.

    :raises ValueError: for an entry of another form.
    """
    thresholds = {}
    for entry in entries:
        name, colon, number = entry.rpartition(':')
        try:
            thresholds[class_key(name.strip())] = float(number)
        except ValueError:
            colon = ''
        if not colon or not name.strip():
            raise ValueError("class_thresholds takes entries like 'mug:0.5', got "
                             f'{entry!r}')
    return thresholds
