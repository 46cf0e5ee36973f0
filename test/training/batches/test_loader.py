"""Loader processes: what they raise reaches the training, and none outlives it."""

import multiprocessing
import signal

import cv2
import numpy as np
import pytest
from small_training import SIDE, Blocks
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from yolact_ros.training.batches.augment import AugmentConfig
from yolact_ros.training.batches.loader import (
    BatchOrder,
    TrainingImages,
    open_batches,
    repeat_factors,
)

MEAN = (128.0, 128.0, 128.0)


class Faulty(Blocks):
    """Every image raises the error that the test chose."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def sample(self, index, rng):
        """Raise it."""
        raise self.error


def batches_of(source, workers=2):
    images = TrainingImages(source, AugmentConfig(), SIDE, MEAN, MEAN, 0)
    return open_batches(images, BatchOrder(len(source), 2, 0), 0, 50, workers)


@pytest.mark.parametrize('error, kind, message', [
    (ValueError('a.png is cut off; replace it'), ValueError, '^a.png is cut off; replace it$'),
    (FileNotFoundError('a.png not found'), FileNotFoundError, '^a.png not found$'),
    (ValueError('two lines:\n  of one message'), ValueError, '^two lines:\n  of one message$'),
    (UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'bad'), RuntimeError, 'UnicodeDecodeError: .*bad'),
    (cv2.error('bad arguments'), RuntimeError, 'cv2.error: bad arguments'),
    (KeyError('width'), RuntimeError, "^a loader process failed: KeyError: 'width'$"),
    (MemoryError(), RuntimeError, '^a loader process failed: MemoryError$')],
    ids=['ValueError', 'OSError', 'two lines', 'error of five arguments', 'OpenCV', 'KeyError',
         'no message'])
def test_an_error_of_a_loader_process_keeps_its_words_and_ends_all(error, kind, message):
    with pytest.raises(kind, match=message):
        with batches_of(Faulty(error)) as batches:
            next(batches)
    assert multiprocessing.active_children() == []


def test_a_loader_process_that_dies_ends_the_others():
    with pytest.raises(RuntimeError, match='a loader process died.*--workers'):
        with batches_of(Blocks()) as batches:
            next(batches)
            multiprocessing.active_children()[0].kill()
            for _ in batches:
                pass
    assert multiprocessing.active_children() == []


def test_a_death_that_torch_tells_once_more_while_all_end_changes_nothing(monkeypatch):
    # Its signal handler tells of a dead process again whenever another one ends.
    end = _MultiProcessingDataLoaderIter._shutdown_workers

    def end_and_tell(self):
        end(self)
        raise RuntimeError('DataLoader worker (pid 1) is killed by signal: Killed.')

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, '_shutdown_workers', end_and_tell)
    monkeypatch.setattr(_MultiProcessingDataLoaderIter, '__del__', lambda self: None)
    with pytest.raises(KeyError, match='of the block'):
        with batches_of(Blocks()) as batches:
            next(batches)
            raise KeyError('of the block')
    assert multiprocessing.active_children() == []


def test_leaving_early_ends_loader_processes_that_ignore_ctrl_c_and_sigterm():
    with batches_of(Blocks()) as batches:
        next(batches), next(batches)  # one of each process: both are prepared now
        for process in multiprocessing.active_children():
            process.terminate()
        assert len(next(batches).images) == 2
    assert multiprocessing.active_children() == []


def test_an_interrupt_in_the_block_ends_the_loader_processes():
    with pytest.raises(KeyboardInterrupt):
        with batches_of(Blocks()) as batches:
            next(batches)
            signal.raise_signal(signal.SIGINT)
    assert multiprocessing.active_children() == []


def test_without_loader_processes_the_batches_are_the_same():
    with batches_of(Blocks(), 0) as own, batches_of(Blocks(), 2) as other:
        for first, second, _ in zip(own, other, range(3)):
            assert np.array_equal(first.images, second.images)
            assert first.names == second.names


def test_rare_classes_are_seen_more_often_as_gupta_et_al_write():
    # Of 100 images all have class 0, four have class 1 and one has class 2.
    classes = [{0} for _ in range(95)] + [{0, 1}] * 4 + [{0, 2}] + [set()]
    factors = repeat_factors(classes[:100], 0.16)
    assert factors[:95] == (1.0,) * 95
    assert factors[95:99] == pytest.approx([2.0] * 4)   # sqrt(0.16 / 0.04)
    assert factors[99] == pytest.approx(4.0)            # sqrt(0.16 / 0.01)
    assert repeat_factors(classes, 0.0) == ()
    assert repeat_factors([set(), {0}], 0.5) == (1.0, 1.0)


def test_an_epoch_holds_each_image_as_often_as_its_factor_says():
    order = BatchOrder(4, 3, 0, repeats=(1.0, 2.5, 1.0, 1.5))
    assert order.batches_per_epoch == 2
    counts = np.zeros((200, 4))
    for step in range(400):
        for _, index in order.batch(step):
            counts[step // 2, index] += 1
    assert counts.sum(1).tolist() == [6] * 200
    assert np.all((counts >= [1, 2, 1, 1]) & (counts <= [1, 3, 1, 2]))
    # 200 epochs: the mean of a coin is within 0.15 of one half, four deviations.
    np.testing.assert_allclose(counts.mean(0), [1, 2.5, 1, 1.5], atol=0.15)
    assert order.batch(7) == BatchOrder(4, 3, 0, repeats=(1.0, 2.5, 1.0, 1.5)).batch(7)


@pytest.mark.parametrize('size', [(64, 128), (128, 64), 96], ids=['wide', 'high', 'square'])
def test_boxes_are_shares_of_the_width_and_of_the_height(size):
    """The masks of blocks fill their boxes, so that every mask tells its box."""
    plain = AugmentConfig(photometric=False, max_expand=1, crop=False, mirror=False)
    batch = TrainingImages(Blocks(), plain, size, MEAN, MEAN, 0)[0, 0]
    height, width = batch.images.shape[2:]
    assert len(batch.objects.boxes) > 0
    for mask, box in zip(batch.objects.masks.numpy(), batch.objects.boxes):
        ys, xs = np.nonzero(mask)
        sides = [xs.min() / width, ys.min() / height, (xs.max() + 1) / width,
                 (ys.max() + 1) / height]
        assert box.tolist() == pytest.approx(sides, abs=0.02)
