"""FacER's estimator: Algorithm 1 from the weights that the labelled people taught, then the two-layer classifier."""

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from pydantic import ConfigDict, Field

from mien.errors import ModelError
from mien.learning.arrays import Windows, check_shapes, check_values
from mien.learning.calibration import fit_temperature
from mien.learning.loop import train
from mien.learning.network import NetworkClassifier, ResidualOptions, digest, network_tensors, restore
from mien.learning.objectives import CrossEntropy, DomainAdaptation, Prepared, infer, labels_of
from mien.models.facer import TwoLayerClassifier


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How Algorithm 1 runs.

    Args:
        contrastive_weight, temperature: lambda of Eq. 10, 0.5 in the paper; tau of Eq. 9, unstated there.
        adaptation_epochs: E of Algorithm 1; K is the training's iterations_per_epoch.
        adaptation_learning_rate: a tenth of the paper's 0.1, since it starts from trained weights.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    contrastive_weight: Annotated[float, Field(ge=0, le=100)] = 0.5
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.1
    adaptation_epochs: Annotated[int, Field(ge=1, le=10_000)] = 10
    adaptation_learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.01


@dataclass(frozen=True, slots=True)
class FacerOptions:
    """What fixes FacER.

    Args:
        network: the trunk, its training and augmentation.
        adapting: Algorithm 1.
        classifier_hidden: hidden layers of the classifier on representations (FacER section VI-A, case 1b).
        bank_windows: labelled windows kept with the model, evenly of classes and people, so that it can adapt later.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    network: ResidualOptions = field(default_factory=ResidualOptions)
    adapting: Adaptation = field(default_factory=Adaptation)
    classifier_hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=8)] = (1024, 256)
    bank_windows: Annotated[int, Field(ge=16, le=65_536)] = 1024


def evenly(labels: np.ndarray, groups: np.ndarray, n_windows: int, rng: np.random.Generator) -> np.ndarray:
    """Return sorted positions of at most `n_windows` windows, drawn in turns from every class and group.

    Example:
        >>> evenly(np.array([0, 0, 0, 1]), np.zeros(4), 2, np.random.default_rng(0)).tolist()[-1]
        3
    """
    _, cell = np.unique(np.stack([labels, np.unique(groups, return_inverse=True)[1]]), axis=1, return_inverse=True)
    order = rng.permutation(len(labels))
    turn = np.zeros(len(labels), dtype=np.int64)
    seen: dict[int, int] = {}
    for position in order:
        turn[position] = seen.get(cell[position], 0)
        seen[cell[position]] = turn[position] + 1
    return np.sort(order[np.argsort(turn[order], kind="stable")][:n_windows])


class FacerClassifier(NetworkClassifier):
    """FacER: `fit` to labelled people, `adapt` to unlabelled windows of others.

    `fit` is the network with external attention by cross-entropy alone, as in the paper's case 1a, then the
    classifier on its representations. `adapt` starts Algorithm 1 from those weights: pseudo-labels of random weights
    would be noise, and Eq. 9 would draw every target window to a class picked by chance.
    """

    def __init__(self, options: FacerOptions, seed: int = 0) -> None:
        super().__init__(options.network, seed)
        self.facer_options = options

    def fit(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        *,
        validation: Windows | None = None,
        folder: Path | None = None,
        resume: bool = False,
    ) -> Self:
        super().fit(values, labels, groups, validation=validation, folder=folder and folder / "network", resume=resume)
        windows, held = self._parts(values, labels, groups, validation)
        self._fit_classifier(windows, held, folder and folder / "classifier", resume)
        rng = np.random.default_rng((self.seed, 2))
        n_held = min(len(held), self.facer_options.bank_windows // 5)
        kept_held = held.take(evenly(held.labels, held.groups, n_held, rng)) if n_held else held
        room = self.facer_options.bank_windows - n_held
        kept = windows.take(evenly(windows.labels, windows.groups, room, rng))
        self.bank_values = np.concatenate([kept.values, kept_held.values])
        self.bank_labels = np.concatenate([kept.labels, kept_held.labels])
        self.bank_held = np.arange(len(self.bank_labels)) >= len(kept)
        return self

    def _fit_classifier(
        self, windows: Windows, held: Windows, folder: Path | None = None, resume: bool = False
    ) -> None:
        """Train the two-layer classifier on source representations, then its temperature on the held-out ones."""
        learnt, judged = self.represent(windows.values), self.represent(held.values)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + 1)
            self.classifier = TwoLayerClassifier(learnt.shape[1], self.n_classes, self.facer_options.classifier_hidden)
        objective = CrossEntropy(
            self.classifier,
            Prepared(learnt, None, None),
            labels_of(windows),
            Prepared(judged, None, None) if len(held) else None,
            labels_of(held) if len(held) else None,
        )
        train(
            objective,
            self.options.training,
            seed=self.seed + 1,
            label="classifier",
            folder=folder,
            resume=resume,
            run={"stage": "classifier", "data": digest(learnt, windows.labels, judged, held.labels)},
        )
        self.temperature = 1.0
        if len(held):
            self.temperature = fit_temperature(infer(self.classifier, objective.held)[0].numpy(), held.labels)

    def adapt(self, values: np.ndarray, seed: int | None = None) -> Self:
        """Return a new estimator adapted to unlabelled windows of the target (Algorithm 1); this one stays as it is.

        Args:
            values: (window channel height time) float32.
            seed: of the order and augmentation; None follows from the estimator's own.

        Raises:
            ModelError: fewer than two windows, or windows of another shape.
        """
        values = check_values(values, self.image_shape)
        if len(values) < 2:
            raise ModelError(f"{len(values)} unlabelled windows to adapt to; at least two are needed")
        adapted = copy.copy(self)
        adapted.network = copy.deepcopy(self.network)
        how, source = self.facer_options.adapting, ~self.bank_held
        bank = Windows(self.bank_values, self.bank_labels, np.zeros(len(self.bank_labels)))
        objective = DomainAdaptation(
            adapted.network,
            Prepared(self.bank_values[source], self.normaliser, self.options.augmentation),
            torch.from_numpy(self.bank_labels[source]),
            Prepared(values, self.normaliser, self.options.augmentation),
            how.contrastive_weight,
            how.temperature,
        )
        loop = replace(self.options.training, epochs=how.adaptation_epochs, learning_rate=how.adaptation_learning_rate)
        adapted.history = train(objective, loop, seed=self.seed + 2 if seed is None else seed, label="adapting").history
        adapted._fit_classifier(bank.take(source), bank.take(self.bank_held))
        return adapted

    def _logits(self, values: np.ndarray) -> np.ndarray:
        if len(values) == 0 or not hasattr(self, "classifier"):
            return super()._logits(values)
        return infer(self.classifier, Prepared(self.represent(values), None, None))[0].numpy()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        tensors, values = super().state()
        tensors |= network_tensors(self.classifier, "classifier.")
        tensors |= {
            "bank.values": self.bank_values,
            "bank.labels": self.bank_labels,
            "bank.held": self.bank_held.astype(np.uint8),
        }
        return tensors, values

    @classmethod
    def from_state(
        cls, options: FacerOptions, seed: int, tensors: dict[str, np.ndarray], values: dict[str, Any]
    ) -> Self:
        base = NetworkClassifier.from_state(options.network, seed, tensors, values)
        made = cls(options, seed)
        made.__dict__.update(base.__dict__)
        n_features = base.network.head.in_features
        with torch.device("meta"):
            empty = TwoLayerClassifier(n_features, made.n_classes, options.classifier_hidden)
        check_shapes(tensors, {f"classifier.{name}": tuple(value.shape) for name, value in empty.state_dict().items()})
        classifier = TwoLayerClassifier(n_features, made.n_classes, options.classifier_hidden)
        made.classifier = restore(classifier, tensors, "classifier.")
        n_bank = len(tensors.get("bank.values", ()))
        check_shapes(
            tensors,
            {"bank.values": (n_bank, *made.image_shape), "bank.labels": (n_bank,), "bank.held": (n_bank,)},
        )
        made.bank_values, made.bank_labels = tensors["bank.values"], tensors["bank.labels"]
        made.bank_held = tensors["bank.held"].astype(bool)
        if made.bank_labels.dtype != np.int64 or not set(made.bank_labels) <= set(range(made.n_classes)):
            raise ModelError(f"the stored windows have labels that are not among the model's {made.n_classes}")
        return made
