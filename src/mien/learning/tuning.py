"""Choosing among few settings by cross-validation that keeps whole people together.

Also where the people who are scored later have taught too (split by takes): the setting and the temperature are then
chosen for unknown people, which costs such a score something, and flatters none.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedKFold

N_FOLDS = 3


def inner_folds(labels: np.ndarray, groups: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (learnt, judged) positions of inner folds: by groups, or by class where there is but one group.

    Folds in which fewer classes are learnt than there are are left out; there may be none.
    """
    n_groups = len(np.unique(groups))
    rarest = np.bincount(labels)[np.unique(labels)].min()
    if n_groups >= 2:
        folds = GroupKFold(min(N_FOLDS, n_groups)).split(labels, labels, groups)
    elif rarest >= 2:
        folds = StratifiedKFold(min(N_FOLDS, int(rarest)), shuffle=True, random_state=seed).split(labels, labels)
    else:
        return
    for learnt, judged in folds:
        if len(np.unique(labels[learnt])) == len(np.unique(labels)):
            yield learnt, judged


def tune(
    fit: Callable[[dict[str, Any], np.ndarray], Any],
    score: Callable[[Any, np.ndarray], np.ndarray],
    grid: list[dict[str, Any]],
    labels: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None]:
    """Return the setting of the best out-of-fold accuracy (the first of equals), and its out-of-fold scores.

    Args:
        fit: (setting, positions) -> a fitted model. score: (model, positions) -> (position class) scores.
        grid: the settings tried.

    Returns:
        The setting, and the positions and (position class) scores of all that was judged; the first setting, no
        positions and no scores without folds.
    """
    folds = list(inner_folds(labels, groups, seed))
    if not folds:
        return grid[0], np.zeros(0, dtype=np.int64), None
    judged = np.concatenate([positions for _, positions in folds])
    best: tuple[float, dict[str, Any], np.ndarray] | None = None
    for setting in grid:
        scores = np.concatenate([score(fit(setting, learnt), positions) for learnt, positions in folds])
        accuracy = float((scores.argmax(axis=1) == labels[judged]).mean())
        if best is None or accuracy > best[0]:
            best = accuracy, setting, scores
    assert best is not None
    return best[1], judged, best[2]
