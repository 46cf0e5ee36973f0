"""Which weights learn and how, against arithmetic by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from yolact_ros.training.config import TrainConfig
from yolact_ros.training.optimizer import (
    WeightAverage,
    build_optimizer,
    freeze,
    restore_buffers,
    set_rate,
    snapshot_buffers,
    train_mode,
)


class Little(nn.Module):
    """A backbone with a batch norm, and a head."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.head(self.backbone(x))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Little()


def names_of(model, group):
    known = {id(weight): name for name, weight in model.named_parameters()}
    return {known[id(weight)] for weight in group['params']}


def test_the_published_optimizer_decays_all_weights_that_learn(model):
    freeze(model, 'backbone', batch_norm=False)
    [group] = build_optimizer(model, TrainConfig()).param_groups
    assert names_of(model, group) == {'head.weight', 'head.bias'}
    # original: lr 1e-3, momentum 0.9, decay 5e-4
    assert (group['lr'], group['momentum'], group['weight_decay']) == (1e-3, 0.9, 5e-4)


def test_adamw_decays_matrices_only(model):
    config = replace(TrainConfig(), optimizer='adamw', weight_decay=0.1)
    matrices, vectors = build_optimizer(model, config).param_groups
    assert names_of(model, matrices) == {'backbone.0.weight', 'head.weight'}
    assert matrices['weight_decay'] == 0.1 and vectors['weight_decay'] == 0.0
    assert len(names_of(model, vectors)) == 4


@pytest.mark.parametrize('kind, groups', [('sgd', 2), ('adamw', 4)])
def test_the_backbone_learns_at_its_share_of_the_rate(model, kind, groups):
    optimizer = build_optimizer(model, replace(TrainConfig(), optimizer=kind, backbone_rate=0.1))
    set_rate(optimizer, 0.5)
    assert len(optimizer.param_groups) == groups
    for group in optimizer.param_groups:
        parts = {name.split('.')[0] for name in names_of(model, group)}
        assert (parts, group['lr']) in (({'backbone'}, pytest.approx(0.05)), ({'head'}, 0.5))


def test_an_optimizer_of_a_stored_state_without_shares_follows_the_rate(model):
    optimizer = build_optimizer(model, TrainConfig())
    state = optimizer.state_dict()
    for group in state['param_groups']:
        del group['rate_factor']
    optimizer.load_state_dict(state)
    set_rate(optimizer, 0.25)
    assert [group['lr'] for group in optimizer.param_groups] == [0.25]


def test_a_backbone_that_would_not_learn_is_refused_with_the_way_to_freeze_it():
    with pytest.raises(ValueError, match='backbone_rate must be above 0, got 0; freeze: backbone'):
        TrainConfig(backbone_rate=0)


def test_frozen_batch_norms_keep_statistics_and_weights(model):
    freeze(model, 'none', batch_norm=True)
    train_mode(model)
    before = {key: value.clone() for key, value in model.backbone[1].state_dict().items()}
    optimizer = build_optimizer(model, TrainConfig())
    model(torch.randn(2, 3, 4, 4) + 5).sum().backward()
    optimizer.step()
    after = model.backbone[1].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert model.training and not model.backbone[1].training


def test_batch_norms_that_learn_follow_the_batch(model):
    train_mode(model)
    model(torch.randn(2, 3, 4, 4) + 5)
    assert model.backbone[1].num_batches_tracked == 1


def test_the_average_forgets_more_in_the_first_steps(model):
    average, expected = WeightAverage(model, decay=0.99), model.head.bias.detach().clone()
    for step in range(200):
        with torch.no_grad():
            model.head.bias.fill_(step)
        average.update(model, step)
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * torch.full((2,), float(step))
    torch.testing.assert_close(average.state['head.bias'], expected, rtol=1e-4, atol=1e-4)


def test_the_average_counts_batches_as_the_model_does(model):
    average = WeightAverage(model, decay=0.99)
    model.backbone[1].num_batches_tracked.fill_(7)
    average.update(model, 0)
    assert average.state['backbone.1.num_batches_tracked'] == 7


def test_averaged_weights_are_lent_and_taken_back_also_after_an_error(model):
    average = WeightAverage(model, decay=0.5)
    with torch.no_grad():
        model.head.bias.fill_(3.0)
    with pytest.raises(KeyError), average.applied(model):
        assert not torch.equal(model.head.bias, torch.full((2,), 3.0))
        raise KeyError
    assert torch.equal(model.head.bias, torch.full((2,), 3.0))


def test_statistics_of_a_step_that_failed_can_be_taken_back(model):
    train_mode(model)
    saved = snapshot_buffers(model)
    model(torch.full((2, 3, 4, 4), torch.nan))
    assert model.backbone[1].running_mean.isnan().all()
    restore_buffers(model, saved)
    assert model.backbone[1].running_mean.tolist() == [0.0] * 4
    assert model.backbone[1].running_var.tolist() == [1.0] * 4
    assert model.backbone[1].num_batches_tracked == 0
