"""One step after the other: augmented images, losses, weights; measured, saved, resumed."""
