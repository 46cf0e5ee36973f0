"""Segment a whole source: every image of a folder, every frame of a video or camera."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tqdm import tqdm

from yolact_ros.commands.jobs.identity import Identity
from yolact_ros.commands.jobs.output_plan import OutputPlan, writable_name
from yolact_ros.files import write_image
from yolact_ros.media.coco_results import CocoResultFile, image_ids
from yolact_ros.media.cut_outs import CropFolder, unique_stems
from yolact_ros.media.images import Images, read_image
from yolact_ros.media.video import DEFAULT_FPS, VideoReader, VideoWriter
from yolact_ros.overlay import OverlayStyle, TrackMarks, draw_instances
from yolact_ros.signals import interrupt_caught
from yolact_ros.structures import Instances

logger = logging.getLogger(__name__)


class Predictor(Protocol):
    """What is needed of yolact_ros.inference.predictor.Predictor."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names, in the order of class ids."""

    @property
    def description(self) -> str:
        """Return model and device for people."""

    def predict(self, rgb: np.ndarray) -> Instances:
        """Return the objects in an image."""


@dataclass(frozen=True)
class SegmentJob:
    """
    What to do with every frame.

    :param plan: from plan_output, so its folders exist.
    :param max_frames: stop a video after so many frames.
    :param tracks: number the objects of a video, the same one in every frame.
    :param json_tracks: write these numbers into the JSON file.
    :param clock: seconds; paces the video that a camera's frames are written to.
    """

    predictor: Predictor
    style: OverlayStyle
    plan: OutputPlan
    max_frames: int | None = None
    tracks: bool = True
    json_tracks: bool = False
    clock: Callable[[], float] = time.monotonic

    def run(self, source: Images | VideoReader) -> int:
        """
        Write all results of the source; the caller opens and closes a video.

        :returns: exit code 0, or 1 when a part of the source could not be read.
        """
        with ExitStack() as stack:
            results = _Results(self, stack)
            if isinstance(source, Images):
                problem = self._images(source, results)
            else:
                problem = self._video(source, results)
        unit = 'pictures' if isinstance(source, Images) else 'frames'
        logger.info('%s -> %s', results.summary(unit), ', '.join(map(str, self.plan.places)))
        if problem is not None:
            logger.error('%s', problem)
        return int(problem is not None)

    def _images(self, source: Images, results: _Results) -> str | None:
        """Segment every image; a bad one of a folder is reported and left out."""
        bad = 0
        stems, ids = unique_stems(source.paths), image_ids(source.paths)
        bar = tqdm(source.paths, unit='picture', disable=None)
        for path, stem, image_id in zip(bar, stems, ids):
            try:
                rgb = read_image(path)
                instances = self.predictor.predict(rgb)
            except (OSError, ValueError) as error:
                if source.folder is None:
                    raise
                logger.error('left out: %s', error)
                bad += 1
                continue
            if self.plan.overlay is not None:
                in_folder = self.plan.overlay / writable_name(path.name)
                write_image(self.plan.overlay if source.folder is None else in_folder,
                              self._draw(rgb, instances))
            results.add(stem, image_id, rgb, instances, path.name)
        return f'{bad} of {len(source.paths)} pictures were left out, see above' if bad else None

    def _video(self, reader: VideoReader, results: _Results) -> str | None:
        """Segment every frame; Ctrl-C ends a camera's video, but abandons that of a file."""
        with ExitStack() as stack:
            writer = None
            if self.plan.overlay is not None:
                fps = reader.fps or DEFAULT_FPS
                writer = stack.enter_context(VideoWriter(self.plan.overlay, fps))
            total = min(filter(None, (reader.frame_count, self.max_frames)), default=None)
            bar = stack.enter_context(tqdm(total=total, unit='frame', disable=None))
            try:
                self._frames(reader, writer, results, bar)
            except KeyboardInterrupt:
                if not reader.video.live:
                    raise
                interrupt_caught()
                logger.info('stopped by Ctrl-C')
        return reader.problem

    def _frames(self, reader: VideoReader, writer: VideoWriter | None, results: _Results,
                bar: tqdm) -> None:
        """Segment frames until the end or the wanted number."""
        start, identity = self.clock(), Identity() if self.tracks else None
        for number, rgb in enumerate(reader):
            instances, marks = self.predictor.predict(rgb), None
            seconds = self.clock() - start if reader.video.live else reader.time
            if identity is not None:
                instances, marks = identity.follow(instances, seconds)
            if writer is not None:
                overlay = self._draw(rgb, instances, marks)
                for _ in range(_copies(writer, seconds)):
                    writer.write(overlay)
            results.add(f'{reader.video.name}_{number:06d}', number, rgb, instances,
                        marks=marks)
            bar.update()
            if number + 1 == self.max_frames:
                return

    def _draw(self, rgb: np.ndarray, instances: Instances,
              marks: TrackMarks | None = None) -> np.ndarray:
        """Return the overlay."""
        return draw_instances(rgb, instances, self.predictor.class_names, self.style, marks)


class _Results:
    """The JSON file and the crops where they are wanted, and the count of everything."""

    def __init__(self, job: SegmentJob, stack: ExitStack) -> None:
        plan, class_names = job.plan, job.predictor.class_names
        self._json = (stack.enter_context(CocoResultFile(plan.json, class_names))
                      if plan.json else None)
        self._crops = CropFolder(plan.crops, class_names) if plan.crops else None
        self._json_tracks = job.json_tracks
        self._frames, self._objects, self._start = 0, 0, time.monotonic()

    def add(self, stem: str, image_id: int, rgb: np.ndarray, instances: Instances,
            file_name: str = '', marks: TrackMarks | None = None) -> None:
        """Add one frame."""
        self._frames += 1
        self._objects += len(instances)
        if self._json is not None:
            numbers = marks.ids.tolist() if marks is not None and self._json_tracks else None
            self._json.add(image_id, instances, file_name, numbers)
        if self._crops is not None:
            self._crops.add(stem, rgb, instances)

    def summary(self, unit: str) -> str:
        """Return what was done, for the closing line."""
        rate = self._frames / max(time.monotonic() - self._start, 1e-9)
        return f'{self._objects} objects in {self._frames} {unit}, {rate:.1f} {unit}/s'


def _copies(writer: VideoWriter, seconds: float) -> int:
    """Return how often to write a frame, so that time runs true: once where the rate is even."""
    return max(0, round(seconds * writer.fps) + 1 - writer.frames_written)
