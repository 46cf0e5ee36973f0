"""The training loop: steps, logs, checkpoints, measurements, resuming."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from yolact_ros.checkpoint import save_model
from yolact_ros.data.fingerprint import check_same_data, fingerprint
from yolact_ros.data.sample import SampleSource
from yolact_ros.model.yolact import Yolact
from yolact_ros.structures import (
    INPUT_STEP,
    SMALLEST_INPUT,
    InputSize,
    change_sides,
    format_input_size,
)
from yolact_ros.training.batches.loader import (
    BatchOrder,
    TrainingImages,
    open_batches,
    repeats_of,
)
from yolact_ros.training.config import TrainConfig
from yolact_ros.training.interrupt import interruptible
from yolact_ros.training.optimizer import (
    WeightAverage,
    build_optimizer,
    freeze,
    make_schedule,
    set_rate,
    should_freeze_batch_norm,
    train_mode,
)
from yolact_ros.training.processes import Processes
from yolact_ros.training.progress import Limits, Progress
from yolact_ros.training.run_folder import (
    RunFolder,
    drop_rows_after,
    plot_history,
    read_rows,
)
from yolact_ros.training.step import LossModule, StepResult, train_step, training_precision
from yolact_ros.training.validation import draw_samples, measure_ap

logger = logging.getLogger(__name__)


class Trainer:
    """
    Everything that lives as long as a training.

    :param model: fresh or pretrained; it is moved to the device and trained in place.
    :param train: what to learn from.
    :param val: what to measure AP on, or None.
    :param processes: this process's place among all.
    :param resume: go on where the state in the folder stopped.
    :param new_data: also with other images than it began with.
    """

    def __init__(self, model: Yolact, config: TrainConfig, train: SampleSource,
                 val: SampleSource | None = None, processes: Processes | None = None,
                 resume: bool = False, new_data: bool = False) -> None:
        self.config = config
        self.processes = processes or Processes(torch.device('cpu'))
        self.folder = RunFolder(config.out)
        self.val = val
        self.model = model.to(self.processes.device, memory_format=torch.channels_last)
        freeze(self.model, config.freeze,
               should_freeze_batch_norm(config, self.processes.world))
        self.optimizer = build_optimizer(self.model, config)
        self.average = WeightAverage(self.model, config.ema) if config.ema else None
        self.schedule = make_schedule(config)
        self.order = BatchOrder(len(train), config.batch_size, config.seed, self.processes.rank,
                                self.processes.world, repeats_of(train, config.repeat_rare))
        network = model.config
        self.images = TrainingImages(train, config.augment, network.input_size,
                                         network.pixel_mean, network.pixel_std, config.seed)
        self.progress = Progress()
        self.limits = Limits(config.patience, config.hours)
        self.data = fingerprint(train)
        if resume:
            self._restore(new_data)
        precision = training_precision(config.precision, self.processes.device,
                                     model.config.input_size)
        self.module: torch.nn.Module = LossModule(self.model, config.loss, precision)
        if self.processes.world > 1:
            self.module = DistributedDataParallel(self.module)

    def run(self, stop_at: int | None = None) -> bool:
        """
        Train to the end, or to stop_at or Ctrl-C.

        :returns: True when the training is complete.
        :raises RuntimeError: when the loss stays non-finite, or memory runs out.
        """
        last = min(stop_at or self.config.steps, self.config.steps)
        opened = open_batches(self.images, self.order, self.progress.step, last,
                              self.config.workers, self.processes.device.type == 'cuda')
        train_mode(self.model)
        patient = self.processes.world > 1
        enough = False
        with interruptible(self._unsaved, patient) as stop, logging_redirect_tqdm(), tqdm(
                total=self.config.steps, initial=self.progress.step, unit='step',
                disable=not self.processes.is_main, dynamic_ncols=True) as bar:
            with opened as batches:
                for batch in batches:
                    self._step(batch, bar)
                    going, more = self.processes.all_of(
                        [not stop.requested, not self.limits.reached(self.progress)])
                    enough = not more
                    if not going or enough:
                        break
        self.checkpoint()
        complete = enough or self.progress.step >= self.config.steps
        if complete and not self._due(self.config.evaluate_every):
            self.evaluate()
        self.folder.events.close()
        return complete

    def _unsaved(self) -> int:
        """Return how many steps are in no checkpoint."""
        return self.progress.step - self.progress.saved

    def _due(self, every: int) -> bool:
        """Return whether something that happens every so many steps happens now; 0 is never."""
        return every > 0 and self.progress.step % every == 0

    def _step(self, batch, bar: tqdm) -> None:
        """Do one step and what is due after it."""
        step = self.progress.step
        clock = self.processes.of_main(self.limits.share) * self.config.steps
        rate = self.schedule.rate(step, clock)
        set_rate(self.optimizer, rate)
        with explained_memory_errors(self.config.batch_size, self.model.config.input_size):
            result = train_step(self.module, self.optimizer, batch.to(self.processes.device),
                                self.config.seed + step * self.processes.world
                                + self.processes.rank, self.config.clip_norm, self.processes,
                                self.config.accumulate)
        self._check_finite(result)
        if result.applied and self.average:
            self.average.update(self.model, step)
        self.progress.step += 1
        bar.update()
        self._log(result, rate, bar)
        # First the checkpoint: no measurement can cost the steps before it.
        evaluates = self._due(self.config.evaluate_every)
        if evaluates or self._due(self.config.checkpoint_every):
            try:
                self.checkpoint()
            except OSError as error:
                logger.error('%s; training goes on and tries again', error)
        if evaluates:
            self.evaluate()

    def _check_finite(self, result: StepResult) -> None:
        """Report a skipped step with its images; give up after too many in a row."""
        self.progress.nonfinite = 0 if result.applied else self.progress.nonfinite + 1
        if result.applied:
            return
        values = ', '.join(f'{name} {value:.3g}' for name, value in result.losses.items())
        logger.warning('step %d skipped: loss or gradient is not finite (%s, gradient norm %.3g); '
                       'pictures: %s', self.progress.step, values, result.gradient_norm,
                       ', '.join(result.non_finite) or 'in another process')
        if self.progress.nonfinite >= self.config.max_nonfinite:
            raise RuntimeError(
                f'the loss was not finite for {self.progress.nonfinite} steps in a row; lower '
                '--learning-rate, set --clip-norm 10 or check the pictures named above. Weights '
                f'of the last checkpoint are in {self.folder.path}')

    def _log(self, result: StepResult, rate: float, bar: tqdm) -> None:
        """Show the losses, and write their mean every log_every steps."""
        progress = self.progress
        if result.applied:
            for name, value in result.losses.items():
                progress.sums[name] += value
            progress.summed += 1
        if progress.step % self.config.log_every:
            return
        now = time.perf_counter()
        images = self.config.log_every * self.config.batch_size
        means = {name: value / progress.summed for name, value in progress.sums.items()}
        if self.processes.is_main and means:
            row = {'step': progress.step, 'rate': rate, **means, 'gradient_norm':
                   result.gradient_norm, 'images_per_s': images / (now - progress.since)}
            try:
                self.folder.add_losses(row)
            except OSError as error:
                logger.error('no row of losses for step %d: %s', progress.step, error)
            bar.set_postfix({name: f'{value:.2f}' for name, value in means.items()})
        progress.sums.clear()
        progress.summed, progress.since = 0, now

    def checkpoint(self) -> None:
        """Write weights and state; the old files survive a failure, which is an OSError."""
        if self.processes.is_main:
            with self.folder.explained(self.progress.step):
                self._save()
            self.progress.saved = self.progress.step
            try:
                plot_history(self.folder)
            except OSError as error:
                logger.warning('no plots of step %d: %s', self.progress.step, error)
        self.processes.wait()

    def _save(self) -> None:
        """Write what is used, then what is resumed."""
        with self._averaged():
            save_model(self.folder.last, self.model)
        self.folder.save_state({
            'step': self.progress.step, 'data': self.data,
            'model': self.model.state_dict(), 'optimizer': self.optimizer.state_dict(),
            'average': self.average.state if self.average else {},
            'random': torch.get_rng_state(),
            'sums': dict(self.progress.sums), 'summed': self.progress.summed})

    def evaluate(self) -> None:
        """
        Measure AP, draw sample images, keep the best checkpoint.

        A failure, such as a full disk or a damaged image, is told and costs this measurement.
        """
        if self.val is not None and self.processes.is_main:
            started = time.perf_counter()
            try:
                self._measure(self.val)
            except Exception as error:  # whatever it is, the training is worth more
                logger.error('measurement at step %d failed, training goes on: %s: %s',
                             self.progress.step, type(error).__name__, error)
                logger.debug('', exc_info=True)
            self.progress.since += time.perf_counter() - started
            train_mode(self.model)
        self.processes.wait()

    def _measure(self, val: SampleSource) -> None:
        """Measure AP and write all that shows it; the numbers first."""
        with self._averaged():
            scores = measure_ap(self.model, val, self.config.evaluate_images)
            logger.info('step %d: %s', self.progress.step, ', '.join(
                f'{name} {value:.3f}' for name, value in scores.items()))
            self.folder.add_scores({'step': self.progress.step, **scores})
            self.progress.stale += 1
            if scores['mask_ap'] > self.progress.best_ap:
                save_model(self.folder.best, self.model)
                self.progress.best_ap, self.progress.stale = scores['mask_ap'], 0
            draw_samples(self.model, val, self.config.sample_pictures,
                         self.folder.samples / f'step_{self.progress.step:06d}.jpg')
        plot_history(self.folder)

    def _averaged(self):
        """Return a context in which the model has the weights that are evaluated and saved."""
        return self.average.applied(self.model) if self.average else nullcontext()

    def _restore(self, new_data: bool) -> None:
        """Continue where the saved state stopped."""
        state = self.folder.load_state()
        if 'data' in state:  # not in those of earlier versions
            check_same_data(state['data'], self.data, new_data)
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        if self.average:
            self.average.state = {key: tensor.to(self.processes.device)
                                  for key, tensor in state['average'].items()}
        torch.set_rng_state(state['random'])
        self.progress.step = self.progress.saved = state['step']
        self.progress.sums.update(state['sums'])
        self.progress.summed = state['summed']
        if self.processes.is_main:
            for path in (self.folder.losses, self.folder.ap):
                drop_rows_after(path, self.progress.step)
            measured = [row['mask_ap'] for row in read_rows(self.folder.ap)]
            if measured and self.folder.best.is_file():
                self.progress.best_ap = max(measured)
                self.progress.stale = len(measured) - 1 - measured.index(max(measured))


@contextmanager
def explained_memory_errors(batch_size: int, input_size: InputSize) -> Iterator[None]:
    """Say which batch to try when memory runs out."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in text:
            raise
        smaller = change_sides(input_size, lambda side: max(
            side * 3 // 4 // INPUT_STEP * INPUT_STEP, SMALLEST_INPUT))
        raise RuntimeError(
            f'out of memory with batch {batch_size} at {format_input_size(input_size)} px; try '
            f'--batch-size {max(batch_size // 2, 1)} or a smaller input, --model input_size='
            f'{format_input_size(smaller)}') from error
