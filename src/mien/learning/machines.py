"""Support vector machine and logistic regression: what is tried, how it is learnt, our own formula of its scores."""

import warnings
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from mien.errors import ModelError
from mien.learning.personal import personal_layer

PERSON_WEIGHT = 10.0
"""How often a person's own take counts beside the support vectors."""

Positive = Annotated[float, Field(gt=0, le=1e9)]
Settings = Annotated[tuple[Positive, ...], Field(min_length=1, max_length=100)]


def pairwise_scores(pairs: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (window class) scores from the decisions of all pairs of classes: votes, ties broken by confidence.

    ``votes + sum / (3 (|sum| + 1))``, sum being a class's decisions against all others: scikit-learn's rule.

    Args:
        pairs: (window pair) decisions in the order 01 02 .. 12 ..; positive for the first class of the pair.

    Example:
        >>> pairwise_scores(np.array([[2.0, 1.0, -1.0]]), 3).argmax(axis=1).item()
        0
    """
    votes, confidence = np.zeros((len(pairs), n_classes)), np.zeros((len(pairs), n_classes))
    order = [(first, second) for first in range(n_classes) for second in range(first + 1, n_classes)]
    for decision, (first, second) in zip(pairs.T, order, strict=True):
        votes[:, first] += decision > 0
        votes[:, second] += decision <= 0
        confidence[:, first] += decision
        confidence[:, second] -= decision
    return votes + confidence / (3 * (np.abs(confidence) + 1))


@dataclass(frozen=True, slots=True)
class SvmOptions:
    """Support vector machines with a radial kernel, one for each pair of classes.

    Args:
        penalties: C that are tried.
        gammas: widths that are tried, times the number of components (scikit-learn's "scale" for whitened rows is 1).
        n_components: principal components kept at most.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    penalties: Settings = (1.0, 10.0, 100.0)
    gammas: Settings = (0.1, 0.3, 1.0)
    n_components: Annotated[int, Field(ge=1, le=4096)] = 64

    def grid(self) -> list[dict[str, float]]:
        """Return the settings that are tried."""
        return [{"penalty": penalty, "gamma": gamma} for penalty in self.penalties for gamma in self.gammas]

    def learn(
        self, rows: np.ndarray, labels: np.ndarray, setting: dict[str, float], counts: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Fit to (window component) rows, each counted as often as `counts` says, once by default.

        Returns:
            LIBSVM's arrays: vectors (vector component) by class, counts (class) of them, coefficients (class - 1,
            vector), intercepts (pair), gamma ().
        """
        gamma = setting["gamma"] / rows.shape[1]
        fitted = SVC(C=setting["penalty"], gamma=gamma, cache_size=200).fit(rows, labels, counts)
        # scikit-learn turns LIBSVM's signs for two classes; ours are positive for the first class of every pair.
        sign = -1.0 if len(fitted.classes_) == 2 else 1.0
        return {
            "vectors": fitted.support_vectors_,
            "counts": fitted.n_support_.astype(np.int64),
            "coefficients": sign * np.ascontiguousarray(fitted.dual_coef_),
            "intercepts": sign * fitted.intercept_,
            "gamma": np.array(gamma),
        }

    def calibrated(
        self,
        machine: dict[str, np.ndarray],
        rows: np.ndarray,
        labels: np.ndarray,
        counts: np.ndarray,
        setting: dict[str, float],
        temperature: float,
    ) -> dict[str, np.ndarray]:
        """Return the machine learnt again from its support vectors and a person's rows, these `PERSON_WEIGHT` each.

        Args:
            rows: (window component). labels: (window) positions among the classes learnt. counts: (window) weights.
        """
        counted = np.concatenate([np.ones(len(machine["vectors"])), PERSON_WEIGHT * counts])
        everything = np.concatenate([machine["vectors"], rows])
        known = np.repeat(np.arange(len(machine["counts"])), machine["counts"])
        return self.learn(everything, np.concatenate([known, labels]), setting, counted)

    def scores(self, rows: np.ndarray, machine: dict[str, np.ndarray]) -> np.ndarray:
        """Return (window class) scores of (window component) rows, given the arrays of `learn`."""
        vectors, coefficients, counts = machine["vectors"], machine["coefficients"], machine["counts"]
        squared = (rows**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1)[None] - 2 * rows @ vectors.T
        kernel = np.exp(-float(machine["gamma"]) * np.maximum(squared, 0.0))
        ends = np.concatenate([[0], np.cumsum(counts)])
        pairs: list[np.ndarray] = []
        for first in range(len(counts)):
            for second in range(first + 1, len(counts)):
                of_first, of_second = slice(ends[first], ends[first + 1]), slice(ends[second], ends[second + 1])
                total = kernel[:, of_first] @ coefficients[second - 1, of_first]
                total = total + kernel[:, of_second] @ coefficients[first, of_second]
                pairs.append(total + machine["intercepts"][len(pairs)])
        return pairwise_scores(np.stack(pairs, axis=1), len(counts))

    def shapes(self, machine: dict[str, np.ndarray], n_classes: int, n_components: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes that stored arrays must have.

        Raises:
            ModelError: counts that do not add up.
        """
        n_vectors, counts = len(machine.get("vectors", ())), machine.get("counts")
        if counts is None or counts.dtype.kind != "i" or (counts < 0).any() or counts.sum() != n_vectors:
            raise ModelError(f"counts of support vectors do not add up to the {n_vectors} that are stored")
        return {
            "vectors": (n_vectors, n_components),
            "counts": (n_classes,),
            "coefficients": (n_classes - 1, n_vectors),
            "intercepts": (n_classes * (n_classes - 1) // 2,),
            "gamma": (),
        }


@dataclass(frozen=True, slots=True)
class LinearOptions:
    """Multinomial logistic regression.

    Args:
        penalties: inverse strengths of L2 that are tried.
        n_components: principal components kept at most.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    penalties: Settings = (0.001, 0.01, 0.1, 1.0)
    n_components: Annotated[int, Field(ge=1, le=4096)] = 256

    def grid(self) -> list[dict[str, float]]:
        """Return the settings that are tried."""
        return [{"penalty": penalty} for penalty in self.penalties]

    def learn(self, rows: np.ndarray, labels: np.ndarray, setting: dict[str, float]) -> dict[str, np.ndarray]:
        """Fit to (window component) rows: coefficients (class component), intercepts (class)."""
        with warnings.catch_warnings():
            # A weak penalty on separable rows has no finite optimum; 300 steps are then near enough.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = LogisticRegression(C=setting["penalty"], max_iter=300).fit(rows, labels)
        coefficients, intercepts = fitted.coef_, fitted.intercept_
        if len(coefficients) == 1:  # two classes: one row of log-odds, shared out between both
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        return {"coefficients": coefficients, "intercepts": intercepts}

    def calibrated(
        self,
        machine: dict[str, np.ndarray],
        rows: np.ndarray,
        labels: np.ndarray,
        counts: np.ndarray,
        setting: dict[str, float],
        temperature: float,
    ) -> dict[str, np.ndarray]:
        """Return the machine with its layer learnt again from a person's rows (`personal_layer`).

        Args:
            rows: (window component). labels: (window) positions among the classes learnt. counts: (window) weights.
        """
        layer = machine["coefficients"], machine["intercepts"]
        coefficients, intercepts = personal_layer(*layer, rows, labels, counts, temperature)
        return {"coefficients": coefficients, "intercepts": intercepts}

    def scores(self, rows: np.ndarray, machine: dict[str, np.ndarray]) -> np.ndarray:
        """Return (window class) log-odds of (window component) rows."""
        return rows @ machine["coefficients"].T + machine["intercepts"]

    def shapes(self, machine: dict[str, np.ndarray], n_classes: int, n_components: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes that stored arrays must have."""
        return {"coefficients": (n_classes, n_components), "intercepts": (n_classes,)}
