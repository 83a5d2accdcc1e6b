"""What networks minimise: cross-entropy on labelled windows, alone or with unlabelled ones beside them.

With unlabelled windows: FacER's Eq. 10, or adversarial discriminators of the two domains.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.learning.arrays import Normaliser, Windows
from mien.learning.augmentation import Augmentation, augment
from mien.learning.calibration import fit_temperature
from mien.learning.losses import supervised_contrastive, target_to_source_contrastive
from mien.learning.pseudo_labels import PseudoLabels, pseudo_labels
from mien.models.adversarial import AdversarialNetwork, ramp

BATCH_FOR_INFERENCE = 256

EarlyStopping = Literal["calibrated", "loss"]


class Prepared:
    """Windows as a network sees them: augmented in training, normalised always, on the network's device.

    Args:
        values: (window ...) float32, before normalisation.
        normaliser: None for what needs none (representations).
        augmentation: None for what is not to be changed.
    """

    def __init__(self, values: np.ndarray, normaliser: Normaliser | None, augmentation: Augmentation | None) -> None:
        self.values = torch.from_numpy(values)
        self.augmentation = augmentation
        self.mean, self.scale = torch.zeros(1), torch.ones(1)
        if normaliser is not None:
            self.mean, self.scale = torch.from_numpy(normaliser.mean), torch.from_numpy(normaliser.scale)

    def __len__(self) -> int:
        return len(self.values)

    def plain(self, index: Tensor | slice, device: torch.device) -> Tensor:
        """Return normalised windows."""
        return ((self.values[index] - self.mean) / self.scale).to(device)

    def changed(self, index: Tensor, generator: torch.Generator, device: torch.device) -> Tensor:
        """Return augmented, normalised windows."""
        values = self.values[index]
        if self.augmentation is not None:
            values = augment(values, self.augmentation, generator)
        return ((values - self.mean) / self.scale).to(device)


def device_of(network: nn.Module) -> torch.device:
    """Return the device of a network's weights."""
    return next(network.parameters()).device


def infer(network: nn.Module, prepared: Prepared) -> tuple[Tensor, Tensor]:
    """Return (window class) logits and (window feature) representations of all windows, on the CPU, in float32."""
    logits, representations = [], []
    was_training = network.training
    # To walk through all layers takes a sixth of a live answer, so it is done where it changes something alone.
    if was_training:
        network.eval()
    with torch.no_grad():
        for start in range(0, len(prepared), BATCH_FOR_INFERENCE):
            outputs = network(prepared.plain(slice(start, start + BATCH_FOR_INFERENCE), device_of(network)))
            logits.append(outputs.logits.float().cpu())
            representations.append(outputs.representation.float().cpu())
    if was_training:
        network.train()
    return torch.cat(logits), torch.cat(representations)


@dataclass(slots=True)
class CrossEntropy:
    """Cross-entropy on labelled windows, with Eq. 3 between them at `contrastive_weight` where that is not zero.

    Args:
        held, held_labels: windows by which to stop. early_stopping: their loss is taken at the temperature that suits
            them ("calibrated"), or as it stands ("loss").
    """

    network: nn.Module
    source: Prepared
    labels: Tensor
    held: Prepared | None = None
    held_labels: Tensor | None = None
    early_stopping: EarlyStopping = "calibrated"
    contrastive_weight: float = 0.0
    temperature: float = 0.1

    def __len__(self) -> int:
        return len(self.source)

    def begin_epoch(self, network: nn.Module) -> None:
        """Nothing changes between epochs."""

    def loss(self, network: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        device = device_of(network)
        outputs = network(self.source.changed(index, generator, device))
        labels = self.labels[index].to(device)
        loss = functional.cross_entropy(outputs.logits, labels)
        if self.contrastive_weight:
            contrast = supervised_contrastive(outputs.projection, labels, self.temperature)
            loss = loss + self.contrastive_weight * contrast
        return loss

    def validation_loss(self, network: nn.Module) -> float | None:
        if self.held is None or self.held_labels is None:
            return None
        logits = infer(network, self.held)[0]
        if self.early_stopping == "calibrated":
            logits = logits / fit_temperature(logits.numpy(), self.held_labels.numpy())
        return functional.cross_entropy(logits, self.held_labels).item()


@dataclass(slots=True)
class DomainAdaptation:
    """FacER's Algorithm 1 and Eq. 10: ``L_ce(source) + lambda L_c(target, source)``.

    At the start of each epoch pseudo-labels are made anew (lines 2-3: one pass over the target). Each batch of source
    windows goes with as many target windows (line 5). Both pass through the network together, in one batch: batch
    normalisation then sees, in training as in its running statistics, one mixture of both domains; passing them one
    after the other would normalise each by itself in training and neither in use.

    Algorithm 1 as printed back-propagates once, after its loop over batches; here every batch makes a step. The target
    windows of a batch are drawn with replacement.
    """

    network: nn.Module
    source: Prepared
    labels: Tensor
    target: Prepared
    weight: float = 0.5
    temperature: float = 0.1
    way: PseudoLabels = "softmax"
    least_confidence: float = 0.0
    target_labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.source)

    def begin_epoch(self, network: nn.Module) -> None:
        logits, representations = infer(network, self.target)
        self.target_labels = pseudo_labels(representations, logits, self.way, self.least_confidence)

    def loss(self, network: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        device = device_of(network)
        if self.target_labels is None:
            raise RuntimeError("begin_epoch makes the pseudo-labels and comes first")
        target_index = torch.randint(len(self.target), (len(index),), generator=generator)
        source = self.source.changed(index, generator, device)
        target = self.target.changed(target_index, generator, device)
        outputs = network(torch.cat([source, target]))
        n_source = len(index)
        labels = self.labels[index].to(device)
        contrast = target_to_source_contrastive(
            outputs.projection[n_source:],
            self.target_labels[target_index].to(device),
            outputs.projection[:n_source],
            labels,
            self.temperature,
        )
        return functional.cross_entropy(outputs.logits[:n_source], labels) + self.weight * contrast

    def validation_loss(self, network: nn.Module) -> None:
        """Return None: the target has no labels, and a low loss on the source would choose the unadapted weights."""


@dataclass(slots=True)
class DomainAdversarial:
    """Cross-entropy on the source, while discriminators of the two domains are deceived by a reversed gradient.

    ``L_ce(source) + weight L_ce(domain)``, the gradient of the second term coming back to the network times minus
    `ramp(share of the steps done)` (Ganin et al. 2016, Eq. 9 to 15). Batches are made as in `DomainAdaptation`.

    With a discriminator for each class the second term is their sum, each seeing windows by their share of its class
    (Pei et al. 2018).

    Args:
        n_steps: steps of the optimiser in all, over which the ramp rises.
    """

    network: AdversarialNetwork
    source: Prepared
    labels: Tensor
    target: Prepared
    n_steps: int
    weight: float = 1.0
    n_done: int = 0

    def __len__(self) -> int:
        return len(self.source)

    def begin_epoch(self, network: nn.Module) -> None:
        """Nothing changes between epochs."""

    def loss(self, network: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        device = device_of(network)
        target_index = torch.randint(len(self.target), (len(index),), generator=generator)
        source = self.source.changed(index, generator, device)
        target = self.target.changed(target_index, generator, device)
        outputs = network(torch.cat([source, target]))
        guesses = self.network.domain_logits(outputs, ramp(self.n_done / self.n_steps))
        truth = (torch.arange(len(guesses), device=device) >= len(index)).float()[:, None].expand_as(guesses)
        self.n_done += 1
        labels = self.labels[index].to(device)
        domains = functional.binary_cross_entropy_with_logits(guesses, truth) * guesses.shape[1]
        return functional.cross_entropy(outputs.logits[: len(index)], labels) + self.weight * domains

    def validation_loss(self, network: nn.Module) -> None:
        """Return None, for the reason that `DomainAdaptation` has."""


def labels_of(windows: Windows) -> Tensor:
    """Return class numbers as a tensor."""
    return torch.from_numpy(windows.labels)
