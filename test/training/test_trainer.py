"""Whole trainings of a few steps: resuming, freezing, faults, files."""

import logging
import math
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import Blocks
from test_event_log import curves

from yolact_ros.checkpoint import load_model, save_model
from yolact_ros.commands.main import main
from yolact_ros.commands.train import build_model, build_model_config, train
from yolact_ros.data.sample import join_batches, split_batch
from yolact_ros.training import run_folder
from yolact_ros.training import trainer as trainer_module
from yolact_ros.training.batches.augment import AugmentConfig
from yolact_ros.training.interrupt import interruptible
from yolact_ros.training.optimizer import should_freeze_batch_norm
from yolact_ros.training.processes import Processes
from yolact_ros.training.progress import Limits
from yolact_ros.training.run_folder import append_row, drop_rows_after, read_rows
from yolact_ros.training.step import train_step, training_precision
from yolact_ros.training.trainer import Trainer, explained_memory_errors


def start(config, source=None, val=None, resume=False):
    source = source or Blocks()
    model = build_model(config, build_model_config(config, source.class_names), not resume)
    trainer = Trainer(model, config, source, val, resume=resume)
    trainer.folder.prepare(resume)
    return trainer


def state_of(trainer):
    """Return everything that a step can change, by name."""
    state = {f'model.{key}': tensor for key, tensor in trainer.model.state_dict().items()}
    state |= {f'average.{key}': tensor for key, tensor in trainer.average.state.items()}
    for number, slots in trainer.optimizer.state_dict()['state'].items():
        state |= {f'optimizer.{number}.{key}': value for key, value in slots.items()}
    return state


@pytest.mark.parametrize('changes', [
    {}, {'precision': 'bfloat16', 'workers': 1}, {'optimizer': 'sgd', 'schedule': 'step'}],
    ids=['adamw', 'mixed precision and a loader process', 'sgd'])
def test_interrupted_and_resumed_equals_uninterrupted_to_the_bit(make_config, tmp_path, changes):
    whole = start(make_config(out=str(tmp_path / 'whole'), iterations=5, **changes))
    assert whole.run()
    config = make_config(out=str(tmp_path / 'parts'), iterations=5, **changes)
    assert not start(config).run(stop_at=2)
    torch.rand(7)  # whatever else happened before resuming
    resumed = start(config, resume=True)
    assert resumed.progress.step == 2
    assert resumed.run()
    wanted, found = state_of(whole), state_of(resumed)
    assert wanted.keys() == found.keys()
    assert [key for key in wanted if not torch.equal(wanted[key], found[key])] == []
    losses = [[row['total'] for row in read_rows(run.folder.losses)] for run in (whole, resumed)]
    assert losses[0] == losses[1]


def test_losses_and_measurements_are_curves_of_tensorboard_too(make_config):
    run = start(make_config(iterations=2, evaluate_every=2), val=Blocks())
    assert run.run()
    tags = set(curves(run.folder.path))
    losses = set(read_rows(run.folder.losses)[0]) - {'step'}
    scores = set(read_rows(run.folder.ap)[0]) - {'step'}
    assert tags == {f'train/{name}' for name in losses} | {f'val/{name}' for name in scores}


def test_another_seed_gives_another_training(make_config, tmp_path):
    totals = []
    for seed in (0, 0, 1):
        run = start(make_config(out=str(tmp_path / f'{len(totals)}'), seed=seed, iterations=2))
        run.run()
        totals.append([row['total'] for row in read_rows(run.folder.losses)])
    assert totals[0] == totals[1] != totals[2]


def test_rows_after_the_resumed_step_are_written_again_not_twice(make_config):
    config = make_config(iterations=4)
    run = start(config)
    run.run(stop_at=2)
    before = run.folder.state.read_bytes()
    again = start(config, resume=True)
    again.run(stop_at=4)
    again.folder.state.write_bytes(before)  # as if the machine had died before the checkpoint
    start(config, resume=True).run()
    assert [row['step'] for row in read_rows(run.folder.losses)] == [1, 2, 3, 4]


@pytest.mark.curves
def test_a_training_leaves_checkpoints_logs_plots_and_samples(make_config):
    run = start(make_config(evaluate_every=2, iterations=3), val=Blocks(3))
    assert run.run()
    names = {path.relative_to(run.folder.path).as_posix()
             for path in run.folder.path.rglob('*') if path.is_file()}
    names = {name for name in names if not name.startswith('events.out.tfevents.')}
    assert names == {'last.safetensors', 'best.safetensors', 'state.pt', 'losses.csv', 'ap.csv',
                     'losses.png', 'ap.png', 'samples/step_000002.jpg', 'samples/step_000003.jpg'}
    assert [row['step'] for row in read_rows(run.folder.ap)] == [2, 3]
    model, config = load_model(run.folder.last)
    assert config.class_names == ('red', 'blue')
    averaged = run.average.state['fpn.lat_layers.0.weight']
    assert torch.equal(model.state_dict()['fpn.lat_layers.0.weight'], averaged)


@pytest.mark.curves
def test_a_training_without_matplotlib_says_so_once_and_goes_on(make_config, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)  # importing it fails
    run = start(make_config(evaluate_every=1, iterations=2), val=Blocks(1))
    assert run.run()
    assert caplog.text.count("pip install 'yolact_ros[train]'") == 1
    assert len(read_rows(run.folder.ap)) == 2


def test_the_best_checkpoint_is_kept_when_ap_falls(make_config, monkeypatch):
    scores = iter([.5, .2])
    monkeypatch.setattr(trainer_module, 'measure_ap',
                        lambda *arguments: {'mask_ap': next(scores)})
    run = start(make_config(evaluate_every=1, iterations=2), val=Blocks(1))
    run.run(stop_at=1)
    best = run.folder.best.read_bytes()
    second = start(make_config(evaluate_every=1, iterations=2), val=Blocks(1), resume=True)
    second.run()
    assert second.progress.best_ap == .5
    assert run.folder.best.read_bytes() == best != run.folder.last.read_bytes()


class Poisoned(Blocks):
    """One of the images has a box without area, whose loss is infinite."""

    def sample(self, index, rng):
        """Return image number index."""
        sample = super().sample(index, rng)
        return replace(sample, boxes=sample.boxes * np.float32(0)) if index == 1 else sample


def test_a_non_finite_loss_changes_nothing_and_names_the_image(make_config, monkeypatch, caplog):
    # Augmentation drops such boxes; take that out of the way.
    monkeypatch.setattr('yolact_ros.training.batches.augment.drop_small',
                        lambda sample, least: sample)
    plain = AugmentConfig(crop=False, max_expand=1)
    run = start(make_config(iterations=1, batch_size=4, augment=plain), Poisoned(4))
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        run.run()
    assert 'step 0 skipped' in caplog.text
    assert 'pictures: block 1' in caplog.text
    after = run.model.state_dict()
    assert [key for key in before if not torch.equal(before[key], after[key])] == []


def test_a_loss_that_stays_non_finite_ends_the_training_with_advice(make_config):
    run = start(make_config(iterations=10, max_nonfinite=2))
    with torch.no_grad():
        run.model.fpn.lat_layers[0].bias.fill_(torch.nan)
    with pytest.raises(RuntimeError, match='2 steps in a row; lower --learning-rate'):
        run.run()


def test_a_frozen_backbone_does_not_change(make_config):
    run = start(make_config(freeze='backbone', iterations=2))
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    run.run()
    after = run.model.state_dict()
    changed = {key.split('.')[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {'fpn', 'proto_net', 'prediction_layers', 'semantic_seg_conv'}


def test_frozen_boxes_of_other_classes_are_refused_before_they_waste_a_training(
        make_config, tmp_path):
    config = make_config()
    weights = tmp_path / 'other.safetensors'
    save_model(weights, build_model(config, build_model_config(config, ('a', 'b', 'c')), False))
    with pytest.raises(ValueError, match='freeze: boxes keeps .* prediction_layers.0.conf_layer.*'
                                         'Choose freeze: none, or --weights of a model'):
        start(make_config(freeze='boxes', weights=str(weights)))


def test_a_frozen_backbone_that_no_file_brought_is_told(make_config, caplog):
    start(make_config(freeze='backbone'))
    assert 'freeze: backbone keeps weights as they are that no file brought' in caplog.text


@pytest.mark.parametrize('rescored', [False, True])
def test_frozen_boxes_leave_only_masks_to_learn(make_config, tmp_path, rescored):
    changes = {'model': {'mask_rescoring': rescored, 'prototype_scale': 4}}
    config = make_config(**changes)
    weights = tmp_path / 'learnt.safetensors'
    save_model(weights, build_model(config, build_model_config(config, ('red', 'blue')), False))
    run = start(make_config(freeze='boxes', iterations=2, weights=str(weights), **changes))
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    run.run()
    after = run.model.state_dict()
    changed = {key.rsplit('.', 1)[0] for key in before if not torch.equal(before[key], after[key])}
    assert {'proto_net.0', 'proto_net.13', 'prediction_layers.0.mask_layer'} <= changed
    assert {name.split('.')[0] for name in changed} == {
        'proto_net', 'prediction_layers', *(['maskiou_net'] if rescored else [])}
    assert not any('bbox' in name or 'conf' in name or 'upfeature' in name for name in changed)


@pytest.mark.parametrize('changes, frozen', [
    ({'batch_size': 5, 'weights': 'x'}, True), ({'batch_size': 6, 'weights': 'x'}, False),
    ({'batch_size': 5}, False), ({'batch_size': 8, 'freeze_batch_norm': 'yes'}, True)],
    ids=['small batch', 'six pictures', 'from scratch', 'told so'])
def test_batch_norms_freeze_by_the_published_rule(make_config, changes, frozen):
    assert should_freeze_batch_norm(make_config(**changes)) is frozen
    assert should_freeze_batch_norm(make_config(batch_size=12, weights='x'), world=4)


def test_frozen_batch_norms_keep_weights_and_statistics(make_config):
    run = start(make_config(freeze_batch_norm='yes', iterations=2))
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    run.run()
    after = run.model.state_dict()
    norms = [key for key in before if '.bn' in key or 'downsample.1' in key]
    assert norms
    assert [key for key in norms if not torch.equal(before[key], after[key])] == []


def test_fine_tuning_with_other_classes_loads_what_fits(make_config, tmp_path, caplog):
    first = start(make_config(iterations=1))
    save_model(tmp_path / 'three.safetensors', build_model(
        make_config(), build_model_config(make_config(), ('a', 'b', 'c')), True))
    with caplog.at_level(logging.INFO):
        tuned = build_model(make_config(weights=str(tmp_path / 'three.safetensors'), seed=5),
                            first.model.config, True)
    stored, _ = load_model(tmp_path / 'three.safetensors')
    own, other = tuned.state_dict(), stored.state_dict()
    different = {key for key in own if own[key].shape != other[key].shape}
    assert different == {
        f'{layer}.{kind}' for kind in ('weight', 'bias')
        for layer in ('prediction_layers.0.conf_layer', 'semantic_seg_conv')}
    assert all(torch.equal(own[key], other[key]) for key in own if key not in different)
    assert 'prediction_layers.0.conf_layer.weight' in caplog.text


def test_a_folder_with_a_training_is_not_overwritten(make_config):
    start(make_config(iterations=1)).run()
    with pytest.raises(FileExistsError, match='--resume'):
        start(make_config(iterations=1))


def test_weights_that_cannot_be_used_leave_no_folder(make_config, tmp_path):
    (tmp_path / 'page.pth').write_text('<html>')
    config = make_config(train='synthetic:easy', scenes=2, weights=str(tmp_path / 'page.pth'))
    with pytest.raises(ValueError, match='web page'):
        train(config, Processes(torch.device('cpu')))
    assert not (tmp_path / 'run').exists()


def test_resuming_nothing_is_refused(make_config):
    with pytest.raises(FileNotFoundError, match='no training to resume'):
        trainer_module.RunFolder(make_config().out).prepare(resume=True)


def test_a_full_disk_keeps_the_old_checkpoint_and_the_training(make_config, monkeypatch, caplog):
    run = start(make_config(iterations=3, checkpoint_every=1))
    run.run(stop_at=1)
    before = run.folder.last.read_bytes(), run.folder.state.read_bytes()

    def full(*arguments):
        raise OSError(28, 'No space left on device')
    resumed = start(make_config(iterations=3, checkpoint_every=1), resume=True)
    monkeypatch.setattr(trainer_module, 'save_model', full)
    with pytest.raises(OSError, match='step 3 in .*No space left.*the previous one is intact'):
        resumed.run()  # the last one has to succeed
    assert resumed.progress.step == 3
    assert 'no checkpoint at step 2' in caplog.text and 'training goes on' in caplog.text
    assert (run.folder.last.read_bytes(), run.folder.state.read_bytes()) == before


@pytest.mark.parametrize('error', [
    ValueError('7.png does not decode'), OSError(28, 'No space left on device'), KeyError('box')],
    ids=['damaged picture', 'full disk', 'anything'])
def test_a_measurement_that_fails_is_told_and_costs_no_step(make_config, monkeypatch, caplog,
                                                            error):
    saved = []

    def fail(*arguments):
        saved.append(run.folder.load_state()['step'])
        raise error
    monkeypatch.setattr(trainer_module, 'measure_ap', fail)
    run = start(make_config(iterations=3, evaluate_every=2), val=Blocks(1))
    assert run.run()
    assert saved == [2, 3]  # first the checkpoint, then the measurement
    assert 'measurement at step 2 failed, training goes on' in caplog.text


def test_a_first_checkpoint_that_fails_promises_no_earlier_one(make_config, monkeypatch, caplog):
    run = start(make_config(iterations=2, checkpoint_every=1))
    keep, calls = trainer_module.save_model, []

    def full_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise OSError(28, 'No space left on device')
        keep(*arguments)
    monkeypatch.setattr(trainer_module, 'save_model', full_once)
    assert run.run()
    assert 'no checkpoint at step 1' in caplog.text
    assert 'intact' not in caplog.text


def test_a_row_that_does_not_fit_on_the_disk_ends_no_training(make_config, monkeypatch, caplog):
    def full(*arguments):
        raise OSError(28, 'No space left on device')
    run = start(make_config(iterations=2))
    monkeypatch.setattr(run_folder, 'append_row', full)
    assert run.run()
    assert 'no row of losses for step 1' in caplog.text


def test_steps_stay_whole_numbers_when_rows_are_dropped(tmp_path):
    path = tmp_path / 'losses.csv'
    for step in (1, 2, 3):
        append_row(path, {'step': step, 'rate': 1e-3})
    drop_rows_after(path, 2)
    assert path.read_text().splitlines() == ['step,rate', '1,0.001', '2,0.001']


def test_a_disk_that_was_always_full_has_no_checkpoint_to_resume_from(make_config, monkeypatch):
    def full(*arguments):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(trainer_module, 'save_model', full)
    with pytest.raises(OSError, match='step 1 in .*No space left.*none yet to resume from'):
        start(make_config(iterations=1)).run()


def test_rows_are_dropped_altogether_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'losses.csv'
    for step in (1, 2, 3):
        append_row(path, {'step': step})
    before = path.read_text()

    def full(*arguments):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(OSError, match='No space'):
        drop_rows_after(path, 1)
    assert path.read_text() == before


def test_a_mistyped_folder_to_resume_is_named(tmp_path, capsys):
    assert main(['train', '--resume', '--out', str(tmp_path / 'typo')]) == 1
    assert 'typo holds no training to resume' in capsys.readouterr().err


def test_a_second_training_into_the_same_folder_is_refused(make_config):
    config = make_config(train='synthetic:easy', scenes=2)
    with trainer_module.RunFolder(config.out).locked():
        with pytest.raises(FileExistsError, match='another process trains into'):
            train(config, Processes(torch.device('cpu')))
    with trainer_module.RunFolder(config.out).locked():
        assert not trainer_module.RunFolder(config.out).config.exists()


def test_resuming_after_a_class_was_added_says_so(make_config, monkeypatch):
    start(make_config(iterations=2)).run(stop_at=1)
    monkeypatch.setattr(Blocks, 'class_names', ('red', 'blue', 'green'))
    with pytest.raises(ValueError, match='began with the classes red, blue, the data now has red'):
        start(make_config(iterations=2), resume=True)


class Unreadable(Blocks):
    """Every image is damaged."""

    def sample(self, index, rng):
        """Raise what CocoDataset raises."""
        raise ValueError('a.png does not decode as a picture: replace it')


@pytest.mark.parametrize('workers', [0, 1], ids=['this process', 'a loader process'])
def test_a_damaged_image_ends_the_training_with_its_own_message(make_config, workers):
    run = start(make_config(workers=workers), Unreadable())
    with pytest.raises(ValueError, match='^a.png does not decode as a picture: replace it$'):
        run.run()


def test_running_out_of_memory_says_what_to_try():
    with pytest.raises(RuntimeError, match='batch 8 at 550 px; try --batch-size 4'):
        with explained_memory_errors(8, 550):
            raise torch.OutOfMemoryError('CUDA out of memory')


def test_bfloat16_on_a_cpu_is_refused_where_onednn_returns_garbage():
    cpu = torch.device('cpu')
    with pytest.raises(ValueError, match='more than 64 px'):
        training_precision('bfloat16', cpu, 64)
    assert training_precision('auto', cpu, 64) == 'float32'
    assert training_precision('bfloat16', cpu, 96) == 'bfloat16'


def test_the_first_ctrl_c_answers_at_once_and_the_second_interrupts(capfd):
    with interruptible(lambda: 249) as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        assert 'again = lose 249 steps' in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_during_a_training_leaves_a_checkpoint_to_resume(make_config, monkeypatch):
    run = start(make_config(iterations=4))
    step = run._step

    def interrupted_step(batch, bar):
        step(batch, bar)
        signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(run, '_step', interrupted_step)
    assert not run.run()
    assert run.folder.load_state()['step'] == 1


def test_a_training_that_gets_no_better_ends_by_itself(make_config, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    measured = iter([0.3, 0.5, 0.4, 0.5, 0.9])
    monkeypatch.setattr(trainer_module, 'measure_ap',
                        lambda *_: dict.fromkeys(('mask_ap', 'box_ap'), next(measured)))
    run = start(make_config(iterations=9, evaluate_every=1, patience=2, sample_pictures=0),
                val=Blocks(2))
    assert run.run()
    assert run.progress.step == 4
    assert 'no better mask AP in 2 measurements' in caplog.text
    assert start(make_config(iterations=9, patience=2), resume=True).progress.stale == 2


def test_a_training_ends_when_its_hours_are_over(make_config, caplog):
    caplog.set_level(logging.INFO)
    run = start(make_config(iterations=9, hours=1e-9))
    assert run.run()
    assert run.progress.step == 1
    assert run.folder.last.is_file() and 'hours are over' in caplog.text


def test_the_learning_rate_falls_to_its_end_by_the_time_the_hours_are_over(make_config,
                                                                           monkeypatch):
    shares = iter([0.0, 0.0, 0.25, 0.75, 1.0])
    monkeypatch.setattr(Limits, 'share', property(lambda limits: next(shares)))
    monkeypatch.setattr(Limits, 'reached', lambda limits, progress: False)
    config = make_config(iterations=5, hours=1.0, schedule='onecycle', warmup=1, log_every=1)
    run = start(config)
    run.run()
    # Two steps of warm-up, then the cosine at 2, 3.75 and 5.
    peak = config.learning_rate
    expected = [peak / 25, peak,
                *(peak * (1 + math.cos(math.pi * (place - 1) / 4)) / 2 for place in (2, 3.75, 5))]
    assert [row['rate'] for row in read_rows(run.folder.losses)] == pytest.approx(expected)


def test_parts_of_a_batch_give_the_mean_of_their_gradients(make_config):
    run = start(make_config(batch_size=4))
    inner = run.module.eval()  # batch statistics would differ between the parts
    run.model.eval()
    batch = join_batches([run.images[(number, number)] for number in range(4)])
    weight = run.model.prediction_layers[0].mask_layer.weight
    run.model.training = True  # semantic logits, but no batch statistics
    gradients = []
    for part in (batch, *split_batch(batch, 2)):
        run.optimizer.zero_grad()
        torch.stack(list(inner(part, 5)[0].values())).sum().backward()
        gradients.append(weight.grad.clone())
    result = train_step(inner, torch.optim.SGD(run.model.parameters(), 0.0), batch, 5, 0.0,
                        run.processes, parts=2)
    assert result.applied
    torch.testing.assert_close(weight.grad, (gradients[1] + gradients[2]) / 2)
    assert not torch.allclose(weight.grad, gradients[0])  # losses count the positives of a part


def test_a_batch_splits_into_its_images_with_their_objects(make_config):
    run = start(make_config(batch_size=4))
    batch = join_batches([run.images[(number, number)] for number in range(3)])
    whole = join_batches(split_batch(batch, 2))
    assert [part.names for part in split_batch(batch, 9)] == [(name,) for name in batch.names]
    assert whole.counts == batch.counts and torch.equal(whole.images, batch.images)
    assert torch.equal(whole.objects.boxes, batch.objects.boxes)
