"""The estimator of the two classical baselines, `svm` and `linear`.

Both see the normalised window as one row of numbers, by its principal components where it is wide. scikit-learn fits
them; what is kept are arrays, and predicting is our own formula over those, so that a model file holds no code.
"""

import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.decomposition import PCA

from mien.errors import ModelError
from mien.learning.arrays import (
    Normaliser,
    Windows,
    check_personal,
    check_shapes,
    check_values,
    check_windows,
    stored_normaliser,
)
from mien.learning.foreignness import Foreignness, believed, fit_confidence, known_foreignness
from mien.learning.loop import SILENT, Run
from mien.learning.machines import LinearOptions, SvmOptions
from mien.learning.personal import take_weights
from mien.learning.tuning import tune

UNSEEN_BELOW = 10.0
"""How far below the lowest score a class lies that training had no window of."""


def as_rows(values: np.ndarray) -> np.ndarray:
    """Return (window channel height time) as (window feature)."""
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Rows of numbers on whitened principal components.

    Args:
        mean: (feature). axes: (component feature), each divided by its component's standard deviation.
    """

    mean: np.ndarray
    axes: np.ndarray

    @staticmethod
    def fit(rows: np.ndarray, n_components: int, seed: int, floor: float = 1e-3) -> "Components":
        """Fit to (window feature); components weaker than `floor` of the strongest are left out."""
        most = min(n_components, *rows.shape)
        solver = "randomized" if 4 * most < min(rows.shape) else "full"
        fitted = PCA(most, svd_solver=solver, random_state=seed).fit(rows)
        spread = np.sqrt(fitted.explained_variance_)
        keep = spread > floor * max(spread[0], 1e-12)
        keep[0] = True
        scale = np.maximum(spread[keep], 1e-12)
        return Components(fitted.mean_.astype(np.float64), fitted.components_[keep] / scale[:, None])

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return (rows - self.mean) @ self.axes.T


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """How windows become rows: fitted on the training part of a fold, or of all."""

    normaliser: Normaliser
    components: Components

    @staticmethod
    def fit(values: np.ndarray, n_components: int, seed: int) -> "Seen":
        """Fit to (window channel height time)."""
        normaliser = Normaliser.fit(values)
        rows = as_rows(normaliser(values))
        return Seen(normaliser, Components.fit(rows, n_components, seed))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return (window component) float64."""
        return self.components(as_rows(self.normaliser(values)).astype(np.float64))


class ClassicalClassifier:
    """Fit a machine to labelled windows, its settings chosen over whole people.

    Probabilities are the softmax of the scores at a temperature fitted on out-of-fold scores of people left out. So it
    is in every protocol: an estimator does not know whom it will be asked about. Where the same people teach and are
    scored, settings suit unknown people, and confidence is lower than need be.
    (Platt's method inside LIBSVM nests a random cross-validation over windows, and is not used.)

    Args:
        options: which machine, and the settings that are tried.
        seed: of the inner folds and the principal components.
    """

    def __init__(self, options: SvmOptions | LinearOptions, seed: int = 0) -> None:
        self.options = options
        self.seed = seed
        self.image_shape: tuple[int, int, int] = (0, 0, 0)
        self.n_classes = 0
        self.temperature, self.unsure_below = 1.0, 0.0
        self.foreign: Foreignness | None = None
        self.setting: dict[str, float] = {}

    def fit(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        *,
        validation: Windows | None = None,
        run: Run = SILENT,
    ) -> Self:
        """Fit to training windows. It takes seconds: no checkpoint is kept, and to resume is to start anew.

        Args:
            validation: joins the training windows. Settings are chosen by cross-validation over whole groups, so that
                no second part has to be held out, and the baseline sees all that networks see.
        """
        windows = check_windows(values, labels, groups)
        if validation is not None and len(validation):
            held = check_values(validation.values, windows.values.shape[1:])
            windows = Windows(
                np.concatenate([windows.values, held]),
                np.concatenate([windows.labels, validation.labels.astype(np.int64)]),
                np.concatenate([windows.groups, validation.groups]),
            )
        self.image_shape = windows.values.shape[1:]
        self.n_classes, self.classes = int(windows.labels.max()) + 1, np.unique(windows.labels)
        self.seen = Seen.fit(windows.values, self.options.n_components, self.seed)
        rows = self.seen(windows.values)
        self._tune(windows, Foreignness.fit(rows, windows.labels))
        self.machine = self.options.learn(rows, windows.labels, self.setting)
        return self

    def _tune(self, windows: Windows, foreign: Foreignness) -> None:
        """Find the best setting; how sure to be, and what is foreign, by out-of-fold scores and distances."""
        fitted: dict[bytes, np.ndarray] = {}  # rows of a fold serve all settings
        squared = np.ones(len(windows))

        def learn(setting: dict[str, float], learnt: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
            key = learnt.tobytes()
            if key not in fitted:
                seen = Seen.fit(windows.values[learnt], self.options.n_components, self.seed)
                rows = fitted[key] = seen(windows.values)
                others = np.setdiff1d(np.arange(len(rows)), learnt)
                squared[others] = Foreignness.fit(rows[learnt], windows.labels[learnt]).squared(rows[others])
            rows = fitted[key]
            return rows, self.options.learn(rows[learnt], windows.labels[learnt], setting)

        def score(model: tuple[np.ndarray, dict[str, np.ndarray]], judged: np.ndarray) -> np.ndarray:
            rows, machine = model
            return self._everywhere(self.options.scores(rows[judged], machine))

        tuned = tune(learn, score, self.options.grid(), windows.labels, windows.groups, self.seed)
        self.setting, judged, scores = tuned
        if len(judged):
            foreign = foreign.held_against(squared[judged])
        if scores is None:
            scores = np.zeros((0, self.n_classes))
        known = scores, foreign.score(squared[judged]), windows.labels[judged], foreign
        self.temperature, self.unsure_below, self.foreign = fit_confidence(*known)

    def _everywhere(self, scores: np.ndarray) -> np.ndarray:
        """Return (window class) scores of all classes for those of the classes that were seen."""
        everywhere = np.full((len(scores), self.n_classes), scores.min(initial=0.0) - UNSEEN_BELOW)
        everywhere[:, self.classes] = scores
        return everywhere

    def calibrate(self, values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Self:
        """Return a new estimator calibrated to one person's labelled windows; this one stays as it is.

        Args:
            values, labels: as for `fit`. groups: (window) take of each window; every take counts as one.

        Raises:
            ModelError: windows of another shape than those fitted, or not finite; labels that were not taught.
        """
        windows = check_personal(values, labels, groups, self.image_shape, self.n_classes)
        if not np.isin(windows.labels, self.classes).all():
            raise ModelError(f"labels are {np.unique(labels).tolist()}; only {self.classes.tolist()} were taught")
        calibrated = copy.copy(self)
        calibrated.machine = self.options.calibrated(
            self.machine,
            self.seen(windows.values),
            np.searchsorted(self.classes, windows.labels),
            take_weights(windows.groups),
            self.setting,
            self.temperature,
        )
        return calibrated

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Return (window class) probabilities.

        Raises:
            ModelError: windows of another shape than those fitted, or not finite.
        """
        return self.assess(values)[0]

    def assess(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (window class) probabilities and (window) foreignness, nan where the model does not know it.

        Raises:
            ModelError: as `predict_proba`.
        """
        rows = self.seen(check_values(values, self.image_shape))
        return believed(self._everywhere(self.options.scores(rows, self.machine)), self.temperature, rows, self.foreign)

    def calibrate_confidence(self, values: np.ndarray, labels: np.ndarray) -> Self:
        """Return a new estimator as `NetworkClassifier.calibrate_confidence` does; arguments and errors are its own."""
        windows = check_personal(values, labels, np.arange(len(labels)), self.image_shape, self.n_classes)
        foreign, rows = known_foreignness(self.foreign), self.seen(windows.values)
        made, scores = copy.copy(self), self._everywhere(self.options.scores(rows, self.machine))
        known = scores, foreign(rows), windows.labels, foreign
        made.temperature, made.unsure_below, made.foreign = fit_confidence(*known)
        return made

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return tensors, and plain JSON values, from which `from_state` makes this estimator again."""
        normaliser, components = self.seen.normaliser, self.seen.components
        tensors = {"normaliser.mean": normaliser.mean, "normaliser.scale": normaliser.scale}
        tensors |= {"components.mean": components.mean, "components.axes": components.axes, "classes": self.classes}
        tensors |= {f"machine.{name}": np.asarray(value) for name, value in self.machine.items()}
        tensors |= {} if self.foreign is None else self.foreign.tensors()
        return tensors, {
            "image_shape": list(self.image_shape),
            "n_classes": self.n_classes,
            "temperature": self.temperature,
            "unsure_below": self.unsure_below,
            "foreignness": None if self.foreign is None else self.foreign.facts(),
            "setting": self.setting,
        }

    @classmethod
    def from_state(
        cls, options: SvmOptions | LinearOptions, seed: int, tensors: dict[str, np.ndarray], values: dict[str, Any]
    ) -> Self:
        """Make an estimator of what `state` returned.

        Raises:
            ModelError: tensors that do not fit what is described.
        """
        made = cls(options, seed)
        made.image_shape, made.n_classes = tuple(values["image_shape"]), values["n_classes"]
        made.temperature, made.unsure_below = values["temperature"], values["unsure_below"]
        made.setting = values["setting"]
        n_features = int(np.prod(made.image_shape))
        n_components, n_found = len(tensors.get("components.axes", ())), len(tensors.get("classes", ()))
        expected = {"components.mean": (n_features,), "components.axes": (n_components, n_features)}
        check_shapes(tensors, expected | {"classes": (n_found,)})
        machine = {
            name.removeprefix("machine."): value for name, value in tensors.items() if name.startswith("machine.")
        }
        shapes = options.shapes(machine, n_found, n_components)
        check_shapes(tensors, {f"machine.{name}": shape for name, shape in shapes.items()})
        made.classes, made.machine = tensors["classes"], machine
        if n_found < 2 or made.classes.dtype.kind != "i" or not set(made.classes) <= set(range(made.n_classes)):
            raise ModelError(f"classes {made.classes.tolist()} do not fit {made.n_classes} labels")
        components = Components(tensors["components.mean"], tensors["components.axes"])
        made.seen = Seen(stored_normaliser(tensors, made.image_shape), components)
        made.foreign = Foreignness.from_state(tensors, values.get("foreignness"), n_components, made.n_classes)
        return made
