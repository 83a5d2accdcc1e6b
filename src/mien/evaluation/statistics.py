"""What a handful of people and trainings can support: intervals by resampling both, paired tests that hold both.

People are the unit of chance here, not windows or takes: those of one person are alike, and an interval over windows
would be far too narrow (Cameron and Miller, A practitioner's guide to cluster-robust inference, 2015). Beside them
stand trainings (see `mien.evaluation.trainings`): people alone would call chance in learning a difference of methods.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from mien.evaluation.metrics import accuracy, balanced_accuracy, macro_f1, macro_precision
from mien.evaluation.trainings import Spread, Statistic, Tally, spread, tally

N_DRAWS = 2_000
EXACT_UP_TO = 12
"""With up to so many people all 2^n sign flips are counted; with more, `N_FLIPS` are drawn."""
N_FLIPS = 20_000

OVER_COUNTS: dict[str, Statistic] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "macro_precision": macro_precision,
}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the percentile interval that resampling people, and trainings where there are any, gives it."""

    estimate: float
    low: float
    high: float


def confusions_by_subject(predictions: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Return the subjects of a table of predictions and their (subject class class) counts.

    They are summed over seeds and folds, and of each the mean over its trainings.
    """
    found = tally(predictions)
    return found.subjects, found.by_subject()


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


def two_level_bootstrap(
    found: Tally,
    statistics: Mapping[str, Statistic] = OVER_COUNTS,
    *,
    n_draws: int = N_DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return statistics of all counts, means over trainings, with intervals when people and trainings are drawn anew.

    Where every split has one training, or all of them gave the same, this is `cluster_bootstrap`.
    """
    drawn = found.drawn(n_draws, np.random.default_rng(seed))
    overall = found.by_subject().sum(axis=0)
    made = {}
    for name, statistic in statistics.items():
        low, high = np.nanquantile(statistic(drawn), [(1 - level) / 2, (1 + level) / 2])
        made[name] = Interval(float(statistic(overall)), float(low), float(high))
    return made


def intervals(predictions: pd.DataFrame, *, n_draws: int = N_DRAWS, seed: int = 0) -> dict[str, Interval]:
    """Return each score of `OVER_COUNTS` over everything scored, with its interval over people and trainings."""
    return two_level_bootstrap(tally(predictions), n_draws=n_draws, seed=seed)


def sign_flip_p(differences: Sequence[float] | np.ndarray, trainings: Spread = Spread(), *, seed: int = 0) -> float:
    """Return the two-sided p of the mean of paired differences, one per person, under random flips of their signs.

    Exact up to `EXACT_UP_TO` people; beyond, `N_FLIPS` random flips with the observed one counted in. With n people
    the smallest p there is is 2 / 2^n.

    A training is shared by many people, so that flips cannot show what it does to their mean. To every flip's mean is
    added what chance in training adds: the standard error over trainings times Student's t of its degrees of freedom.
    As people's differences hold some of it already, p is at worst too large.

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
    if trainings.standard_error > 0:
        means, observed = signs @ values / n_people, abs(values.mean())
        error, degrees = trainings.standard_error, trainings.degrees_of_freedom
        beyond = stdtr(degrees, (means - observed) / error) + stdtr(degrees, (-means - observed) / error)
        return float(np.mean(beyond))
    sums = np.abs(signs @ values)
    return float(np.mean(sums >= np.abs(values.sum()) * (1 - 1e-12) - 1e-12))


def interval_of_difference(
    differences: Sequence[float] | np.ndarray, trainings: Spread = Spread(), *, n_draws: int = N_DRAWS, seed: int = 0
) -> Interval:
    """Return the mean of paired differences, one per person, with its 95 % interval over people and trainings.

    People are drawn anew; to every draw's mean is added what chance in training adds, as in `sign_flip_p`.
    """
    values = np.asarray(differences, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=n_draws) @ values / len(values)
    if trainings.standard_error > 0:
        means = means + trainings.standard_error * stdtrit(trainings.degrees_of_freedom, rng.uniform(size=n_draws))
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


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


TEST_COLUMNS = ("first", "second", "difference", "low", "high", "n_subjects", "n_better", "p")


def paired_tests(per_subject: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return one row per pair of cases: their difference over the people both scored, p and Holm's p.

    What is given are scores of one training, or means over trainings whose spread is left aside: see `compare`.

    Args:
        per_subject: one row per subject, one column per case (a method and its adaptation), one score each.

    Returns:
        Columns first, second, difference (first minus second), low and high (its 95 % interval), n_subjects, n_better
        (people whose score is higher with the first), p, p_holm.
    """
    rows = []
    for pair in pairs:
        both = per_subject[list(pair)].dropna().to_numpy()
        rows.append(_test(pair, both[:, 0] - both[:, 1], Spread()))
    return _with_holm(rows)


def compare(
    tallies: Mapping[str, Tally],
    pairs: Sequence[tuple[str, str]],
    statistic: Statistic = balanced_accuracy,
    trained_alike: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return the table of `paired_tests`, whose intervals and p hold the spread over trainings besides.

    Args:
        tallies: case -> its counts.
        statistic: of one subject's counts; a score is its mean over subjects.
        trained_alike: case -> a name that those share who go on from one fitted model (a method's adaptations): of
            such the spread is that of their difference, of others the spreads add up. None: no two do.
    """
    rows = []
    for pair in pairs:
        first, second = (tallies[name] for name in pair)
        scores = [pd.Series(statistic(each.by_subject()), index=each.subjects) for each in (first, second)]
        differences = (scores[0] - scores[1]).dropna()
        alike = trained_alike is not None and trained_alike[pair[0]] == trained_alike[pair[1]]
        rows.append(_test(pair, differences.to_numpy(), _spread_of(first, second, statistic, differences.index, alike)))
    return _with_holm(rows)


def _spread_of(first: Tally, second: Tally, statistic: Statistic, subjects: pd.Index, alike: bool) -> Spread:
    """Return the spread over trainings of the difference of two mean scores over some subjects."""
    means = [
        each.without_each(statistic)[:, pd.Index(each.subjects).get_indexer(subjects)].mean(axis=1)
        for each in (first, second)
    ]
    if alike and first.fits == second.fits:
        return spread(means[0] - means[1], first.split)
    return spread(means[0], first.split) + spread(means[1], second.split)


def _test(pair: tuple[str, str], differences: np.ndarray, trainings: Spread) -> dict[str, Any]:
    interval = interval_of_difference(differences, trainings)
    values = (
        *(interval.estimate, interval.low, interval.high),
        *(len(differences), int((differences > 0).sum()), sign_flip_p(differences, trainings)),
    )
    return dict(zip(TEST_COLUMNS, (*pair, *values), strict=True))


def _with_holm(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(TEST_COLUMNS))
    return table.assign(p_holm=holm(table["p"]))


NO_DIFFERENCE = "no difference"


def verdicts(tests: pd.DataFrame) -> list[str]:
    """Return in a word or two what each row of tests shows: the better one where its interval leaves 0 out and its
    corrected p is below 0.05, else `NO_DIFFERENCE`."""
    return [
        NO_DIFFERENCE if row.low <= 0 <= row.high or row.p_holm >= 0.05 else row.first if row.low > 0 else row.second
        for row in tests.itertuples()
    ]
