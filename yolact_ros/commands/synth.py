"""`yolact synth`: write synthetic table-top scenes as a COCO data set."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from yolact_ros.files import replace_file
from yolact_ros.masks import encode_mask
from yolact_ros.media.images import read_image
from yolact_ros.progress import progress_interval
from yolact_ros.scenes import (
    CLASS_NAMES,
    TRAINING_SEEDS,
    VAL_EASY,
    VAL_HARD,
    Scene,
    scene,
)
from yolact_ros.scenes.world import MODES

VAL_SEEDS = {'easy': VAL_EASY, 'hard': VAL_HARD}
JPEG_QUALITY = 95
MOST_WORKERS = 8
BACKDROP_SHARE = 0.3
BACKDROP_SIDE = 512     # photos are kept in this size [px]
PHOTO_ENDINGS = ('.jpg', '.jpeg', '.png')
LONGEST_S = 20.0


@dataclass(frozen=True)
class Shot:
    """One image to be made: the arguments of scene(); backdrop is the file of a photo."""

    seed: int
    t: float
    size: tuple[int, int]
    mode: str
    difficulty: str
    backdrop: Path | None = None

    @property
    def name(self) -> str:
        """File name without ending, the same for the same image."""
        moving = '' if self.mode == 'still' else f'_{self.mode}_{round(self.t * 1000):07d}ms'
        return f'{self.difficulty}_{self.seed:010d}{moving}'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('out', metavar='OUT', help='folder of the data set: images/ and '
                        'annotations/instances_*.json')
    parser.add_argument('--count', type=int, default=1000, metavar='N',
                        help='pictures to make (default: 1000)')
    parser.add_argument('--difficulty', default='mixed', choices=('easy', 'hard', 'mixed'),
                        help='mixed makes one of each in turn (default: mixed)')
    parser.add_argument('--size', default='256', metavar='PX', help='side of the square pictures, '
                        'or WIDTHxHEIGHT (default: 256)')
    parser.add_argument('--seed', type=int, default=0, metavar='S',
                        help='first seed; pictures with other seeds share nothing (default: 0)')
    parser.add_argument('--mode', default='still', choices=(*MODES, 'varied'),
                        help='still or varied: single scenes, varied also cut from videos; the '
                        'others: a video of the world of that seed (default: still)')
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ',
                        help='pictures per second of a video (default: 10)')
    parser.add_argument('--backdrops', metavar='DIR', help='put a third of the training scenes '
                        'before blurred photos from this folder instead of a table')
    parser.add_argument('--val', action='store_true', help='the fixed validation scenes, 200 easy '
                        'and 200 hard ones, instead of training scenes')
    parser.add_argument('--format', default='png', choices=('png', 'jpg'),
                        help='of the pictures (default: %(default)s)')
    parser.add_argument('--depth', action='store_true',
                        help='also 16-bit depth pictures [mm] in depth/')
    parser.add_argument('--workers', type=int, default=min(os.cpu_count() or 1, MOST_WORKERS),
                        metavar='N', help='processes that render')


def run(args: argparse.Namespace) -> int:
    """Write the data set; return the exit code."""
    for name, shots in plan(args).items():
        path = write_dataset(Path(args.out), name, shots, args.format, args.depth, args.workers)
        print(f'wrote {path} with {len(shots)} pictures')
    return 0


def plan(args: argparse.Namespace) -> dict[str, list[Shot]]:
    """
    Return annotation file name -> images.

    :raises ValueError: when an option is out of range.
    """
    size = parse_size(args.size)
    if args.workers < 1:
        raise ValueError(f'--workers must be at least 1, got {args.workers}')
    kinds = ('easy', 'hard') if args.difficulty == 'mixed' else (args.difficulty,)
    if args.val:
        return {f'instances_val_{kind}.json': [Shot(seed, 0.0, size, 'still', kind)
                                               for seed in VAL_SEEDS[kind]] for kind in kinds}
    if args.count < 1:
        raise ValueError(f'--count must be at least 1, got {args.count}')
    if args.seed not in TRAINING_SEEDS or args.seed + args.count - 1 not in TRAINING_SEEDS:
        raise ValueError(f'the seeds {args.seed} to {args.seed + args.count - 1} are not all in 0 '
                         f'to {TRAINING_SEEDS.stop - 1}; higher ones are kept for validation')
    if args.mode == 'still':
        photos = find_photos(args.backdrops) if args.backdrops else []
        shots = [Shot(args.seed + index, 0.0, size, 'still', kinds[index % len(kinds)],
                      choose_photo(photos, args.seed + index)) for index in range(args.count)]
    elif args.mode == 'varied':
        shots = [_varied_shot(args.seed + index, size, kinds[index % len(kinds)])
                 for index in range(args.count)]
    else:
        if args.rate <= 0:
            raise ValueError(f'--rate must be above 0 Hz, got {args.rate}')
        shots = [Shot(args.seed, index / args.rate, size, args.mode, kinds[0])
                 for index in range(args.count)]
    return {'instances_train.json': shots}


def _varied_shot(seed: int, size: tuple[int, int], difficulty: str) -> Shot:
    """Return a scene of that seed, every other one a moment of a video."""
    rng = np.random.default_rng(seed)
    mode = 'still' if rng.random() < 0.5 else MODES[rng.integers(len(MODES))]
    t = 0.0 if mode == 'still' else round(float(rng.uniform(0, LONGEST_S)), 3)
    return Shot(seed, t, size, mode, difficulty)


def find_photos(folder: str | Path) -> list[Path]:
    """
    Return the images in a folder, sorted.

    :raises FileNotFoundError: when there is no such folder or no image in it.
    """
    files = sorted(Path(folder).glob('*'))
    photos = [path for path in files if path.suffix.lower() in PHOTO_ENDINGS]
    if not photos:
        raise FileNotFoundError(f'no pictures ({", ".join(PHOTO_ENDINGS)}) in {folder}; give '
                                '--backdrops a folder of photos')
    return photos


def choose_photo(photos: Sequence[Path], seed: int) -> Path | None:
    """Return a photo for a third of the seeds, the same at every call, else None."""
    rng = np.random.default_rng((seed, 51))
    if not photos or rng.random() > BACKDROP_SHARE:
        return None
    return photos[int(rng.integers(len(photos)))]


def parse_size(text: str) -> tuple[int, int]:
    """
    Return (height, width) of '256' or '640x480'.

    :raises ValueError: when it is neither, or too small for a scene.
    """
    parts = text.lower().split('x')
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(f'--size must be a number of pixels or WIDTHxHEIGHT, got {text!r}')
    width, height = int(parts[0]), int(parts[-1])
    if min(width, height) < 32:
        raise ValueError(f'--size must be at least 32 px each way, got {text!r}')
    return height, width


def write_dataset(out: Path, name: str, shots: Sequence[Shot], ending: str = 'png',
                  depth: bool = False, workers: int = 1) -> Path:
    """
    Render images into out/images, then write out/annotations/name in one go.

    :returns: the annotation file; after a failure there is none, or the one of before.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with _rendered(shots, partial(_render, out=out, ending=ending, depth=depth),
                   workers) as entries:
        for entry, objects in tqdm(entries, total=len(shots), desc=name, unit='image',
                                   mininterval=progress_interval()):
            image_id = len(images) + 1
            images.append({'id': image_id, **entry})
            annotations += [{'id': len(annotations) + number, 'image_id': image_id, **item}
                            for number, item in enumerate(objects, start=1)]
    categories = [{'id': number, 'name': class_name, 'supercategory': 'tabletop'}
                  for number, class_name in enumerate(CLASS_NAMES, start=1)]
    content = {'info': {'description': 'synthetic table-top scenes of yolact_ros'},
               'licenses': [], 'images': images, 'annotations': annotations,
               'categories': categories}
    path = out / 'annotations' / name
    replace_file(path, json.dumps(content).encode())
    return path


@contextmanager
def _rendered(shots: Sequence[Shot], render: partial, workers: int) -> Iterator[Iterator]:
    """Yield the rendered shots in order; other processes help when there are workers."""
    if workers == 1 or len(shots) < 2 * workers:
        yield map(render, shots)
        return
    # A forked process can wait for ever for a lock that a thread of its parent held: spawn.
    with ProcessPoolExecutor(workers, get_context('spawn'), cv2.setNumThreads, (1,)) as pool:
        try:
            yield pool.map(render, shots, chunksize=8)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _render(shot: Shot, out: Path, ending: str,
            depth: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write one image; return its COCO entry and those of its objects."""
    made = scene(shot.seed, shot.t, shot.size, shot.mode, shot.difficulty, depth=depth,
                 backdrop=_read_backdrop(shot.backdrop) if shot.backdrop else None)
    file_name = f'{shot.name}.{ending}'
    _write_image(out / 'images' / file_name, made.image[..., ::-1])
    entry: dict[str, Any] = {
             'file_name': file_name, 'height': shot.size[0], 'width': shot.size[1],
             'seed': shot.seed, 'time': shot.t, 'mode': shot.mode, 'difficulty': shot.difficulty}
    if shot.backdrop:
        entry['backdrop'] = shot.backdrop.name
    if made.depth_mm is not None:
        entry['depth_file_name'] = f'{shot.name}.png'
        entry['camera_matrix'] = made.camera_matrix.ravel().tolist()
        _write_image(out / 'depth' / entry['depth_file_name'], made.depth_mm)
    return entry, coco_objects(made)


@lru_cache(maxsize=64)
def _read_backdrop(path: Path) -> np.ndarray:
    """
    Return a photo, (h, w, 3) uint8 RGB, so blurred that no object in it could be asked for.

    :raises ValueError: when it does not decode.
    """
    photo = cv2.resize(read_image(path), (BACKDROP_SIDE, BACKDROP_SIDE),
                       interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(photo, (0, 0), BACKDROP_SIDE / 80)


def coco_objects(made: Scene) -> list[dict[str, Any]]:
    """Return the objects of a scene as COCO annotations without ids; categories count from 1."""
    entries = []
    for item in made.objects:
        x0, y0, x1, y1 = item.box.tolist()
        entries.append({
            'category_id': item.class_id + 1, 'bbox': [x0, y0, x1 - x0, y1 - y0],
            'area': int(np.count_nonzero(item.mask)), 'iscrowd': int(item.crowd),
            'segmentation': encode_mask(item.mask), 'track_id': item.track_id,
            'visible': round(item.visible, 3), 'depth': round(item.depth, 4)})
    return entries


def _write_image(path: Path, pixels: np.ndarray) -> None:
    """Write a BGR or 16-bit image, whole or not at all."""
    # Sensor noise hardly compresses: the fastest level of PNG is as small as the best.
    options = ([cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == '.jpg'
               else [cv2.IMWRITE_PNG_COMPRESSION, 1])
    coded, content = cv2.imencode(path.suffix, pixels, options)
    if not coded:
        raise RuntimeError(f'OpenCV could not encode {path}')
    replace_file(path, content.tobytes())
