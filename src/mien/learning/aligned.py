"""What the adversarial baselines share: a network fitted to labelled people, and a bank to align new ones with."""

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import ConfigDict, Field
from torch import nn

from mien.learning.arrays import Windows, check_unlabelled
from mien.learning.bank import Bank
from mien.learning.foreignness import Foreignness
from mien.learning.loop import SILENT, Run
from mien.learning.network import NetworkClassifier


@dataclass(frozen=True, slots=True)
class Alignment:
    """How an adversarial baseline adapts; the figures are those of FacER's `Adaptation`, so that both work alike long.

    Args:
        adversarial_weight: of the discriminators' loss beside the labels'.
        n_hidden: width of a discriminator's hidden layer.
        adaptation_epochs: passes over the bank. adaptation_learning_rate: it starts from trained weights.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    adversarial_weight: Annotated[float, Field(ge=0, le=100)] = 1.0
    n_hidden: Annotated[int, Field(ge=1, le=4096)] = 100
    adaptation_epochs: Annotated[int, Field(ge=1, le=10_000)] = 10
    adaptation_learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.01


class AlignedClassifier(ABC):
    """`fit` is the network by cross-entropy alone; `adapt` aligns it with unlabelled windows of others.

    A method of this kind states its `align`, and its options, which hold `network` and `bank_windows`.

    Args:
        options: network, alignment, bank.
        seed: weights, order and augmentation follow from it.
    """

    def __init__(self, options: Any, seed: int = 0) -> None:
        self.options = options
        self.seed = seed
        self.base = NetworkClassifier(options.network, seed)

    @abstractmethod
    def align(self, network: nn.Module, source: Windows, values: np.ndarray, seed: int, run: Run) -> list[dict]:
        """Train a copy of the fitted network in place on labelled and unlabelled windows; return its epochs."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.base.image_shape

    @property
    def n_classes(self) -> int:
        return self.base.n_classes

    @property
    def unsure_below(self) -> float:
        return self.base.unsure_below

    @property
    def foreign(self) -> Foreignness | None:
        return self.base.foreign

    @property
    def history(self) -> list[dict[str, float | None]]:
        """Return the epochs of the last training: `fit`'s, or `adapt`'s."""
        return self.base.history

    def fit(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        *,
        validation: Windows | None = None,
        run: Run = SILENT,
    ) -> Self:
        """Fit to training windows; arguments and errors are those of `NetworkClassifier.fit`."""
        self.base.fit(values, labels, groups, validation=validation, run=run)
        windows, held = self.base.parts(values, labels, groups, validation)
        rng = np.random.default_rng((self.seed, 2))
        self.bank = Bank.drawn(windows, held, self.options.bank_windows, rng)
        return self

    def adapt(self, values: np.ndarray, seed: int | None = None, run: Run = SILENT) -> Self:
        """Return a new estimator aligned with unlabelled windows of the target; this one stays as it is.

        Args:
            values: (window channel height time) float32.
            seed: of the order and augmentation; None follows from the estimator's own.
            run: whether to show progress. It takes seconds, and no checkpoint is kept.

        Raises:
            ModelError: fewer than two windows, or windows of another shape.
        """
        values = check_unlabelled(values, self.image_shape)
        adapted = copy.copy(self)
        adapted.base = self.base.to_adapt()
        source, held = self.bank.parts()
        chance = self.seed + 2 if seed is None else seed
        adapted.base.history = self.align(adapted.base.network, source, values, chance, Run(progress=run.progress))
        adapted.base.fit_confidence(adapted.base.represent(source.values), source.labels, held)
        return adapted

    def calibrate(self, values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Self:
        """Return a new estimator calibrated to one person's windows; arguments as for `NetworkClassifier.calibrate`."""
        calibrated = copy.copy(self)
        calibrated.base = self.base.calibrate(values, labels, groups)
        return calibrated

    def represent(self, values: np.ndarray) -> np.ndarray:
        """Return (window feature) float32."""
        return self.base.represent(values)

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Return (window class) probabilities.

        Raises:
            ModelError: windows of another shape than those fitted, or not finite.
        """
        return self.base.predict_proba(values)

    def assess(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and foreignness as `NetworkClassifier.assess` does."""
        return self.base.assess(values)

    def calibrate_confidence(self, values: np.ndarray, labels: np.ndarray) -> Self:
        """Return a new estimator as `NetworkClassifier.calibrate_confidence` does."""
        made = copy.copy(self)
        made.base = self.base.calibrate_confidence(values, labels)
        return made

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return tensors, and plain JSON values, from which `from_state` makes this estimator again."""
        tensors, values = self.base.state()
        return tensors | self.bank.tensors(), values

    @classmethod
    def from_state(cls, options: Any, seed: int, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> Self:
        """Make an estimator of what `state` returned.

        Raises:
            ModelError: tensors that do not fit what is described.
        """
        made = cls(options, seed)
        made.base = NetworkClassifier.from_state(options.network, seed, tensors, values)
        made.bank = Bank.from_tensors(tensors, made.image_shape, made.n_classes)
        return made
