"""The estimator of every network trained by cross-entropy alone; `facer` and others that adapt start from it."""

import copy
import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Self

import numpy as np
import torch
from pydantic import ConfigDict, Field
from torch import nn

from mien.errors import ModelError
from mien.learning.arrays import (
    Normaliser,
    Windows,
    check_personal,
    check_shapes,
    check_values,
    check_windows,
    inner_split,
    stored_normaliser,
)
from mien.learning.augmentation import Augmentation
from mien.learning.foreignness import Foreignness, believed, fit_confidence, known_foreignness
from mien.learning.loop import SILENT, Run, Training, train
from mien.learning.objectives import CrossEntropy, Prepared, device_of, infer, labels_of
from mien.learning.personal import personal_layer, take_means, take_weights
from mien.learning.population import Population, personal_densities, personal_temperature
from mien.models.facer import Facer, FacerShape
from mien.models.sonicface import SonicFaceNetwork, SonicFaceShape
from mien.models.temporal import TemporalNetwork, TemporalShape


@dataclass(frozen=True, slots=True)
class ResidualOptions:
    """A residual network's shape, its training and the changes its training windows go through.

    Args:
        source_contrastive_weight: share of Eq. 3 between labelled windows beside their cross-entropy; Eq. 10 has none.
        temperature: tau of Eq. 3.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    shape: FacerShape = field(default_factory=FacerShape)
    training: Training = field(default_factory=Training)
    augmentation: Augmentation = field(default_factory=Augmentation)
    source_contrastive_weight: Annotated[float, Field(ge=0, le=100)] = 0.0
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.1


@dataclass(frozen=True, slots=True)
class TemporalOptions:
    """The temporal network's shape, its training and the changes its training windows go through."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    shape: TemporalShape = field(default_factory=TemporalShape)
    training: Training = field(default_factory=Training)
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True)
class SonicFaceOptions:
    """The `sonicface` network's shape, its training and the changes its training windows go through.

    Windows are not shifted along their height, where tones follow range cells.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    shape: SonicFaceShape = field(default_factory=SonicFaceShape)
    training: Training = field(default_factory=Training)
    augmentation: Augmentation = field(default_factory=Augmentation)


NetworkOptions = ResidualOptions | TemporalOptions | SonicFaceOptions


def build_network(
    shape: FacerShape | TemporalShape | SonicFaceShape, image_shape: tuple[int, int, int], n_classes: int, seed: int
) -> nn.Module:
    """Return a network with weights drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(shape, TemporalShape):
            return TemporalNetwork(image_shape, n_classes, shape)
        if isinstance(shape, SonicFaceShape):
            return SonicFaceNetwork(image_shape, n_classes, shape)
        return Facer(image_shape, n_classes, shape)


def digest(*arrays: np.ndarray) -> str:
    """Return a digest of arrays, by which a checkpoint knows its data."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes() if array.dtype.kind != "O" else str(array.tolist()).encode())
    return total.hexdigest()


def network_tensors(network: nn.Module, prefix: str) -> dict[str, np.ndarray]:
    """Return a network's weights under a prefix."""
    return {f"{prefix}{name}": value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def restore(network: nn.Module, tensors: dict[str, np.ndarray], prefix: str) -> nn.Module:
    """Put weights saved by `network_tensors` into a network of the same shape.

    Raises:
        ModelError: missing, unknown or misshapen weights.
    """
    weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    try:
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    except RuntimeError as error:
        raise ModelError(f"the weights do not fit the model that is described: {str(error).splitlines()[-1]}") from None
    return network.eval()


def learn_head(network: nn.Module, rows: np.ndarray, windows: Windows, temperature: float) -> None:
    """Learn a network's `head` again from a person's windows, given their representations `rows`.

    Args:
        windows: `groups` are takes.
    """
    head = network.head
    assert isinstance(head, nn.Linear)
    weights, bias = (value.detach().numpy().astype(np.float64) for value in (head.weight, head.bias))
    learnt = personal_layer(weights, bias, rows, windows.labels, take_weights(windows.groups), temperature)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(learnt[0]))
        head.bias.copy_(torch.from_numpy(learnt[1]))


class NetworkClassifier:
    """Fit a network to labelled windows; probabilities are calibrated on the people held out for early stopping.

    Args:
        options: shape, training, augmentation.
        seed: weights, order and augmentation follow from it.
    """

    def __init__(self, options: NetworkOptions, seed: int = 0) -> None:
        self.options = options
        self.seed = seed
        self.image_shape: tuple[int, int, int] = (0, 0, 0)
        self.n_classes = 0
        self.temperature, self.unsure_below = 1.0, 0.0
        self.foreign: Foreignness | None = None
        self.history: list[dict[str, float | None]] = []
        self.population: Population | None = None
        self.person: Population | None = None

    def fit(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        *,
        validation: Windows | None = None,
        run: Run = SILENT,
    ) -> Self:
        """Fit to training windows.

        Args:
            values: (window channel height time) float32; labels: (window) class numbers; groups: (window) subjects.
            validation: held-out windows for early stopping and calibration; without them whole groups are held out
                of the training windows.
            run: checkpoints, resuming, progress.

        Raises:
            ModelError: windows that cannot be learnt from, or a training that diverged.
        """
        windows, held = self.parts(values, labels, groups, validation)
        self.image_shape, self.n_classes = (
            windows.values.shape[1:],
            int(max(windows.labels.max(), self.n_classes - 1)) + 1,
        )
        self.normaliser = Normaliser.fit(windows.values)
        self.network = build_network(self.options.shape, self.image_shape, self.n_classes, self.seed)
        objective = CrossEntropy(
            self.network,
            Prepared(windows.values, self.normaliser, self.options.augmentation),
            labels_of(windows),
            Prepared(held.values, self.normaliser, None) if len(held) else None,
            labels_of(held) if len(held) else None,
            early_stopping=self.options.training.early_stopping,
        )
        if isinstance(self.options, ResidualOptions):
            objective.contrastive_weight = self.options.source_contrastive_weight
            objective.temperature = self.options.temperature
        state = train(
            objective,
            self.options.training,
            seed=self.seed,
            run=run,
            identity={
                "stage": "network",
                "data": digest(windows.values, windows.labels, held.values, held.labels),
                "method": asdict(self.options),
            },
        )
        self.history = state.history
        rows = self.represent(windows.values)
        self.fit_confidence(rows, windows.labels, held)
        self._meet_people(rows, windows, held)
        return self

    def fit_confidence(self, rows: np.ndarray, labels: np.ndarray, held: Windows) -> None:
        """Learn what is familiar from training windows' representations `rows`; how sure to be from those held out."""
        logits, held_rows = self.outputs(held.values)
        foreign = Foreignness.fit(rows, labels, held_rows)
        known = logits, foreign(held_rows), held.labels, foreign
        self.temperature, self.unsure_below, self.foreign = fit_confidence(*known)

    def _meet_people(self, rows: np.ndarray, windows: Windows, held: Windows) -> None:
        """Learn how people differ in what they show, from their representations; the temperature from those held."""
        self.person = None
        self.population = Population.fit(rows, windows.labels, windows.groups, self.n_classes)
        if self.population is not None and len(held):
            known = self.represent(held.values), held.labels, held.groups
            self.population = replace(self.population, temperature=personal_temperature(self.population, *known))

    def parts(
        self, values: np.ndarray, labels: np.ndarray, groups: np.ndarray, validation: Windows | None
    ) -> tuple[Windows, Windows]:
        """Return what is learnt from and what is held out (possibly nothing)."""
        windows = check_windows(values, labels, groups)
        if validation is not None and len(validation):
            checked = check_values(validation.values, windows.values.shape[1:])
            return windows, Windows(checked, validation.labels.astype(np.int64), validation.groups)
        rng = np.random.default_rng((self.seed, 1))
        mask = inner_split(windows.labels, windows.groups, self.options.training.validation_fraction, rng)
        return windows.take(~mask), windows.take(mask)

    def calibrate(self, values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Self:
        """Return a new estimator calibrated to one person's labelled windows; this one stays as it is.

        Where at least `LEAST_PEOPLE` were learnt from, how they differ says what the person's windows of each class
        are like (`Population`); otherwise the last layer is learnt again (`personal_layer`).

        Args:
            values, labels: as for `fit`. groups: (window) take of each window; every take counts as one.

        Raises:
            ModelError: windows of another shape than those fitted, or not finite; labels of no class.
        """
        windows = check_personal(values, labels, groups, self.image_shape, self.n_classes)
        calibrated, rows = copy.copy(self), self.represent(windows.values)
        if self.population is not None:
            known = self.population if self.person is None else self.person
            calibrated.person = known.told(*take_means(rows, windows.labels, windows.groups))
        else:
            calibrated.network = copy.deepcopy(self.network)
            learn_head(calibrated.network, rows, windows, self.temperature)
        return calibrated

    def calibrate_confidence(self, values: np.ndarray, labels: np.ndarray) -> Self:
        """Return a new estimator that is as sure as it is right on labelled windows; what it answers stays the same.

        The temperature, how it rises with foreignness, and below which confidence an answer is `unsure`, are fitted
        anew: to familiar and foreign faces, none of them trained on.

        Args:
            values, labels: as for `fit`.

        Raises:
            ModelError: windows of another shape than those fitted, or not finite; labels of no class; a model from
                before foreignness was kept.
        """
        windows = check_personal(values, labels, np.arange(len(labels)), self.image_shape, self.n_classes)
        foreign = known_foreignness(self.foreign)
        made, (logits, rows) = copy.copy(self), self.outputs(windows.values)
        known = logits, foreign(rows), windows.labels, foreign
        made.temperature, made.unsure_below, made.foreign = fit_confidence(*known)
        return made

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
        logits, rows = self.outputs(check_values(values, self.image_shape))
        temperature = self.temperature
        if self.population is not None and self.person is not None and len(values):
            logits, temperature = personal_densities(self.person, self.population, rows), self.population.temperature
        return believed(logits, temperature, rows, self.foreign)

    def to_adapt(self) -> Self:
        """Return a copy whose network can be trained on while this one stays as it is.

        How people differ (`population`) was learnt of the representations as they were, and is left behind.
        """
        adapted = copy.copy(self)
        adapted.network = copy.deepcopy(self.network)
        adapted.population = adapted.person = None
        return adapted

    def represent(self, values: np.ndarray) -> np.ndarray:
        """Return g(x), (window feature) float32."""
        prepared = Prepared(check_values(values, self.image_shape), self.normaliser, None)
        return infer(self.network, prepared)[1].numpy() if len(values) else np.zeros((0, 0), np.float32)

    def attention_map(self, values: np.ndarray) -> np.ndarray | None:
        """Return how much attention adds to each place of its feature map, (window height time); None without any.

        It is the root mean square over features of what is added, less its mean over windows and places: a constant
        decides nothing.
        """
        shape, network = self.options.shape, self.network
        if not isinstance(shape, FacerShape) or not isinstance(network, Facer) or shape.attention == "none":
            return None
        prepared = Prepared(check_values(values, self.image_shape), self.normaliser, None)
        with torch.no_grad():
            added = network.eval().added_by_attention(prepared.plain(slice(None), device_of(network)))
        return (added - added.mean(dim=(0, 2, 3), keepdim=True)).square().mean(dim=1).sqrt().cpu().numpy()

    def outputs(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (window class) scores and (window feature) representations of checked windows."""
        if len(values) == 0:
            return np.zeros((0, self.n_classes), np.float32), np.zeros((0, 0), np.float32)
        logits, rows = infer(self.network, Prepared(values, self.normaliser, None))
        return logits.numpy(), rows.numpy()

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Return (window class) scores of checked windows."""
        return self.outputs(values)[0]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return tensors, and plain JSON values, from which `from_state` makes this estimator again."""
        tensors = network_tensors(self.network, "network.")
        tensors |= {"normaliser.mean": self.normaliser.mean, "normaliser.scale": self.normaliser.scale}
        for name, known in (("population.", self.population), ("person.", self.person)):
            tensors |= {} if known is None else known.tensors(name)
        tensors |= {} if self.foreign is None else self.foreign.tensors()
        return tensors, {
            "image_shape": list(self.image_shape),
            "n_classes": self.n_classes,
            "temperature": self.temperature,
            "unsure_below": self.unsure_below,
            "foreignness": None if self.foreign is None else self.foreign.facts(),
            "history": self.history,
        }

    @classmethod
    def from_state(
        cls,
        options: NetworkOptions,
        seed: int,
        tensors: dict[str, np.ndarray],
        values: dict[str, Any],
    ) -> Self:
        """Make an estimator of what `state` returned.

        Raises:
            ModelError: tensors that do not fit what is described.
        """
        made = cls(options, seed)
        made.image_shape, made.n_classes = tuple(values["image_shape"]), values["n_classes"]
        made.temperature, made.unsure_below = values["temperature"], values["unsure_below"]
        made.history = values["history"]
        made.normaliser = stored_normaliser(tensors, made.image_shape)
        with torch.device("meta"):
            empty = build_network(options.shape, made.image_shape, made.n_classes, seed)
        expected = {f"network.{name}": tuple(value.shape) for name, value in empty.state_dict().items()}
        check_shapes(tensors, expected)
        made.network = restore(
            build_network(options.shape, made.image_shape, made.n_classes, seed), tensors, "network."
        )
        head = made.network.head
        assert isinstance(head, nn.Linear)
        made.population = Population.from_tensors(tensors, "population.", head.in_features, made.n_classes)
        made.person = Population.from_tensors(tensors, "person.", head.in_features, made.n_classes)
        made.foreign = Foreignness.from_state(tensors, values.get("foreignness"), head.in_features, made.n_classes)
        return made
