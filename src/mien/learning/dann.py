"""Domain-adversarial training by another hand: skada's DANN around the same trunk, to hold `xhar` against.

Y. Ganin et al., Domain-adversarial training of neural networks, JMLR 17(59), 2016; T. Gnassounou et al., SKADA-Bench,
arXiv:2407.11676, whose library skada (with skorch) is the loop, the sampling of domains, the losses and the reversal.

It differs from `xhar` in what is skada's own: one discriminator, with batch normalisation; a reversal of full strength
from the first step; 32-bit precision always. What it is given is the same: trunk, weights to start from, bank,
augmentation, epochs, batches, optimiser with its weight decay, rate with its schedule, device.

skada 0.6 ends its default discriminator in a softmax over a single output, which is 1 whatever the input: its loss then
has no gradient, and nothing is aligned. A sigmoid stands in its place here.
"""

from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Any, Self

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import ConfigDict, Field
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from mien.errors import ModelError
from mien.learning.aligned import AlignedClassifier, Alignment
from mien.learning.arrays import Normaliser, Windows
from mien.learning.augmentation import Augmentation, augment
from mien.learning.loop import SILENT, Run, Training, going_on, learning_rate, optimizer_kind
from mien.learning.network import ResidualOptions
from mien.models.facer import FacerShape


@dataclass(frozen=True, slots=True)
class DannOptions:
    """What fixes DANN.

    Args:
        network: the trunk (FacER's without attention), its training and augmentation.
        alignment: how it adapts.
        bank_windows: labelled windows kept with the model, evenly of classes and people, so that it can adapt later.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    network: ResidualOptions = field(default_factory=lambda: ResidualOptions(shape=FacerShape(attention="none")))
    alignment: Alignment = field(default_factory=Alignment)
    bank_windows: Annotated[int, Field(ge=16, le=65_536)] = 1024


class _Heard(nn.Module):
    """A network as skada wants one: windows in, logits out, the representation passing through a layer of its own.

    In training windows are augmented afresh, by torch's global generator, as `Prepared` does for our own loop.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, normaliser: Normaliser, augmentation: Augmentation) -> None:
        super().__init__()
        self.network = network
        self.representation = nn.Identity()
        self.augmentation = augmentation
        self.register_buffer("mean", torch.from_numpy(normaliser.mean))
        self.register_buffer("scale", torch.from_numpy(normaliser.scale))

    def forward(self, windows: Tensor) -> Tensor:
        windows = augment(windows.cpu(), self.augmentation, torch.default_generator).to(windows.device)
        outputs = self.network((windows - self.mean) / self.scale)
        self.representation(outputs.representation)
        return outputs.logits


class DannClassifier(AlignedClassifier):
    """skada's DANN: `fit` to labelled people by our own loop, `adapt` to unlabelled windows of others by skada's.

    A fitted model is loaded and used without skada; `fit` and `adapt` need it.
    """

    def fit(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        *,
        validation: Windows | None = None,
        run: Run = SILENT,
    ) -> Self:
        """Fit to training windows; arguments and errors are those of `NetworkClassifier.fit`.

        Raises:
            ModelError: also where skada is not installed.
        """
        _refuse_without_skada()
        return super().fit(values, labels, groups, validation=validation, run=run)

    def align(self, network: nn.Module, source: Windows, values: np.ndarray, seed: int, run: Run) -> list[dict]:
        """Train a copy of the network by skada's loop, its gradient clipped as in ours."""
        _refuse_without_skada()
        how, options = self.options.alignment, self.options.network
        heard = _Heard(network, self.base.normaliser, options.augmentation)
        labels = np.concatenate([source.labels, np.full(len(values), -1)])  # skada's word for "unknown"
        domains = np.concatenate([np.ones(len(source), int), np.full(len(values), -1)])  # a target's is negative
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = _skada_dann(heard, 8 * options.shape.width, how, options, min(len(source), len(values)))
            made.fit(np.concatenate([source.values, values]), labels, domains)
        network.to("cpu").eval()
        return [
            {"loss": float(loss), "validation_loss": None, "learning_rate": rate}
            for loss, rate in made.history[:, ("train_loss", "event_lr")]
        ]


def _refuse_without_skada() -> None:
    missing = [name for name in ("skada", "skorch") if find_spec(name) is None]
    if missing:
        raise ModelError(
            f"method dann is skada's, and {' and '.join(missing)} is not installed: pip install 'mien[baselines]', "
            "or use xhar, which needs nothing more"
        )


def _rate_factor(training: Training, n_passes: int) -> float:
    """Return the share of the rate after some passes of skada's, of which our epochs hold several."""
    return float(learning_rate(training, n_passes // training.iterations_per_epoch) / training.learning_rate)


def _skada_dann(heard: nn.Module, n_features: int, how: Alignment, options: ResidualOptions, n_fewest: int) -> Any:
    """Return skada's estimator around a network.

    Args:
        n_fewest: windows of the smaller domain; skada fills no batch that is larger.
    """
    from skada.deep import DANN
    from skada.deep.modules import DomainClassifier
    from skorch.callbacks import GradientNormClipping, LRScheduler

    training = going_on(options.training, how.adaptation_epochs, how.adaptation_learning_rate)
    optimizer, given = optimizer_kind(training)
    judge = DomainClassifier(n_features)
    judge.classifier = nn.Sequential(
        nn.Linear(n_features, how.n_hidden),
        nn.BatchNorm1d(how.n_hidden),
        nn.ReLU(),
        nn.Linear(how.n_hidden, 1),
        nn.Sigmoid(),
    )
    return DANN(
        heard,
        layer_name="representation",
        reg=how.adversarial_weight,
        domain_classifier=judge,
        optimizer=optimizer,
        **{f"optimizer__{name}": value for name, value in given.items()},
        lr=training.learning_rate,
        max_epochs=training.epochs * training.iterations_per_epoch,
        batch_size=min(training.batch_size, n_fewest),
        iterator_train__max_samples="source",
        callbacks=[
            GradientNormClipping(training.gradient_clip),
            LRScheduler(LambdaLR, lr_lambda=partial(_rate_factor, training)),
        ],
        train_split=None,
        device=str(Fabric(accelerator=training.device, devices=1).device),
        verbose=0,
    )
