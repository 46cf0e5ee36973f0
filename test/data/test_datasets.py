"""What a configuration calls data, scenes among it."""

import numpy as np
import pytest

from yolact_ros.data.datasets import open_dataset
from yolact_ros.scenes import CLASS_NAMES


def names_of(source):
    sample = source.sample(3, np.random.default_rng(0))
    return [source.class_names[class_id] for class_id in sample.class_ids]


def test_scenes_follow_a_longer_list_of_classes_in_any_order():
    wanted = ('person', *reversed(CLASS_NAMES))
    source = open_dataset('synthetic:easy', class_names=wanted, size=96)
    assert source.class_names == wanted
    assert names_of(source) == names_of(open_dataset('synthetic:easy', size=96)) != []


def test_a_list_without_a_class_of_the_scenes_is_refused():
    with pytest.raises(ValueError, match='mug, bowl, .* is not among the wanted bottle, cow'):
        open_dataset('synthetic:hard', class_names=['bottle', 'cow'])
