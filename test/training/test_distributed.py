"""Two processes on the CPU, started by torchrun, train one network."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_training import SMALL_NETWORK, Blocks

from yolact_ros.commands.train import build_model, build_model_config
from yolact_ros.data.sample import join_batches
from yolact_ros.training.batches.augment import AugmentConfig
from yolact_ros.training.batches.loader import BatchOrder, TrainingImages
from yolact_ros.training.config import TrainConfig
from yolact_ros.training.processes import joined_processes
from yolact_ros.training.run_folder import read_rows
from yolact_ros.training.step import LossModule
from yolact_ros.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
RATE = 0.01


def config_for(out):
    """Return one step of plain gradient descent with frozen batch norms."""
    return TrainConfig(
        out=str(out), preset='yolact_plus_tiny', model=SMALL_NETWORK, batch_size=4,
        autoscale=False, iterations=1, learning_rate=RATE, momentum=0, weight_decay=0,
        schedule='constant', warmup=0, hours=1, freeze_batch_norm='yes', workers=0, log_every=1,
        device='cpu', augment=AugmentConfig(crop=False, max_expand=1))


def train_in_this_process(out):
    """Do what `yolact train` does, on images in memory."""
    config = config_for(out)
    source = Blocks(8)
    with joined_processes('cpu') as processes:
        assert processes.of_main(10.0 + processes.rank) == 10.0
        model = build_model(config, build_model_config(config, source.class_names), True)
        trainer = Trainer(model, config, source, processes=processes)
        if processes.is_main:
            trainer.folder.prepare(resume=False)
        processes.wait()
        trainer.run()
        torch.save(model.state_dict(), Path(out) / f'rank{processes.rank}.pt')


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_average_gradients_that_each_normalised_by_its_own_positives(tmp_path):
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone',
               '--nproc-per-node', '2', __file__, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280,
                          env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    states = [torch.load(tmp_path / f'rank{rank}.pt', weights_only=True) for rank in (0, 1)]
    assert [key for key in states[0] if not torch.equal(states[0][key], states[1][key])] == []
    steps, difference = one_step_by_hand(tmp_path, states[0])
    # Float32 in another memory layout: 8e-5 measured; another normalisation changes percents.
    assert difference < 1e-3 * steps
    assert [row['step'] for row in read_rows(tmp_path / 'losses.csv')] == [1]


def one_step_by_hand(out, found):
    """Return the length of a step along the halves' mean gradient, and how far found is off."""
    config = config_for(out)
    source = Blocks(8)
    model = build_model(config, build_model_config(config, source.class_names), True)
    model.requires_grad_(True).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    weights = {key: weight for key, weight in model.named_parameters() if weight.requires_grad}
    network = model.config
    images = TrainingImages(source, config.augment, network.input_size, network.pixel_mean,
                                network.pixel_std, config.seed)
    whole = BatchOrder(8, 4, config.seed).batch(0)
    losses = [sum(LossModule(model, config.loss, 'float32')(
        join_batches([images[entry] for entry in whole[rank::2]]), 0)[0].values())
        for rank in (0, 1)]
    gradients = torch.autograd.grad(sum(losses) / 2, list(weights.values()))
    steps = torch.cat([-RATE * gradient.flatten() for gradient in gradients])
    taken = torch.cat([(found[key] - weight.detach()).flatten()
                       for key, weight in weights.items()])
    return float(steps.norm()), float((taken - steps).norm())


@pytest.mark.parametrize('length, batch', [(10, 4), (3, 4), (8, 8)],
                         ids=['with a rest', 'smaller than a batch', 'exact'])
def test_processes_share_every_batch_without_overlap(length, batch):
    whole = BatchOrder(length, batch, seed=5)
    halves = [replace(whole, rank=rank, world=2) for rank in (0, 1)]
    for step in range(6):
        parts = [half.batch(step) for half in halves]
        assert sorted(parts[0] + parts[1]) == sorted(whole.batch(step))
        assert {len(part) for part in parts} == {batch // 2}


def test_an_epoch_shows_every_image_once_and_drops_what_fills_no_batch():
    order = BatchOrder(10, 4, seed=1)
    epochs = [[index for step in (2 * epoch, 2 * epoch + 1) for _, index in order.batch(step)]
              for epoch in range(3)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_batch_that_does_not_split_is_refused():
    with pytest.raises(ValueError, match='batch_size 5 does not split over 2'):
        BatchOrder(10, 5, 0, 0, 2)


if __name__ == '__main__':
    train_in_this_process(sys.argv[1])
