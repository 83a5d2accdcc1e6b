"""Which takes teach, their windows with class numbers, and how much was learnt from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mien.labels import UNKNOWN
from mien.learning.arrays import Windows
from mien.learning.model_folder import TrainingFacts
from mien.learning.weights import n_weights
from mien.progress import talk
from mien.sensing.features import Features


def is_labelled(labels: np.ndarray) -> np.ndarray:
    """Return (row) bool: whether an expression is known; missing values and "n/a" are not.

    Example:
        >>> is_labelled(np.array(["fear", "n/a", None, float("nan")], dtype=object)).tolist()
        [True, False, False, False]
    """
    return pd.Series(labels, dtype=object).fillna(UNKNOWN).ne(UNKNOWN).to_numpy(dtype=bool)


def windows_of_rows(features: Features, names: Sequence[str], labels: np.ndarray, groups: np.ndarray) -> Windows:
    """Return windows as estimators take them.

    Args:
        names: the model's expressions; a class number is a place among them.
        labels, groups: (row) expression and group of every row of the table.
    """
    number = {label: position for position, label in enumerate(names)}
    classes = np.array([number[str(label)] for label in labels[features.row]], dtype=np.int64)
    return Windows(features.images(), classes, groups[features.row])


def judging_rows(rows: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the rows whose expression is among those learnt; the others cannot judge training, which is said."""
    taught = np.array([str(labels[row]) in names for row in rows], dtype=bool)
    if not taught.all():
        others = sorted({str(labels[row]) for row in rows[~taught]})
        talk.print(f"{(~taught).sum()} validation takes show {', '.join(others)}, not learnt here: left out")
    return rows[taught]


def facts_of_learning(part: Features, subjects: np.ndarray, estimator: Any) -> TrainingFacts:
    """Return how much an estimator has learnt from.

    Args:
        part: the windows that taught. subjects: (row) whose every row of the table is.
    """
    return TrainingFacts(
        n_people=len(set(subjects[part.row])),
        n_takes=len(np.unique(part.row)),
        n_windows=len(part),
        n_microphones=part.values.shape[1],
        n_weights=n_weights(estimator),
        weakest_band_db=round(float(part.weakest_db.min()), 1) if len(part.weakest_db) else None,
    )
