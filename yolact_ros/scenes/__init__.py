"""Endless labelled table-top scenes: training data, test data, and the demo's camera."""

from yolact_ros.scenes.scene import CLASS_NAMES, Scene, SceneObject, scene

# Fixed validation scenes; training uses seeds below 10 million.
TRAINING_SEEDS = range(10_000_000)
VAL_EASY = range(1_000_000_000, 1_000_000_200)
VAL_HARD = range(2_000_000_000, 2_000_000_200)

__all__ = ['CLASS_NAMES', 'TRAINING_SEEDS', 'VAL_EASY', 'VAL_HARD', 'Scene', 'SceneObject',
           'scene']
