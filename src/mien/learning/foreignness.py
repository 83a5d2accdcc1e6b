"""How foreign a window is to what a classifier was trained on, and how much less sure its answer is for that.

A classifier's probabilities are calibrated on subjects like those it was trained on. Of others it knows less and is as
sure. How far a window's representation lies from all classes of the training windows tells one from the other.

References:
    Lee et al., A simple unified framework for detecting out-of-distribution samples and adversarial attacks, NeurIPS
    2018, Eq. 2 (Mahalanobis distance to the nearest class, one covariance for all).
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mien.errors import ModelError
from mien.learning.arrays import check_shapes
from mien.learning.calibration import fit_slope, fit_threshold, probabilities

RIDGE = 0.01
"""Share of the mean variance that is added to each: a direction in which training windows hardly differ is no proof."""

QUANTILE = 0.99
"""Of held-out windows so many are not foreign."""

LEAST = 1e-9

MOST_HOT = 7.0
"""Logarithm of the most by which a temperature is multiplied: beyond it rounding would make classes equal."""


@dataclass(frozen=True, slots=True, eq=False)
class Foreignness:
    """The score ``s = log(d^2 / typical)``, d being the Mahalanobis distance of a representation to the nearest class.

    0 is typical of subjects who were held out of training, 1 is 2.7 times their squared distance.

    Args:
        means: (class feature). axes: (feature component), by which the shared covariance becomes the identity.
        typical: the median of d^2 over held-out windows, those of training where none were held out.
        above: beyond it a window is foreign and its answer `unsure`, however sure; None where nothing was held out.
        slope: the temperature is ``T exp(slope max(0, s - above))``.
    """

    means: np.ndarray
    axes: np.ndarray
    typical: float = 1.0
    slope: float = 0.0
    above: float | None = None

    @classmethod
    def fit(cls, rows: np.ndarray, labels: np.ndarray, held: np.ndarray | None = None) -> Self:
        """Fit to the training windows' representations, what is typical and what foreign to those held out.

        Args:
            rows: (window feature). labels: (window) class numbers. held: (window feature); without
                them what is typical is taken from training windows, and nothing is foreign beyond doubt.
        """
        rows = rows.astype(np.float64)
        known, which = np.unique(labels, return_inverse=True)
        means = np.stack([rows[which == number].mean(axis=0) for number in range(len(known))])
        left = rows - means[which]
        spread = left.T @ left / len(rows)
        spread += max(RIDGE * np.trace(spread) / len(spread), LEAST) * np.eye(len(spread))
        values, vectors = np.linalg.eigh(spread)
        made = cls(means, vectors / np.sqrt(values))
        if held is None or not len(held):
            return made.held_against(made.squared(rows), None)
        return made.held_against(made.squared(held))

    def squared(self, rows: np.ndarray) -> np.ndarray:
        """Return (window) the squared Mahalanobis distance of (window feature) rows to the nearest class."""
        if not len(rows):
            return np.zeros(0)
        inner, means = rows.astype(np.float64) @ self.axes, self.means @ self.axes
        apart = (inner**2).sum(axis=1)[:, None] + (means**2).sum(axis=1)[None] - 2 * inner @ means.T
        return np.maximum(apart.min(axis=1), LEAST)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return (window) s of (window feature) rows."""
        return self.score(self.squared(rows))

    def score(self, squared: np.ndarray) -> np.ndarray:
        """Return (window) s of squared distances."""
        return np.log(squared / self.typical)

    def held_against(self, squared: np.ndarray, quantile: float | None = QUANTILE) -> Self:
        """Return the same with what is typical, and what is foreign, taken from windows' squared distances."""
        typical = max(float(np.median(squared)), LEAST)
        above = None if quantile is None else float(np.quantile(np.log(squared / typical), quantile))
        return replace(self, typical=typical, above=above)

    def beyond(self, score: np.ndarray) -> np.ndarray:
        """Return (window) how far scores s lie beyond what is familiar, 0 where they do not."""
        return np.zeros(len(score)) if self.above is None else np.maximum(score - self.above, 0.0)

    def hotter(self, score: np.ndarray) -> np.ndarray:
        """Return (window) by what the temperature is multiplied at scores s, 1 or more.

        Example:
            >>> made = Foreignness(np.zeros((2, 1)), np.eye(1), slope=np.log(2), above=1.0)
            >>> made.hotter(np.array([-1.0, 1.0, 2.0])).round(6).tolist()
            [1.0, 1.0, 2.0]
        """
        return np.exp(np.minimum(self.slope * self.beyond(score), MOST_HOT))

    def facts(self) -> dict[str, float | None]:
        """Return its plain values, as `model_folder.ForeignnessFacts` has them."""
        return {"typical": self.typical, "slope": self.slope, "above": self.above}

    def tensors(self) -> dict[str, np.ndarray]:
        """Return its arrays by name."""
        return {"foreignness.means": self.means, "foreignness.axes": self.axes}

    @classmethod
    def from_state(
        cls, tensors: dict[str, np.ndarray], facts: dict[str, float | None] | None, n_features: int, n_classes: int
    ) -> Self | None:
        """Return what is stored with a model; None of models from before it was.

        Raises:
            ModelError: it does not fit what is described.
        """
        if facts is None:
            return None
        n_known = len(tensors.get("foreignness.means", ()))
        shapes: dict[str, tuple[int, ...]] = {
            "foreignness.means": (n_known, n_features),
            "foreignness.axes": (n_features, n_features),
        }
        check_shapes(tensors, shapes)
        if not 1 <= n_known <= n_classes:
            raise ModelError(f"weights 'foreignness.means' are of {n_known} classes; the model has {n_classes}")
        return cls(tensors["foreignness.means"], tensors["foreignness.axes"], **facts)  # type: ignore[arg-type]


def fit_confidence(
    logits: np.ndarray, score: np.ndarray, labels: np.ndarray, foreign: Foreignness
) -> tuple[float, float, Foreignness]:
    """Return the temperature, the confidence below which answers are unsure, and the foreignness with its slope.

    Args:
        logits: (window class), score: (window) s, and labels: (window) class numbers, of windows not trained on.
    """
    temperature, slope = fit_slope(logits, labels, foreign.beyond(score))
    foreign = replace(foreign, slope=slope)
    found = probabilities(logits, temperature * foreign.hotter(score))
    return temperature, fit_threshold(found, labels), foreign


def believed(
    logits: np.ndarray, temperature: float, rows: np.ndarray, foreign: Foreignness | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (window class) probabilities of logits and the (window) foreignness of their rows, nan where unknown."""
    if foreign is None:
        return probabilities(logits, temperature), np.full(len(logits), np.nan)
    score = foreign(rows)
    return probabilities(logits, temperature * foreign.hotter(score)), score


def known_foreignness(foreign: Foreignness | None) -> Foreignness:
    """Return it, refused where a model has none.

    Raises:
        ModelError: a model from before foreignness was kept.
    """
    if foreign is None:
        raise ModelError("this model knows no foreignness, being from before it was kept; train it anew")
    return foreign


def is_unsure(
    confidence: np.ndarray | float, score: np.ndarray | float, unsure_below: float, foreign: Foreignness | None
) -> np.ndarray:
    """Return (window) bool: answers too little sure, or of windows too foreign.

    Args:
        score: (window) s, nan where it is not known.
    """
    above = np.inf if foreign is None or foreign.above is None else foreign.above
    return np.less(confidence, unsure_below) | np.greater(score, above)
