"""From windows and labels to probabilities: losses, augmentation, the one training loop, estimators for arrays."""
