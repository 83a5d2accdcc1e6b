"""How people differ in what they show, as one Gaussian: what few takes of a person say of all their expressions.

A person's mean representation of each class is the population's plus a deviation, and the deviations of all classes
are drawn together: whose anger is heard unlike others' has a sadness unlike others' too. Given a few labelled takes,
the deviations of all classes follow in closed form. Reference for the model: S. J. D. Prince, J. H. Elder,
Probabilistic linear discriminant analysis for inferences about identity, ICCV 2007, Eq. 1; there the identity is what
is sought, and here it is what is in the way, with a deviation of its own in every class.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from scipy.sparse import csr_array

from mien.errors import ModelError
from mien.learning.arrays import check_shapes
from mien.learning.calibration import match_temperature

LEAST_PEOPLE = 50
"""With fewer, how they differ is guessed rather than known: a layer held near where it was then does better."""

N_COMPONENTS = 32
"""20, 32 and 48 are alike within what 30 people can tell; so are `SHARED` of 0.2 and 0.5."""

SHARED = 0.5
"""How far deviations are taken to be spread alike in all classes, and not as found in each pair of classes."""

STRANGER = 0.1
"""Weight of the population beside the person: what is unlike all they showed is judged as anybody's."""

RIDGE, FLOOR, DIFFERENCES = 0.05, 0.02, 0.3
TENSORS = ("axes", "means", "between", "within", "temperature")


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """A Gaussian of people on few components of a representation.

    Args:
        axes: (feature component), what is looked at.
        means: (class component) of the average person.
        between: (class*component class*component) covariance of people's deviations from these.
        within: (component component) covariance of one person's windows of one class.
        temperature: by which log densities are divided for probabilities (`personal_temperature`).
    """

    axes: np.ndarray
    means: np.ndarray
    between: np.ndarray
    within: np.ndarray
    temperature: float = 1.0

    @classmethod
    def fit(cls, rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, n_classes: int) -> Self | None:
        """Fit to windows of many people; None where too few show every class, or none shows one twice.

        Args:
            rows: (window feature) representations. labels: (window) class numbers. groups: (window) people.
        """
        people, who = np.unique(groups, return_inverse=True)
        cell = who * n_classes + labels
        count = np.bincount(cell, minlength=len(people) * n_classes)
        whole = (count.reshape(-1, n_classes) > 0).all(axis=1)
        if whole.sum() < LEAST_PEOPLE or count.max() < 2:
            return None
        found = csr_array((1.0 / count[cell], (cell, np.arange(len(rows)))), shape=(len(count), len(rows)))
        means = found @ rows.astype(np.float64)
        left = rows - means[cell]
        within = left.T @ left / (len(rows) - np.count_nonzero(count))
        means = means.reshape(len(people), n_classes, -1)[whole]
        mean = means.mean(axis=0)
        axes = _axes(mean, means - mean, within)
        inner = axes.T @ within @ axes
        within = inner + FLOOR * np.trace(inner) / len(inner) * np.eye(len(inner))
        each = float((1.0 / count.reshape(-1, n_classes)[whole]).mean())
        return cls(axes, mean @ axes, _between((means - mean) @ axes, inner * each), within)

    def told(self, rows: np.ndarray, labels: np.ndarray) -> Self:
        """Return what is known of one person of the population given labelled rows of theirs, a row per take.

        The posterior of a linear Gaussian model; telling it in two parts gives the same as in one.

        Args:
            rows: (take feature). labels: (take) class numbers.
        """
        n_classes, n_inner = self.means.shape
        picks = np.kron(np.eye(n_classes)[labels], np.eye(n_inner))
        spread = picks @ self.between @ picks.T + np.kron(np.eye(len(rows)), self.within)
        gain = np.linalg.solve(spread, picks @ self.between).T
        means = self.means + (gain @ (rows @ self.axes - self.means[labels]).ravel()).reshape(self.means.shape)
        left = self.between - gain @ picks @ self.between
        return replace(self, means=means, between=(left + left.T) / 2)

    def densities(self, rows: np.ndarray) -> np.ndarray:
        """Return (window class) log densities of (window feature) rows, without the constant."""
        inner, n_inner = rows @ self.axes, len(self.within)
        found = []
        for number, mean in enumerate(self.means):
            place = slice(number * n_inner, (number + 1) * n_inner)
            factor = cho_factor(self.within + self.between[place, place], lower=True)
            away = inner - mean
            squares = (away * cho_solve(factor, away.T).T).sum(axis=1)
            found.append(-squares / 2 - np.log(np.diag(factor[0])).sum())
        return np.stack(found, axis=1)

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """Return its arrays by name."""
        return {f"{prefix}{name}": np.asarray(getattr(self, name), dtype=np.float64) for name in TENSORS}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], prefix: str, n_features: int, n_classes: int) -> Self | None:
        """Return the population among a model's tensors; None where there is none.

        Raises:
            ModelError: it does not fit, or its covariances cannot be.
        """
        if not any(name.startswith(prefix) for name in tensors):
            return None
        n_inner = len(tensors.get(f"{prefix}within", ()))
        n_all = n_classes * n_inner
        shapes: list[tuple[int, ...]] = [(n_features, n_inner), (n_classes, n_inner), (n_all, n_all)]
        shapes += [(n_inner, n_inner), ()]
        check_shapes(tensors, {f"{prefix}{name}": shape for name, shape in zip(TENSORS, shapes, strict=True)})
        values: dict[str, Any] = {name: tensors[f"{prefix}{name}"] for name in TENSORS}
        made = cls(**values | {"temperature": float(values["temperature"])})
        try:
            made.densities(np.zeros((1, n_features)))
        except LinAlgError:
            raise ModelError(f"{prefix}within and {prefix}between are no covariances; train the model anew") from None
        if not made.temperature > 0:
            raise ModelError(f"{prefix}temperature is {made.temperature}; it must be positive")
        return made


def personal_densities(person: Population, population: Population, rows: np.ndarray) -> np.ndarray:
    """Return (window class) log densities of rows that are the person's, or else anybody's at `STRANGER`'s weight.

    So other people are hardly judged worse for what was learnt of one: what lies far from all that this person is
    expected to show counts as a stranger's.
    """
    return np.logaddexp(person.densities(rows), population.densities(rows) + np.log(STRANGER))


def personal_temperature(population: Population, rows: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """Return the temperature at which the probabilities of a person who has shown each class once are true.

    Of each held-out person the first window of every class is told and the later half of their windows of it judged:
    windows of one take follow each other, so that few of those judged share a take with one told.

    Args:
        rows: (window feature) representations of people held out. labels: (window) class numbers. groups: (window).

    Returns:
        The temperature; 1 where nobody held out shows every class twice.
    """
    judged, truth = [], []
    for name in np.unique(groups):
        theirs = [np.flatnonzero((groups == name) & (labels == each)) for each in range(len(population.means))]
        if min(len(windows) for windows in theirs) < 2:
            continue
        first = np.array([windows[0] for windows in theirs])
        later = np.concatenate([windows[(len(windows) + 1) // 2 :] for windows in theirs])
        person = population.told(rows[first], labels[first])
        judged.append(personal_densities(person, population, rows[later]))
        truth.append(labels[later])
    return match_temperature(np.concatenate(judged), np.concatenate(truth)) if judged else 1.0


def _axes(mean: np.ndarray, apart: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Return (feature component): where classes, and people, differ most for what one person's windows spread.

    Args:
        mean: (class feature). apart: (people class feature) deviations. within: (feature feature).
    """
    n_features = mean.shape[1]
    classes = mean - mean.mean(axis=0)
    people = np.einsum("pki,pkj->ij", apart, apart) / (apart.shape[0] * apart.shape[1])
    spread = within + people
    spread = spread + max(RIDGE * np.trace(spread) / n_features, np.finfo(float).tiny) * np.eye(n_features)
    signal = classes.T @ classes / max(len(classes) - 1, 1) + DIFFERENCES * people
    return eigh(signal, spread)[1][:, ::-1][:, :N_COMPONENTS]


def _between(apart: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the covariance of deviations (people class component) less the noise of a mean, never negative."""
    n_people, n_classes, n_inner = apart.shape
    flat = apart.reshape(n_people, -1)
    found = flat.T @ flat / (n_people - 1) - np.kron(np.eye(n_classes), noise)
    blocks = found.reshape(n_classes, n_inner, n_classes, n_inner)
    same = np.einsum("kikj->ij", blocks) / n_classes
    other = (blocks.sum(axis=(0, 2)) - n_classes * same) / max(n_classes * (n_classes - 1), 1)
    alike = np.kron(np.eye(n_classes), same - other) + np.kron(np.ones((n_classes, n_classes)), other)
    values, vectors = np.linalg.eigh(SHARED * alike + (1 - SHARED) * (found + found.T) / 2)
    return (vectors * np.maximum(values, 1e-4 * values.max())) @ vectors.T
