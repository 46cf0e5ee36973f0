"""From a data set to batches: which images at which step, augmented in loader processes."""

from __future__ import annotations

import math
import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from yolact_ros.data.sample import Batch, SampleSource, join_batches, to_batch
from yolact_ros.structures import InputSize
from yolact_ros.training.batches.augment import AugmentConfig, augment
from yolact_ros.training.batches.copy_paste import paste_objects


@dataclass(frozen=True)
class BatchOrder:
    """
    Which images a training step sees: a pure function of seed and step.

    Each epoch is a new permutation; what does not fill a batch is left to later epochs, as in
    the original. A data set smaller than a batch is repeated until one is full.

    :param length: images in the data set.
    :param batch_size: of all processes together.
    :param rank: this process; it takes every world-th entry of a batch.
    :param repeats: how often an epoch sees each image on average; empty for once.
    """

    length: int
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1
    repeats: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be split."""
        if self.length < 1:
            raise ValueError('the data set is empty')
        if self.batch_size % self.world:
            raise ValueError(f'batch_size {self.batch_size} does not split over {self.world} '
                             'processes; make it a multiple')

    @property
    def batches_per_epoch(self) -> int:
        """Return the steps of an epoch, at least one."""
        return max(self._epoch_length // self.batch_size, 1)

    @property
    def _epoch_length(self) -> int:
        """Return how many images an epoch sees."""
        return int(sum(self.repeats)) if self.repeats else self.length

    def batch(self, step: int) -> list[tuple[int, int]]:
        """Return this process's entries of a step as (step-unique number, image index)."""
        epoch, place = divmod(step, self.batches_per_epoch)
        order = self._permutation(epoch)
        first = place * self.batch_size
        return [(step * self.batch_size + entry, int(order[first + entry]))
                for entry in range(self.rank, self.batch_size, self.world)]

    def _permutation(self, epoch: int) -> np.ndarray:
        """Return the images of an epoch in order."""
        rng = np.random.default_rng((self.seed, epoch))
        rounds = -(-self.batch_size // self._epoch_length)
        return np.concatenate([rng.permutation(self._images(rng)) for _ in range(rounds)])

    def _images(self, rng: np.random.Generator) -> np.ndarray:
        """
        Return the images of an epoch, not in order.

        One number a step along the sums of the repeats: an image of repeat 2.3 is met two or
        three times.
        """
        if not self.repeats:
            return np.arange(self.length)
        ends = np.cumsum(self.repeats)
        marks = (rng.random() + np.arange(self._epoch_length)) * (ends[-1] / self._epoch_length)
        return np.minimum(np.searchsorted(ends, marks, side='right'), self.length - 1)


def repeat_factors(classes: Sequence[set[int]], share: float) -> tuple[float, ...]:
    """
    Return how often to see each image, 1 and more (Gupta et al. 2019, repeat factor sampling).

    A class in a share f of the images asks for sqrt(share / f); an image follows its rarest one.

    :param classes: of each image.
    :param share: of images from which on a class is no longer rare; 0 gives no factors.
    """
    if not share:
        return ()
    counts = Counter(class_id for image in classes for class_id in image)
    factor = {class_id: max(1.0, math.sqrt(share * len(classes) / count))
              for class_id, count in counts.items()}
    return tuple(max([1.0, *(factor[class_id] for class_id in image)]) for image in classes)


def repeats_of(source: SampleSource, share: float) -> tuple[float, ...]:
    """Return how often to see each image; images drawn on demand are all alike."""
    return repeat_factors([{item.truth.class_id for item in record.objects
                            if not item.truth.crowd}
                           for record in getattr(source, 'records', ())], share)


class TrainingImages(Dataset):
    """
    Augmented samples as tensors; entry (number, index) is a pure function of seed and entry.

    :param mean: RGB of the network's normalisation, also the colour around expanded images.
    """

    def __init__(self, source: SampleSource, config: AugmentConfig, size: InputSize,
                 mean: Sequence[float], std: Sequence[float], seed: int) -> None:
        self.source = source
        self.config = config
        self.size = size
        self.mean = mean
        self.std = std
        self.seed = seed

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.source)

    def __getitem__(self, entry: tuple[int, int]) -> Batch:
        """Return a batch of one."""
        number, index = entry
        rng = np.random.default_rng((self.seed, 1, number))
        sample = self.source.sample(index, rng)
        if self.config.copy_paste and rng.random() < self.config.copy_paste:
            other = self.source.sample(int(rng.integers(len(self.source))), rng)
            sample = paste_objects(sample, other, rng)
        return to_batch(augment(sample, self.config, self.size, self.mean, rng),
                        self.mean, self.std)


class _Steps:
    """The batches of steps start to stop, for the loader."""

    def __init__(self, order: BatchOrder, start: int, stop: int) -> None:
        self.order = order
        self.steps = range(start, stop)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the entries of each step."""
        return map(self.order.batch, self.steps)

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.steps)


@contextmanager
def open_batches(images: TrainingImages, order: BatchOrder, start: int, stop: int,
                 workers: int, pin_memory: bool = False) -> Iterator[Iterator[Batch]]:
    """
    Yield the batches of steps start to stop - 1; no loader process outlives the block.

    :param workers: processes that read and augment; 0 does it in this one.
    :raises ValueError: or OSError in the block, with the data set's own message.
    :raises RuntimeError: when a loader process dies.
    """
    # Its own generator: the loader must not draw from the global one, or resuming would differ.
    batches = iter(DataLoader(
        images, batch_sampler=_Steps(order, start, stop), num_workers=workers,
        collate_fn=join_batches, worker_init_fn=_start_worker, pin_memory=pin_memory,
        generator=torch.Generator(), prefetch_factor=4 if workers else None))
    try:
        yield plain_errors(batches)
    except (RuntimeError, EOFError, ConnectionError) as error:
        if isinstance(error, RuntimeError) and 'DataLoader worker' not in str(error):
            raise
        raise RuntimeError('a loader process died, most often because memory ran out; try a '
                           f'smaller --workers or --batch-size ({error})') from error
    finally:
        if workers:
            _end_workers(batches)


def _end_workers(batches: Any) -> None:
    """
    End the loader's processes now.

    Left to torch they end when the iterator is collected, which after an error is never: the
    traceback and the error hold each other. Python then waits for them at exit, for ever.

    :param batches: torch's iterator with processes.
    """
    processes = batches._workers
    # Until it is done, torch tells of a dead process again whenever another one ends.
    with suppress(RuntimeError):
        batches._shutdown_workers()  # also tells torch that their end is no accident
    for process in processes:
        process.kill()
        process.join()


def plain_errors(batches: Iterable[Batch]) -> Iterator[Batch]:
    """
    Yield the batches; an error of a loader process loses torch's traceback text.

    :raises ValueError: or OSError, whose message is that of the data set again.
    :raises RuntimeError: for anything else that a loader process raised.
    """
    try:
        yield from batches
    except Exception as error:
        _, found, worker_text = str(error).partition('Original Traceback')
        if not found:
            raise
        # The line that is not indented ends the traceback and begins the error.
        message = re.split(r'\n(?=[\w.]+(?:: |$))', worker_text.strip())[-1]
        if isinstance(error, (ValueError, OSError)):
            raise type(error)(message.split(': ', 1)[-1]) from error
        raise RuntimeError(f'a loader process failed: {message}') from error


def _start_worker(worker: int) -> None:
    """
    Prepare a loader process: one thread, and stopping is the main process's business.

    A terminal or batch system signals the whole group, but the main process still wants the
    batches of its last step; a second SIGTERM ends the loader.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL))
