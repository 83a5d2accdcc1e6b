"""A study without sound: a table, ready-made features, and a recognizer that is cheap and honest.

Public citizens: they use nothing that a user's own study, features or recognizer could not.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from mien.labels import EXPRESSIONS
from mien.probe import Chirp
from mien.sensing.features import Axis, Features


@dataclass(frozen=True)
class FakeFrontEnd:
    kind: ClassVar[str] = "fake"
    n_values: int = 12


@dataclass(frozen=True, eq=False)
class FakeStudy:
    table: pd.DataFrame
    name: str = "fake"
    origin: str = "simulated"
    probe: Chirp = field(default_factory=Chirp)
    generator: dict | None = None
    digest: str = "0" * 64

    @property
    def is_simulated(self) -> bool:
        return self.origin == "simulated"


def fake_table(n_subjects=6, n_takes=4, expressions=EXPRESSIONS, masks=("open",), n_places=2) -> pd.DataFrame:
    """Return a table in which takes follow each other as in a collection: expressions in turn, then the next round."""
    rows = []
    for subject in range(n_subjects):
        number = 0
        for mask in masks:
            for turn in range(n_takes):
                for expression in expressions:
                    number += 1
                    rows.append(
                        {
                            "subject": f"{subject + 1:03d}",
                            "session": "01",
                            "take": f"{number:04d}",
                            "expression": expression,
                            "mask": mask,
                            "place": ("office", "garden", "dining-hall")[turn % n_places],
                            "sex": "female" if subject % 3 == 0 else "male",
                            "path": f"{subject}-{number}.flac",
                        }
                    )
    return pd.DataFrame(rows)


def fake_features(
    table: pd.DataFrame, *, expression_gain=1.0, subject_gain=0.0, noise=1.0, n_windows=3, n_values=12, seed=0
) -> Features:
    """Return windows that hold a pattern per expression, a pattern per person, and noise."""
    rng = np.random.default_rng(seed)
    expressions, subjects = table["expression"].astype(str).to_numpy(), table["subject"].to_numpy()
    of_expression = {name: rng.normal(size=n_values) for name in sorted(set(expressions))}
    of_subject = {name: rng.normal(size=n_values) for name in sorted(set(subjects))}
    row = np.repeat(np.arange(len(table)), n_windows)
    values = np.stack(
        [expression_gain * of_expression[expressions[r]] + subject_gain * of_subject[subjects[r]] for r in row]
    )
    values = (values + noise * rng.normal(size=values.shape)).astype(np.float32).reshape(len(row), 1, n_values, 1)
    axes = (
        Axis("microphone", "", np.arange(1)),
        Axis("range", "m", np.arange(n_values)),
        Axis("time", "s", np.zeros(1)),
    )
    start_s = np.tile(np.arange(n_windows) * 0.125, len(table))
    return Features(values, axes, FakeFrontEnd(n_values), row, start_s)


@dataclass(frozen=True)
class Nearest:
    """Nearest class mean; probabilities fall with the squared distance."""

    seed: int = 0
    front_end: FakeFrontEnd = field(default_factory=FakeFrontEnd)
    means: dict | None = None
    training_mean: np.ndarray | None = None
    shift: np.ndarray | float = 0.0
    adapts: ClassVar[bool] = False
    by_chance: ClassVar[bool] = False

    def fit_features(self, features, labels, subjects, train_rows, validation_rows) -> "Nearest":
        part = features.of_rows(train_rows)
        values, truth = part.images().reshape(len(part), -1), labels[part.row]
        means = {name: values[truth == name].mean(axis=0) for name in sorted(set(truth))}
        return replace(self, means=means, training_mean=values.mean(axis=0))

    def predict_features(self, features) -> pd.DataFrame:
        values = features.images().reshape(len(features), -1) - self.shift
        distance = np.stack([((values - mean) ** 2).sum(axis=1) for mean in self.means.values()], axis=1)
        likelihood = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / 4)
        probabilities = likelihood / likelihood.sum(axis=1, keepdims=True)
        frame = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in self.means])
        return frame.assign(row=features.row, start_s=features.start_s)


@dataclass(frozen=True)
class Chancy(Nearest):
    """The same; what it learns hangs on its seed too."""

    by_chance: ClassVar[bool] = True
    luck: float = 1.0

    def fit_features(self, features, labels, subjects, train_rows, validation_rows) -> "Chancy":
        fitted = super().fit_features(features, labels, subjects, train_rows, validation_rows)
        rng = np.random.default_rng(self.seed)
        moved = {name: mean + self.luck * rng.normal(size=mean.shape) for name, mean in fitted.means.items()}
        return replace(fitted, means=moved)


class AdaptiveNearest(Nearest):
    """The same; adapting moves the mean of what it is shown to where training's was."""

    adapts: ClassVar[bool] = True

    def adapt_features(self, features, rows) -> "AdaptiveNearest":
        part = features.of_rows(rows)
        return replace(self, shift=part.images().reshape(len(part), -1).mean(axis=0) - self.training_mean)
