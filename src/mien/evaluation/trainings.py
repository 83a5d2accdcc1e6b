"""What every training of every split counted, kept apart: another seed or processor moves what learns by chance.

Trainings are a unit of chance beside people: the same network on the same split spreads by points from one training to
the next, and as much from one processor to another (Bouthillier et al., Accounting for variance in machine learning
benchmarks, 2021). Estimates are means over trainings; how far those may be off is estimated here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mien.evaluation.metrics import classes_of

Statistic = Callable[[np.ndarray], np.ndarray]
"""(... class class) counts -> (...) numbers, vectorised over leading axes."""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts of one method with one adaptation, a cell per subject and fitted model that scored takes of theirs.

    Args:
        subjects: their names. subject: (cell) number of the subject; cells of one subject stand together.
        fit: (cell) number of the fitted model.
        fits: (fit) what it is: seed, fold, training. split: (fit) number of its split, the seed's fold.
        counts: (cell class class) truth down, prediction across.
    """

    subjects: list[str]
    subject: np.ndarray
    fit: np.ndarray
    fits: list[tuple[int, int, int]]
    split: np.ndarray
    counts: np.ndarray

    @property
    def n_trainings(self) -> np.ndarray:
        """Return (fit) the number of trainings on its split."""
        return np.bincount(self.split)[self.split]

    def by_subject(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return (subject class class) counts summed over splits, of each the mean over trainings, or as weighted.

        Args:
            weights: (fit).
        """
        weights = 1 / self.n_trainings if weights is None else weights
        first = np.flatnonzero(np.diff(self.subject, prepend=-1))
        return np.add.reduceat(self.counts * weights[self.fit][:, None, None], first, axis=0)

    def drawn(self, n_draws: int, rng: np.random.Generator) -> np.ndarray:
        """Return (draw class class) counts summed over people drawn anew, by models drawn anew of each split's.

        Of T trainings T - 1 are drawn, with replacement: so the spread of their mean is that of a mean of T, where
        drawing T would give (T - 1) / T of its variance, two thirds for three (Rao and Wu, Resampling inference with
        complex survey data, 1988). People and models are crossed, and both are drawn, which is at worst too wide
        (Owen, The pigeonhole bootstrap, 2007).
        """
        n_subjects = len(self.subjects)
        people = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=n_draws)
        models = np.ones((n_draws, len(self.fits)))
        for number in np.flatnonzero(np.bincount(self.split) > 1):
            inside = np.flatnonzero(self.split == number)
            alike = np.full(len(inside), 1 / len(inside))
            models[:, inside] = rng.multinomial(len(inside) - 1, alike, size=n_draws) / (len(inside) - 1)
        return np.tensordot(people[:, self.subject] * models[:, self.fit], self.counts, axes=1)

    def without_each(self, statistic: Statistic) -> np.ndarray:
        """Return (fit subject) a statistic of each subject's counts, had one training not been done.

        Where it is the only one of its split, the statistic is that of all.
        """
        usual = 1 / self.n_trainings
        found = []
        for fit, n_trainings in enumerate(self.n_trainings):
            weights = usual.copy()
            if n_trainings > 1:
                weights[self.split == self.split[fit]] = 1 / (n_trainings - 1)
                weights[fit] = 0
            found.append(statistic(self.by_subject(weights)))
        return np.stack(found)


def tally(predictions: pd.DataFrame) -> Tally:
    """Return the counts of a table of predictions of one case, of one training where it has no such column."""
    classes = pd.Index(classes_of(predictions))
    keys = [predictions.get(name, pd.Series(0, index=predictions.index)).astype(np.int64) for name in _OF_A_FIT]
    fit_of, fits = pd.factorize(pd.MultiIndex.from_arrays(keys), sort=True)
    subject_of, subjects = pd.factorize(predictions["subject"].astype(str), sort=True)
    cell_of, cells = pd.factorize(subject_of * len(fits) + fit_of, sort=True)
    shown, named = (classes.get_indexer(predictions[name]) for name in ("truth", "predicted"))
    n_classes = len(classes)
    places = (cell_of * n_classes + shown) * n_classes + named
    counts = np.bincount(places, minlength=len(cells) * n_classes**2).reshape(len(cells), n_classes, n_classes)
    split, _ = pd.factorize(pd.MultiIndex.from_tuples([fit[:2] for fit in fits]))
    named_fits = [(int(seed), int(fold), int(training)) for seed, fold, training in fits]
    return Tally(list(subjects), cells // len(fits), cells % len(fits), named_fits, split, counts.astype(np.float64))


_OF_A_FIT = ("seed", "fold", "training")


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a mean over trainings may be off for them alone.

    Args:
        standard_error: 0 where every training gave the same, and where there was one of each split: then it is not
            known.
        degrees_of_freedom: on which that estimate stands.
    """

    standard_error: float = 0.0
    degrees_of_freedom: float = np.inf

    def __add__(self, other: "Spread") -> "Spread":
        """Return the spread of a sum or difference of two means whose trainings have nothing to do with each other."""
        variances = np.array([self.standard_error**2, other.standard_error**2])
        return _joint(variances, np.array([self.degrees_of_freedom, other.degrees_of_freedom]))


def _joint(variances: np.ndarray, degrees: np.ndarray) -> Spread:
    """Return the spread of a sum of independent parts (Satterthwaite, 1946)."""
    total = float(variances.sum())
    if total <= 0:
        return Spread()
    return Spread(total**0.5, total**2 / max(float((variances**2 / degrees).sum()), 1e-300))


def spread(without_each: np.ndarray, split: np.ndarray) -> Spread:
    """Return the spread over trainings of an estimate, by leaving one training out after the other (jackknife).

    Args:
        without_each: (fit) the estimate without each of them. split: (fit) number of its split.

    Example:
        >>> round(spread(np.array([0.4, 0.5, 0.6]), np.zeros(3, dtype=int)).standard_error, 4)
        0.1155

    Reference: Efron and Tibshirani, An introduction to the bootstrap, 1993, section 11.
    """
    parts = [without_each[split == number] for number in range(split.max() + 1)]
    parts = [part for part in parts if len(part) > 1]
    variances = np.array([(len(part) - 1) * part.var() for part in parts])
    return _joint(variances, np.array([len(part) - 1.0 for part in parts]))


def deviation_of_one(found: Tally, statistic: Statistic) -> float:
    """Return the standard deviation that a statistic of all counts has from one training of every split to the next.

    NaN where every split had one training: nothing is known of it then.
    """
    n_trainings = found.n_trainings
    if n_trainings.max() < 2:
        return float("nan")
    overall = found.without_each(lambda counts: counts).sum(axis=1)
    return spread(statistic(overall), found.split).standard_error * float(n_trainings.max()) ** 0.5
