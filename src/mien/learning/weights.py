"""How much a fitted method has learnt: a number to hold methods against each other by."""

import math
from typing import Any

LEARNT = ("network.", "classifier.", "components.", "machine.")
"""What an estimator's tensors begin with where they are learnt and decide: not its normaliser, its bank, its people."""

RUNNING = ("running_mean", "running_var", "num_batches_tracked")
"""What batch normalisation has only counted."""


def n_weights(estimator: Any) -> int:
    """Return how many numbers decide in a fitted estimator: a network's weights, or a machine's components and vectors.

    Example:
        >>> from types import SimpleNamespace
        >>> import numpy as np
        >>> tensors = {"network.head.weight": np.zeros((3, 4)), "network.norm.running_mean": np.zeros(4)}
        >>> n_weights(SimpleNamespace(state=lambda: (tensors, {})))
        12
    """
    tensors, _ = estimator.state()
    return sum(
        math.prod(value.shape)
        for name, value in tensors.items()
        if name.startswith(LEARNT) and not name.endswith(RUNNING)
    )
