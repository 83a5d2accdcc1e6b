"""Windows that teach something in seconds, from arrays alone."""

import numpy as np

from mien.learning.arrays import Windows

IMAGE = (2, 6, 8)


def toy_windows(
    n_people: int = 6, n_classes: int = 3, n_each: int = 6, seed: int = 0, spread: float = 0.3, offset: float = 0.0
) -> Windows:
    """Return windows of a class pattern, a person's own pattern and noise; classes are alike across seeds."""
    patterns = np.random.default_rng(99).normal(size=(n_classes, *IMAGE))
    rng = np.random.default_rng(seed)
    labels = np.tile(np.repeat(np.arange(n_classes), n_each), n_people)
    groups = np.repeat(np.arange(n_people), n_classes * n_each)
    person = rng.normal(size=(n_people, *IMAGE)) * spread
    noise = rng.normal(size=(len(labels), *IMAGE)) * spread
    values = patterns[labels] + person[groups] + noise + offset
    return Windows(values.astype(np.float32), labels, groups)
