"""What the tests of trainings share."""

import sys
from pathlib import Path

import pytest

# torchrun starts a test file as a script, which finds its neighbours; so do the tests.
sys.path.insert(0, str(Path(__file__).parent))

from small_training import SMALL_NETWORK  # noqa: E402

from yolact_ros.training.batches.augment import AugmentConfig  # noqa: E402
from yolact_ros.training.config import TrainConfig  # noqa: E402


@pytest.fixture(autouse=True)
def curves(request, monkeypatch):
    """Leave out the plots, which take longer than the steps, unless a test is marked curves."""
    if not request.node.get_closest_marker('curves'):
        monkeypatch.setattr('yolact_ros.training.trainer.plot_history', lambda folder: None)


@pytest.fixture
def make_config(tmp_path):
    """Return a function that makes the configuration of a training of a few steps."""
    def make(**changes):
        values = {'train': 'memory', 'out': str(tmp_path / 'run'), 'preset': 'yolact_plus_tiny',
                  'model': SMALL_NETWORK, 'batch_size': 2, 'autoscale': False, 'iterations': 4,
                  'optimizer': 'adamw', 'learning_rate': 1e-3, 'schedule': 'cosine', 'warmup': 2,
                  'ema': 0.9, 'workers': 0, 'log_every': 1, 'checkpoint_every': 100,
                  'sample_pictures': 1, 'device': 'cpu',
                  'augment': AugmentConfig(copy_paste=0.5)}
        return TrainConfig(**{**values, **changes})
    return make
