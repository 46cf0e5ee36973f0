"""`yolact download`: fetch published weights into the cache, checked before they are used."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from yolact_ros.files import cache_dir, make_folder, sha256_of
from yolact_ros.weights.http_file import fetch
from yolact_ros.weights.published import (
    HUGGING_FACE,
    PUBLISHED,
    PublishedWeights,
    cache_path,
    find_published,
)

NOTES = """
The files come from the authors' repositories on Hugging Face and are kept in
$XDG_CACHE_HOME/yolact_ros or ~/.cache/yolact_ros. A broken download goes on where it stopped
when the same command is run again. A file is used only after its SHA-256 has been compared
with the one that Hugging Face names, and after it has been loaded once.

examples:
  yolact download yolact_plus_resnet50
  yolact segment photo.jpg --weights yolact_plus_resnet50
"""
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `yolact download`."""
    parser.epilog = NOTES
    parser.add_argument('names', metavar='NAME', nargs='+',
                        choices=[weights.name for weights in PUBLISHED],
                        help='which weights: ' + ', '.join(row.name for row in PUBLISHED))
    parser.add_argument('--url', default=HUGGING_FACE, metavar='BASE',
                        help='a mirror with the same layout, BASE/REPOSITORY/resolve/main/FILE '
                             '(default: %(default)s)')
    parser.add_argument('--force', action='store_true',
                        help='fetch the file again even if it is there')


def run(args: argparse.Namespace) -> int:
    """
    Fetch every file named.

    :raises OSError: when one cannot be fetched, with what to do by hand.
    :raises ValueError: when one is not what it should be.
    """
    make_cache_folder()
    for name in args.names:
        target = cache_path(name)
        if target.exists() and not args.force:
            logger.info('%s is already there: %s (--force fetches it again)', name, target)
            continue
        download(find_published(name), target, args.url)
        logger.info('%s: %s, %.1f MB', name, target, target.stat().st_size / 1e6)
    return 0


def download(weights: PublishedWeights, target: Path, base: str = HUGGING_FACE) -> None:
    """
    Fetch published weights; the target appears only when they are complete and can be loaded.

    The partial file lies in a folder of its own, under the final name, because that name
    tells which network it is.

    :raises OSError: when the file cannot be fetched; the partial file stays for the next time.
    :raises ValueError: when the file is not those weights; it is removed.
    """
    part = target.parent / 'partial' / target.name
    part.parent.mkdir(exist_ok=True)
    url = weights.url(base)
    try:
        digest = fetch(url, part)
    except OSError as error:
        raise OSError(f'{error}. You may also fetch it with a browser and put it at '
                      f'{target}') from error
    try:
        check_digest(part, digest, url)
        check_weights(weights, part)
    except ValueError as error:
        part.unlink()
        raise ValueError(f'what {url} sent is not {weights.name}: {error}') from error
    os.replace(part, target)


def check_digest(path: Path, wanted: str | None, url: str) -> None:
    """
    Compare a file with the SHA-256 that its server names; a mirror may name none.

    :raises ValueError: when they differ.
    """
    if wanted is None:
        logger.info('%s names no SHA-256 of the file: only its size and loading are checked', url)
        return
    got = sha256_of(path)
    if got != wanted:
        raise ValueError(f'got SHA-256 {got}, wanted {wanted}; the file was damaged on its way or '
                         'changed, and is removed: run the same command again to fetch it anew')


def check_weights(weights: PublishedWeights, path: Path) -> None:
    """
    Check that a file has the size of the weights and that its network can be built from it.

    :raises ValueError: when it does not.
    """
    size = path.stat().st_size
    if size < weights.min_bytes:
        raise ValueError(f'got {size} bytes, wanted at least {weights.min_bytes}')
    from yolact_ros.checkpoint import load_backbone, load_model  # imports torch
    from yolact_ros.config import MODEL_PRESETS
    if not weights.is_backbone:
        load_model(path, weights.preset)
        return
    from yolact_ros.model.yolact import Yolact
    load_backbone(Yolact(MODEL_PRESETS[weights.preset]()), path)


def make_cache_folder() -> None:
    """
    Make the folder of downloaded weights.

    :raises OSError: when it cannot be made, with the cure.
    """
    try:
        make_folder(cache_dir())
    except OSError as error:
        raise OSError(f'the cache {str(cache_dir())!r} cannot be written to '
                      f'({error.__cause__}); point XDG_CACHE_HOME to another folder') from error
