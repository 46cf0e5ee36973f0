"""From a data set to batches: images chosen for every step, augmented in loader processes."""
