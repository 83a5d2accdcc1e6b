"""FacER's estimator: Algorithm 1 from the weights that the labelled people taught, then the two-layer classifier."""

import copy
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Self

import numpy as np
import torch
from pydantic import ConfigDict, Field

from mien.learning.arrays import Windows, check_personal, check_shapes, check_unlabelled, check_values
from mien.learning.bank import Bank
from mien.learning.foreignness import Foreignness, believed, fit_confidence, known_foreignness
from mien.learning.loop import SILENT, Run, going_on, train
from mien.learning.network import NetworkClassifier, ResidualOptions, digest, learn_head, network_tensors, restore
from mien.learning.objectives import CrossEntropy, DomainAdaptation, Prepared, infer, labels_of
from mien.learning.pseudo_labels import PseudoLabels
from mien.models.facer import TwoLayerClassifier


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How Algorithm 1 runs.

    Args:
        contrastive_weight: lambda of Eq. 10, 0.5 in the paper, but of a mean over anchors where the paper prints a sum
            (`losses`): so it weighs about |I_t| times less than printed. temperature: tau of Eq. 9, unstated there.
        pseudo_labels: how target windows are named at the start of each epoch: by "softmax" centroids (Eq. 6 and 7),
            by "k-means" begun there, or "confident": as the first, but a window of which the network's highest
            probability is below `least_confidence` is named nothing and drawn nowhere.
        adaptation_epochs: E of Algorithm 1, unstated; K is the training's iterations_per_epoch.
        adaptation_learning_rate: a tenth of the paper's 0.1, since it starts from trained weights.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    contrastive_weight: Annotated[float, Field(ge=0, le=100)] = 0.5
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.1
    pseudo_labels: PseudoLabels = "softmax"
    least_confidence: Annotated[float, Field(ge=0, le=1)] = 0.8
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


class FacerClassifier:
    """FacER: `fit` to labelled people, `adapt` to unlabelled windows of others.

    `fit` is the network with external attention by cross-entropy alone, then the classifier on its representations.
    It is one method in every case: the paper's case 1a is without adaptation too, but its two-layer classifier first
    appears in case 1b, so ours in 1a has that part more. `adapt` starts Algorithm 1 from those weights: pseudo-labels
    of random weights would be noise, and Eq. 9 would draw every target window to a class picked by chance.

    The D_s of Algorithm 1 is here the `Bank`: at most `bank_windows` labelled windows, less those held out. `adapt`
    trains on it and fits the classifier anew to its representations. The paper uses all of D_s for both.

    Args:
        options: network, adaptation, classifier.
        seed: weights, order and augmentation follow from it.
    """

    def __init__(self, options: FacerOptions, seed: int = 0) -> None:
        self.options = options
        self.seed = seed
        self.base = NetworkClassifier(options.network, seed)
        self.temperature, self.unsure_below = 1.0, 0.0

    @property
    def foreign(self) -> Foreignness | None:
        return self.base.foreign

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.base.image_shape

    @property
    def n_classes(self) -> int:
        return self.base.n_classes

    @property
    def history(self) -> list[dict[str, float | None]]:
        """Return the epochs of the last training of the network: `fit`'s, or `adapt`'s."""
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
        self.base.fit(values, labels, groups, validation=validation, run=run.stage("network"))
        windows, held = self.base.parts(values, labels, groups, validation)
        self._fit_classifier(windows, held, run.stage("classifier"))
        rng = np.random.default_rng((self.seed, 2))
        self.bank = Bank.drawn(windows, held, self.options.bank_windows, rng)
        return self

    def _fit_classifier(self, windows: Windows, held: Windows, run: Run) -> None:
        """Train the two-layer classifier on source representations, then its temperature on the held-out ones."""
        learnt = self.base.represent(windows.values)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + 1)
            self.classifier = TwoLayerClassifier(learnt.shape[1], self.n_classes, self.options.classifier_hidden)
        objective = CrossEntropy(self.classifier, Prepared(learnt, None, None), labels_of(windows))
        if len(held):
            objective.held = Prepared(self.base.represent(held.values), None, None)
            objective.held_labels = labels_of(held)
        objective.early_stopping = self.options.network.training.early_stopping
        train(
            objective,
            self.options.network.training,
            seed=self.seed + 1,
            label="classifier",
            run=run,
            identity={
                "stage": "classifier",
                "data": digest(learnt, windows.labels, held.labels),
                "method": asdict(self.options),
            },
        )
        logits, rows = self._outputs(held.values)
        foreign = Foreignness.fit(learnt, windows.labels, rows)
        known = logits, foreign(rows), held.labels, foreign
        self.temperature, self.unsure_below, self.base.foreign = fit_confidence(*known)

    def adapt(self, values: np.ndarray, seed: int | None = None, run: Run = SILENT) -> Self:
        """Return a new estimator adapted to unlabelled windows of the target (Algorithm 1); this one stays as it is.

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
        how, network = self.options.adapting, self.options.network
        source, held = self.bank.parts()
        objective = DomainAdaptation(
            adapted.base.network,
            Prepared(source.values, self.base.normaliser, network.augmentation),
            labels_of(source),
            Prepared(values, self.base.normaliser, network.augmentation),
            how.contrastive_weight,
            how.temperature,
            how.pseudo_labels,
            how.least_confidence,
        )
        loop = going_on(network.training, how.adaptation_epochs, how.adaptation_learning_rate)
        shown = Run(progress=run.progress)
        chance = self.seed + 2 if seed is None else seed
        adapted.base.history = train(objective, loop, seed=chance, label="adapting", run=shown).history
        adapted._fit_classifier(source, held, shown)
        return adapted

    def calibrate(self, values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Self:
        """Return a new estimator calibrated to one person's labelled windows; the paper has no such step.

        Arguments, errors and ways are those of `NetworkClassifier.calibrate`; the layer is the classifier's last.
        """
        windows = check_personal(values, labels, groups, self.image_shape, self.n_classes)
        calibrated = copy.copy(self)
        if self.base.population is not None:
            calibrated.base = self.base.calibrate(values, labels, groups)
            return calibrated
        calibrated.classifier = copy.deepcopy(self.classifier)
        hidden = infer(self.classifier, Prepared(self.base.represent(windows.values), None, None))[1].numpy()
        learn_head(calibrated.classifier, hidden, windows, self.temperature)
        return calibrated

    def represent(self, values: np.ndarray) -> np.ndarray:
        """Return g(x), (window feature) float32."""
        return self.base.represent(values)

    def attention_map(self, values: np.ndarray) -> np.ndarray | None:
        """Return how much attention adds at each place, as `NetworkClassifier.attention_map` does."""
        return self.base.attention_map(values)

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Return (window class) probabilities.

        Raises:
            ModelError: windows of another shape than those fitted, or not finite.
        """
        return self.assess(values)[0]

    def assess(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and foreignness as `NetworkClassifier.assess` does, by the classifier's scores."""
        if self.base.person is not None:
            return self.base.assess(values)
        logits, rows = self._outputs(check_values(values, self.image_shape))
        return believed(logits, self.temperature, rows, self.foreign)

    def calibrate_confidence(self, values: np.ndarray, labels: np.ndarray) -> Self:
        """Return a new estimator as `NetworkClassifier.calibrate_confidence` does, by the classifier's scores."""
        windows = check_personal(values, labels, np.arange(len(labels)), self.image_shape, self.n_classes)
        foreign = known_foreignness(self.foreign)
        made, (logits, rows) = copy.copy(self), self._outputs(windows.values)
        made.base = copy.copy(self.base)
        known = logits, foreign(rows), windows.labels, foreign
        made.temperature, made.unsure_below, made.base.foreign = fit_confidence(*known)
        return made

    def _outputs(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (window class) scores of the classifier and (window feature) representations."""
        rows = self.base.represent(values)
        if len(values) == 0:
            return np.zeros((0, self.n_classes), np.float32), rows
        return infer(self.classifier, Prepared(rows, None, None))[0].numpy(), rows

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return tensors, and plain JSON values, from which `from_state` makes this estimator again."""
        tensors, values = self.base.state()
        tensors |= network_tensors(self.classifier, "classifier.")
        tensors |= self.bank.tensors()
        return tensors, values | {"temperature": self.temperature, "unsure_below": self.unsure_below}

    @classmethod
    def from_state(
        cls, options: FacerOptions, seed: int, tensors: dict[str, np.ndarray], values: dict[str, Any]
    ) -> Self:
        """Make an estimator of what `state` returned.

        Raises:
            ModelError: tensors that do not fit what is described.
        """
        made = cls(options, seed)
        made.base = NetworkClassifier.from_state(options.network, seed, tensors, values)
        made.temperature, made.unsure_below = values["temperature"], values["unsure_below"]
        n_features = 8 * options.network.shape.width
        with torch.device("meta"):
            empty = TwoLayerClassifier(n_features, made.n_classes, options.classifier_hidden)
        check_shapes(tensors, {f"classifier.{name}": tuple(value.shape) for name, value in empty.state_dict().items()})
        made.classifier = TwoLayerClassifier(n_features, made.n_classes, options.classifier_hidden)
        restore(made.classifier, tensors, "classifier.")
        made.bank = Bank.from_tensors(tensors, made.image_shape, made.n_classes)
        return made
