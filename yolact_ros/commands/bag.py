"""`yolact bag`: find the objects in every image of a recording; writes another recording."""

from __future__ import annotations

import argparse
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from yolact_ros.commands.jobs.identity import Identity
from yolact_ros.extras import require
from yolact_ros.media.bag_types import instance_array, jpeg_message, open_typestore
from yolact_ros.media.bags import BagCopy, choose_image_topic, is_whole, open_bag, read_messages
from yolact_ros.messages.images import decode_message
from yolact_ros.overlay import draw_instances
from yolact_ros.progress import progress_interval
from yolact_ros.signals import heard

INSTANCES, OVERLAY = '/yolact/instances', '/yolact/overlay/compressed'
DONE, DONE_BEFORE = 'done', 'done before'
EXAMPLES = """
examples:
  yolact bag recording/ -o segmented/ --overlay
  yolact bag recording/ -o masks/ --only-results --topic /camera/color/image_raw
  yolact bag recordings/ -o segmented/ --jobs 2   (those that are done are skipped)
  yolact bag recordings/ -o segmented/ --ray      (on the Ray cluster of this machine)

Every image is segmented, in order; the results have the stamps of their images. An image that
cannot be read is reported and left out, and the exit code is 1. Ctrl-C keeps what is done.
"""
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument('bag', metavar='IN', type=Path,
                        help='a rosbag2, mcap or sqlite3, or a folder of them')
    parser.add_argument('-o', '--output', metavar='OUT', type=Path, required=True,
                        help='folder of the new rosbag2 (mcap); must not exist')
    parser.add_argument('--jobs', type=int, default=1, metavar='N',
                        help='recordings of a folder at the same time (default: 1)')
    parser.add_argument('--ray', nargs='?', const='auto', metavar='ADDRESS',
                        help='recordings of a folder on a running Ray cluster whose machines have '
                             'this package and see the same files (default: the one of this '
                             'machine)')
    parser.add_argument('--topic', default='', metavar='T',
                        help='image topic (default: the largest with colour images)')
    parser.add_argument('--every', type=float, default=0.0, metavar='S',
                        help='only images at least S seconds apart (default: all)')
    parser.add_argument('--overlay', action='store_true',
                        help=f'also {OVERLAY}, the images with the masks drawn on them')
    parser.add_argument('--only-results', action='store_true',
                        help='do not copy the messages of the recording')
    parser.add_argument('--no-tracks', dest='tracks', action='store_false',
                        help='leave track_id empty')
    parser.add_argument('--weights', default='demo', metavar='FILE|NAME',
                        help='a checkpoint, or a name that "yolact models" lists (default: demo)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')


def run(args: argparse.Namespace) -> int:
    """
    Segment the recording, or every one of a folder.

    :returns: 0, or 1 when an image or a recording could not be read.
    """
    recordings = sorted(path.parent for path in args.bag.glob('*/metadata.yaml'))
    return _run_all(args, recordings) if recordings else _run_one(args)


def _run_all(args: argparse.Namespace, recordings: list[Path]) -> int:
    """Segment recordings side by side, each in a process of its own; tell how each one went."""
    ends = (_run_on_cluster if args.ray else _run_here)(args, recordings)
    for path, end in zip(recordings, ends):
        logger.info('%s: %s', path.name, end)
    failed = sum(end not in (DONE, DONE_BEFORE) for end in ends)
    logger.info('%d of %d recordings are segmented', len(ends) - failed, len(ends))
    return int(failed > 0)


def _run_here(args: argparse.Namespace, recordings: list[Path]) -> list[str]:
    """Return how each recording went, --jobs of them at a time on this machine."""
    with ThreadPoolExecutor(max(1, args.jobs)) as pool:
        return list(pool.map(lambda path: _run_apart(args, path), recordings))


def _run_on_cluster(args: argparse.Namespace, recordings: list[Path]) -> list[str]:
    """
    Return how each recording went, as many at a time as the Ray cluster has processors.

    :raises ImportError: when Ray is not installed.
    :raises ConnectionError: when no cluster answers.
    """
    ray = require('ray', 'ray')
    try:
        ray.init(address=args.ray, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConnectionError(
            f"no Ray cluster answers at '{args.ray}' ({str(error).splitlines()[0]}); start one "
            'with "ray start --head", or give its address: --ray HOST:6379') from error
    try:
        # A second try would meet the half of the first.
        segment = ray.remote(max_retries=0)(_run_apart)
        weights = Path(args.weights)
        shared = argparse.Namespace(**{
            **vars(args), 'output': args.output.resolve(),
            'weights': str(weights.resolve()) if weights.exists() else args.weights})
        running = [segment.remote(shared, path.resolve()) for path in recordings]
        return [_end_on_cluster(ray, task) for task in running]
    finally:
        ray.shutdown()


def _end_on_cluster(ray: ModuleType, task: Any) -> str:
    """Wait for one recording; return how it went."""
    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:
        return f'failed: {str(error).strip().splitlines()[-1]}'


def _run_apart(args: argparse.Namespace, path: Path) -> str:
    """Segment one recording of a folder in another process; return how that went."""
    output = args.output / path.name
    if output.exists():
        return DONE_BEFORE if is_whole(output) else f"cut short before; remove '{output}' first"
    values = {'--topic': args.topic, '--every': args.every, '--weights': args.weights,
              '--device': args.device}
    flags = {'--overlay': args.overlay, '--only-results': args.only_results,
             '--no-tracks': not args.tracks}
    command = [sys.executable, '-m', 'yolact_ros.commands.main', 'bag', str(path), '-o',
               str(output), *(f'{name}={value}' for name, value in values.items()),
               *(name for name, wanted in flags.items() if wanted)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (ran.stderr.strip().splitlines() or [''])[-1]
    return DONE if ran.returncode == 0 and is_whole(output) else f'failed: {last}'


def _run_one(args: argparse.Namespace) -> int:
    """Segment one recording."""
    store = open_typestore()
    with open_bag(args.bag) as reader:
        topic = choose_image_topic(reader, store, args.topic)
        copy = BagCopy(args.output)
        from yolact_ros.inference.predictor import open_predictor  # imports torch, so not earlier
        predictor = open_predictor(args.weights, device=args.device)
        logger.info('%s of %s', topic, args.bag)
        job = _Job(args, store, topic, predictor, copy)
        try:
            with copy, logging_redirect_tqdm():
                copy.finish(whole=_read(reader, job))
        except OSError as error:
            raise OSError(f"cannot write '{args.output}' ({error}); is the disk full?") from error
    logger.info('%d images segmented, %d left out -> %s', job.done, job.bad, args.output)
    return int(job.bad > 0)


def _read(reader: Any, job: _Job) -> bool:
    """Hand every message to the job; Ctrl-C ends it early, then False is returned."""
    total = sum(item.msgcount for item in reader.connections if item.topic == job.topic)
    bar = tqdm(total=total, unit='image', disable=None, mininterval=progress_interval())
    with bar, _noted_interrupt() as interrupted:
        for connection, stamp, data in read_messages(reader):
            job.take(connection, stamp, data)
            bar.update(connection.topic == job.topic)
            if interrupted:
                logger.info('stopped by Ctrl-C; the results so far are kept')
                return False
    return True


@contextmanager
def _noted_interrupt() -> Iterator[list[int]]:
    """Yield a list that signals add to: an exception amid a write would spoil the bag."""
    noted: list[int] = []
    before = {number: signal.signal(number, lambda number, _: noted.append(number))
              for number in heard()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Job:
    """What happens to one message after the other."""

    def __init__(self, args: argparse.Namespace, store: Any, topic: str, predictor: Any,
                 copy: BagCopy) -> None:
        self.topic, self.done, self.bad = topic, 0, 0
        self._args, self._store, self._predictor, self._copy = args, store, predictor, copy
        self._identity = Identity() if args.tracks else None
        self._next = 0  # stamp from which on the next image counts [ns]

    def take(self, connection: Any, stamp: int, data: bytes) -> None:
        """Copy a message where that is wanted, and segment it where it is an image."""
        if not self._args.only_results and connection.topic not in (INSTANCES, OVERLAY):
            self._copy.copy(connection, stamp, data)
        if connection.topic == self.topic and stamp >= self._next:
            self._next = stamp + round(self._args.every * 1e9)
            self._segment(connection.msgtype, stamp, data)

    def _segment(self, kind: str, stamp: int, data: bytes) -> None:
        """Add the results of one image."""
        try:
            message = self._store.deserialize_cdr(data, kind)
            rgb = decode_message(message)
        except Exception as error:  # rosbags' deserialiser fails in any way on damaged bytes
            logger.error('left out: image %d of %s: %s', self.done + self.bad + 1, self.topic,
                         error)
            self.bad += 1
            return
        predictor, header = self._predictor, message.header
        instances, marks = predictor.predict(rgb), None
        if self._identity is not None:
            seconds = header.stamp.sec + header.stamp.nanosec * 1e-9 or stamp * 1e-9
            instances, marks = self._identity.follow(instances, seconds)
        self._copy.add(self._store, INSTANCES, stamp, instance_array(
            self._store, instances, predictor.class_names, header, predictor.description,
            marks.ids.tolist() if marks else ()))
        if self._args.overlay:
            overlay = draw_instances(rgb, instances, predictor.class_names, tracks=marks)
            self._copy.add(self._store, OVERLAY, stamp,
                           jpeg_message(self._store, overlay, header))
        self.done += 1
