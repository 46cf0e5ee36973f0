"""Learning: data sets, augmentation, losses, training loop, evaluation."""
