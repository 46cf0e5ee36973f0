"""`yolact segment`: find the objects in images, folders, videos or a camera."""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from yolact_ros.commands.jobs.output_plan import OutputPlan, plan_output
from yolact_ros.commands.jobs.segment_job import Predictor, SegmentJob
from yolact_ros.config import BACKENDS, MODEL_PRESETS, NMS_KINDS, PostprocessConfig
from yolact_ros.devices import PRECISIONS
from yolact_ros.media.images import Video, find_source, silence_opencv
from yolact_ros.media.video import VideoReader
from yolact_ros.overlay import COLOR_BY, OverlayStyle
from yolact_ros.threads import THREADS_HELP

DEFAULTS = PostprocessConfig()
STYLE = OverlayStyle()
EXAMPLES = """
examples:
  yolact segment photo.jpg -o out.jpg
  yolact segment pictures/ -o overlays/ --json results.json --crops cut_out/
  yolact segment video.mp4 --weights yolact_plus_resnet50 --classes person,dog
  yolact segment 0 -o camera.mp4          (the first camera, until Ctrl-C)

An existing output is replaced. A picture that cannot be read is reported, the rest of its
folder goes on, and the exit code is 1. EXIF orientation of photos is applied: boxes and masks
are those of the upright picture. 16-bit pictures are reduced to 8 bits, transparency is dropped.
"""
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `yolact segment`."""
    parser.epilog = EXAMPLES
    parser.add_argument('source', metavar='SOURCE',
                        help='a picture, a folder of pictures, a video, a stream URL, or a camera '
                             'number such as 0')
    _add_output_arguments(parser.add_argument_group('output'))
    _add_model_arguments(parser.add_argument_group('model'))
    _add_selection_arguments(parser.add_argument_group('which objects'))
    _add_drawing_arguments(parser.add_argument_group('overlay'))


def _add_output_arguments(group: argparse._ArgumentGroup) -> None:
    """Add where results go."""
    group.add_argument('-o', '--output', type=Path, metavar='OUT',
                       help='overlay file, or a folder for it; default: the source\'s name with '
                            '_yolact in the current folder, unless --json or --crops is given')
    group.add_argument('--json', type=Path, metavar='FILE',
                       help='write COCO results with RLE masks, with the names of files and '
                            'classes, by which "yolact eval --results" knows them; category ids '
                            'are COCO\'s for its 80 classes, else 1 to N; image ids are the '
                            'number in the file name, else 1 to N, of a video the frame number '
                            'from 0')
    group.add_argument('--json-tracks', action='store_true',
                       help='of a video or camera, with --json: a track_id in every result, the '
                            'same for one object in all frames, 0 where it is not yet certain')
    group.add_argument('--crops', type=Path, metavar='DIR',
                       help='write every object as a PNG of its own, transparent around the mask')
    group.add_argument('--no-tracks', dest='tracks', action='store_false',
                       help='do not number the objects of a video or camera')
    group.add_argument('--max-frames', type=_positive, metavar='N',
                       help='stop after N frames of a video or camera')


def _add_model_arguments(group: argparse._ArgumentGroup) -> None:
    """Add which network runs where."""
    group.add_argument('--weights', default='demo', metavar='FILE|NAME',
                       help='a checkpoint, or a name that "yolact models" lists (default: demo, a '
                            'small packaged model of people and synthetic tabletop objects)')
    group.add_argument('--config', choices=sorted(MODEL_PRESETS), metavar='PRESET',
                       help='network of a checkpoint that does not tell it itself')
    group.add_argument('--class-names', nargs='+', default=(), metavar='NAME',
                       help='of a checkpoint that does not tell them itself')
    group.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    group.add_argument('--precision', default='auto', choices=('auto', *PRECISIONS),
                       help='number format of the network (default: auto, what is fastest here)')
    group.add_argument('--threads', type=int, default=0, metavar='N', help=THREADS_HELP)
    group.add_argument('--backend', default='auto', choices=BACKENDS,
                       help='what runs the network (default: auto, what a file was made for)')


def _add_selection_arguments(group: argparse._ArgumentGroup) -> None:
    """Add what counts as a detection."""
    group.add_argument('--score-threshold', type=float, default=DEFAULTS.score_threshold,
                       metavar='S',
                       help='smallest class score; the score shown is lower where the network '
                            'also judges its masks, as YOLACT++ does (default: %(default)s)')
    group.add_argument('--classes', type=_class_list, metavar='A,B',
                       help='only these classes, names or ids, separated by commas')
    group.add_argument('--max-instances', type=int, default=DEFAULTS.max_instances, metavar='N',
                       help='at most N objects in a picture (default: %(default)s)')
    group.add_argument('--nms', choices=NMS_KINDS, default=DEFAULTS.nms,
                       help='how double detections are removed; cross_class allows one class per '
                            'object, soft_cluster lowers the scores of doubles '
                            '(default: %(default)s)')
    group.add_argument('--iou-threshold', type=float, default=DEFAULTS.iou_threshold, metavar='T',
                       help='boxes that overlap more are double (default: %(default)s)')


def _add_drawing_arguments(group: argparse._ArgumentGroup) -> None:
    """Add how the overlay looks."""
    group.add_argument('--alpha', type=float, default=STYLE.alpha, metavar='A',
                       help='opacity of the masks, 0 to 1 (default: %(default)s)')
    group.add_argument('--color-by', choices=COLOR_BY, default=STYLE.color_by,
                       help='what has a colour of its own (default: %(default)s)')
    for part in ('boxes', 'labels', 'contours'):
        group.add_argument(f'--no-{part}', dest=part, action='store_false',
                           help=f'leave out the {part}')


def run(args: argparse.Namespace) -> int:
    """
    Segment the source and write what was asked for.

    :returns: 0, or 1 when a part of the source could not be read.
    :raises argparse.ArgumentError: when output options do not fit the source.
    """
    silence_opencv()
    postprocess, style = _settings(args)
    source = find_source(args.source)
    if args.json_tracks and not (args.json and args.tracks and isinstance(source, Video)):
        raise argparse.ArgumentError(None, '--json-tracks needs a video or camera, --json, and '
                                           'no --no-tracks')
    try:
        plan = plan_output(OutputPlan(args.output, args.json, args.crops), source)
    except ValueError as error:
        raise argparse.ArgumentError(None, str(error)) from error
    with ExitStack() as stack:
        frames = (stack.enter_context(VideoReader(source)) if isinstance(source, Video)
                  else source)
        job = SegmentJob(_open_predictor(args, postprocess), style, plan, args.max_frames,
                         args.tracks, args.json_tracks)
        with logging_redirect_tqdm():
            return job.run(frames)


def _open_predictor(args: argparse.Namespace, postprocess: PostprocessConfig) -> Predictor:
    """Return the predictor and say what the demo model knows."""
    from yolact_ros.inference.predictor import open_predictor  # imports torch, so not earlier
    predictor = open_predictor(args.weights, args.config, args.device, args.backend,
                               args.precision, postprocess, args.class_names,
                               threads=args.threads)
    if args.weights == 'demo':
        logger.info('the demo model knows only %s; choose another with --weights, see '
                    '"yolact models"', ', '.join(predictor.class_names))
    return predictor


def _settings(args: argparse.Namespace) -> tuple[PostprocessConfig, OverlayStyle]:
    """Return validated settings; a value out of range is a usage error."""
    try:
        return (PostprocessConfig(score_threshold=args.score_threshold, classes=args.classes,
                                  iou_threshold=args.iou_threshold, nms=args.nms,
                                  max_instances=args.max_instances),
                OverlayStyle(args.alpha, args.boxes, args.labels, args.contours,
                             args.color_by))
    except ValueError as error:
        raise argparse.ArgumentError(None, str(error)) from error


def _class_list(text: str) -> tuple[str, ...]:
    """Return names and ids from a list separated by commas."""
    parts = [part.strip() for part in text.split(',') if part.strip()]
    if not parts:
        raise argparse.ArgumentTypeError('wanted class names or ids separated by commas')
    return tuple(parts)


def _positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'wanted a whole number of at least 1, got {text!r}')
    return int(text)


