"""What a handful of people can support: intervals by resampling people, and paired tests between methods over people.

People are the unit of chance here, not windows or takes: those of one person are alike, and an interval over windows
would be far too narrow (Cameron and Miller, A practitioner's guide to cluster-robust inference, 2015).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mien.evaluation.metrics import accuracy, balanced_accuracy, classes_of, confusion, macro_f1, macro_precision

N_DRAWS = 2_000
EXACT_UP_TO = 12
"""With up to so many people all 2^n sign flips are counted; with more, `N_FLIPS` are drawn."""
N_FLIPS = 20_000

OVER_COUNTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "macro_precision": macro_precision,
}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the percentile interval that resampling people gives it."""

    estimate: float
    low: float
    high: float


def confusions_by_subject(predictions: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Return the subjects of a table of predictions and their (subject class class) counts, summed over seeds."""
    classes = classes_of(predictions)
    subjects = sorted(predictions["subject"].astype(str).unique())
    parts = [predictions[predictions["subject"].astype(str) == subject] for subject in subjects]
    return subjects, np.stack([confusion(part["truth"], part["predicted"], classes) for part in parts])


def cluster_bootstrap(
    per_subject: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    n_draws: int = N_DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a statistic of summed counts, and its percentile interval when people are drawn with replacement.

    Args:
        per_subject: (subject ...) counts that add up over people, for instance confusions.
        statistic: (... ) counts -> number, vectorised over leading axes.

    Example:
        >>> alike = np.tile(np.array([[3, 1], [1, 3]]), (5, 1, 1))
        >>> cluster_bootstrap(alike, accuracy)
        Interval(estimate=0.75, low=0.75, high=0.75)
    """
    n_subjects = len(per_subject)
    rng = np.random.default_rng(seed)
    times_drawn = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=n_draws)
    drawn = statistic(np.tensordot(times_drawn.astype(np.float64), per_subject.astype(np.float64), axes=1))
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(per_subject.sum(axis=0))), float(low), float(high))


def intervals(predictions: pd.DataFrame, *, n_draws: int = N_DRAWS, seed: int = 0) -> dict[str, Interval]:
    """Return each score of `OVER_COUNTS` over everything scored, with its interval over people."""
    _, counts = confusions_by_subject(predictions)
    return {
        name: cluster_bootstrap(counts, statistic, n_draws=n_draws, seed=seed)
        for name, statistic in OVER_COUNTS.items()
    }


def sign_flip_p(differences: Sequence[float] | np.ndarray, *, seed: int = 0) -> float:
    """Return the two-sided p of the mean of paired differences, one per person, under random flips of their signs.

    Exact up to `EXACT_UP_TO` people; beyond, `N_FLIPS` random flips with the observed one counted in. With n people
    the smallest p there is is 2 / 2^n.

    Example:
        >>> sign_flip_p([0.1, 0.2, 0.1, 0.3])
        0.125
    """
    values = np.asarray(differences, dtype=np.float64)
    n_people = len(values)
    if n_people <= EXACT_UP_TO:
        signs = 1 - 2 * ((np.arange(2**n_people)[:, None] >> np.arange(n_people)) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1, 1], size=(N_FLIPS, n_people))
        signs[0] = 1
    sums = np.abs(signs @ values)
    return float(np.mean(sums >= np.abs(values.sum()) * (1 - 1e-12) - 1e-12))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values corrected for how many were computed (Holm, 1979).

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def paired_tests(per_subject: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return one row per pair of cases: their difference over the people both scored, p and Holm's p.

    Args:
        per_subject: one row per subject, one column per case (a method and its adaptation), one score each.

    Returns:
        Columns first, second, difference (first minus second), n_subjects, n_better (people whose score is higher with
        the first), p, p_holm.
    """
    rows = []
    for first, second in pairs:
        both = per_subject[[first, second]].dropna()
        differences = (both[first] - both[second]).to_numpy()
        rows.append(
            {
                "first": first,
                "second": second,
                "difference": float(differences.mean()),
                "n_subjects": len(differences),
                "n_better": int((differences > 0).sum()),
                "p": sign_flip_p(differences),
            }
        )
    table = pd.DataFrame(rows, columns=["first", "second", "difference", "n_subjects", "n_better", "p"])
    return table.assign(p_holm=holm(table["p"]))
