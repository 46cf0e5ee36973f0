"""Every parameter of the node, declared once; an object of Parameters is one valid setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from functools import cached_property

from yolact_ros.coded_images import MAX_PIXELS
from yolact_ros.config import NMS_KINDS, PostprocessConfig
from yolact_ros.overlay import COLOR_BY, OverlayStyle
from yolact_ros.ros.image_codec import TRANSPORTS
from yolact_ros.ros.instance_codec import MASK_ENCODINGS
from yolact_ros.ros.parameter_table import check_table, fixed, live
from yolact_ros.threads import MOST_THREADS

QOS_RULES = ('auto', 'reliable', 'best_effort')


@dataclass(frozen=True)
class Parameters:
    """
    One valid setting of all parameters: the fields are the table, an object is a snapshot.

    :raises ValueError: when a value is refused; the message names it and what is allowed.
    """

    weights: str = fixed('', 'Weights at the start: a path or a name that `yolact models` lists; '
                         'empty for the packaged demo model. Later: service ~/reload.')
    config: str = fixed('', 'Preset of the network (yolact_base, yolact_plus_resnet50, ...); '
                        'empty to find it out from the weights.')
    class_names: tuple[str, ...] = fixed((), 'Names of the classes, all in their order, of '
                                         'weights that do not tell them; empty for those of COCO '
                                         'or Pascal VOC.')
    device: str = fixed('auto', 'Where the network runs: auto, cpu, cuda, cuda:1, ...')
    backend: str = fixed('auto', 'What runs the network: torch, openvino (CPU), or auto: '
                         'OpenVINO or ONNX Runtime for exported files, torch for checkpoints.')
    precision: str = fixed('auto', 'Number format of the network: auto, float32, float16, '
                           'bfloat16.')
    threads: int = fixed(0, 'Processor threads of the network; 0 takes the cores that the process '
                         'may use.', low=0, high=MOST_THREADS)
    image_transport: str = fixed('raw', 'Form of the input: raw subscribes to image, compressed '
                                 'to image/compressed.', choices=TRANSPORTS)
    cameras: tuple[str, ...] = fixed((), 'Names of cameras that share the model, each a '
                                     'namespace: front/image in, ~/front/instances out; empty '
                                     'for one camera without a name.')
    use_depth: bool = fixed(False, 'Listen to depth and camera_info too and say where in space '
                            'the objects are.')
    autostart: bool = fixed(True, 'Configure and activate the lifecycle node at the start.')

    enabled: bool = live(True, 'Process images; the same switch as service ~/enable.')
    image_qos: str = live('auto', 'Reliability of the input subscription; auto follows the '
                          'publishers.', choices=QOS_RULES)
    max_image_age: float = live(0.0, 'Skip images older than this [s]; 0 takes all. Needs '
                                'clocks that agree (or use_sim_time with a bag).',
                                low=0.0, high=3600.0)
    max_image_pixels: int = live(MAX_PIXELS, 'Images of more pixels (width x height) are refused '
                                 'before memory is asked for.', low=1, high=2 ** 30)
    score_threshold: float = live(0.3, 'A detection must have a class score above it.',
                                  low=0.0, high=1.0)
    class_thresholds: tuple[str, ...] = live((), "Score thresholds of single classes, each "
                                             "'name:0.5' or 'id:0.5'.")
    classes: tuple[str, ...] = live((), 'Names or ids of the classes to keep; empty for all.')
    max_instances: int = live(100, 'Most instances in one array, best scores first.',
                              low=1, high=1000)
    nms: str = live('fast', 'How overlapping detections are thinned out.', choices=NMS_KINDS)
    iou_threshold: float = live(0.5, 'Boxes that overlap more suppress each other (IoU).',
                                low=0.0, high=1.0)
    top_k: int = live(0, 'Best boxes of each class that enter the suppression; 0: 200, more '
                      'with fewer than ten classes.', low=0, high=10000)
    candidate_threshold: float = live(0.05, 'Anchors with no class score above it are ignored '
                                      'from the start.', low=0.0, high=1.0)
    min_mask_area: int = live(0, 'Objects with fewer mask pixels are left out [px].',
                              low=0, high=2 ** 30)
    edge_margin: int = live(0, "Objects whose mask comes nearer to the image's border are left "
                            'out [px]: 1 leaves out those that touch it (field truncated), 0 '
                            'keeps all.', low=0, high=10000)
    tracking: bool = live(True, 'Number the objects: track_id stays with an object from image '
                          'to image.')
    depth_slop: float = live(0.05, 'Stamps of image and depth may be so far apart [s]; an image '
                             'waits for its depth no longer than this.', low=0.0, high=10.0)
    points_background: bool = live(False, 'Points of ~/points beside the objects are known too; '
                                   'else NaN.')
    mask_encoding: str = live('packed', 'How masks are stored in ~/instances.',
                              choices=tuple(MASK_ENCODINGS))
    overlay_alpha: float = live(0.45, 'Opacity of the masks in ~/overlay.', low=0.0, high=1.0)
    overlay_boxes: bool = live(True, 'Draw boxes in ~/overlay.')
    overlay_labels: bool = live(True, 'Draw class names and scores in ~/overlay.')
    overlay_contours: bool = live(True, 'Draw outlines of the masks in ~/overlay.')
    overlay_color_by: str = live('class', 'What has a colour of its own in ~/overlay: a class, '
                                 'every tracked object, or every object of an image.',
                                 choices=COLOR_BY)
    jpeg_quality: int = live(85, 'Quality of ~/overlay/compressed.', low=1, high=100)

    def __post_init__(self) -> None:
        """Check every value by itself, then those that only make sense together."""
        check_table(self)
        _ = self.postprocess  # raises ValueError for thresholds it cannot use

    @cached_property
    def postprocess(self) -> PostprocessConfig:
        """Return what the predictor needs to know."""
        return PostprocessConfig(
            score_threshold=self.score_threshold, candidate_threshold=self.candidate_threshold,
            iou_threshold=self.iou_threshold, top_k=self.top_k,
            max_instances=self.max_instances, nms=self.nms,
            classes=self.classes or None,
            class_thresholds=parse_class_thresholds(self.class_thresholds) or None)

    @cached_property
    def overlay_style(self) -> OverlayStyle:
        """Return how the overlay looks."""
        return OverlayStyle(alpha=self.overlay_alpha, boxes=self.overlay_boxes,
                            labels=self.overlay_labels, contours=self.overlay_contours,
                            color_by=self.overlay_color_by)


PARAMETERS: Mapping[str, Field] = {row.name: row for row in fields(Parameters)}


def parse_class_thresholds(entries: Sequence[str]) -> dict[str | int, float]:
    """
    Return {name or id: threshold} of entries like 'mug:0.5'.

    :raises ValueError: for an entry of another form, or two of one class.
    """
    thresholds: dict[str | int, float] = {}
    for entry in entries:
        name, colon, number = (part.strip() for part in entry.rpartition(':'))
        if not colon or not name or not _is_number(number):
            raise ValueError(f"class_thresholds takes entries like 'mug:0.5', got {entry!r}")
        if name in thresholds:
            raise ValueError(f'class_thresholds names {name!r} twice; leave one out')
        thresholds[name] = float(number)
    return thresholds


def _is_number(text: str) -> bool:
    """Return whether float() takes a text."""
    try:
        float(text)
    except ValueError:
        return False
    return True
