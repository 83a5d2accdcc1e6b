"""XHAR's way to new people: discriminators of the domains, deceived through a reversed gradient.

Z. Zhou, Y. Zhang, X. Yu, P. Yang, X.-Y. Li, J. Zhao, H. Zhou, XHAR: deep domain adaptation for human activity
recognition with smart devices, IEEE SECON 2020. FacER compares itself with it, "adapted to make it applicable for
facial expression recognition" (section VI-A, case 1b), and says no more than that; nor do we have more of XHAR than
its abstract.

Taken from it: training starts from labelled source people, several domain discriminators remove what differs between
source and target, and the labels of the target are predicted by the network so aligned. We read "several" as one per
class (Pei et al. 2018); one alone is an option.

Not taken: its convolutions with bidirectional GRUs, since windows are spectrograms here and FacER's own trunk makes
the comparison one of adaptation alone; and its choice of the most similar source data set, since there is one source.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from pydantic import ConfigDict, Field
from torch import nn

from mien.learning.aligned import AlignedClassifier, Alignment
from mien.learning.arrays import Windows
from mien.learning.loop import Run, going_on, train
from mien.learning.network import ResidualOptions
from mien.learning.objectives import DomainAdversarial, Prepared, labels_of
from mien.models.adversarial import AdversarialNetwork, Discriminators, DomainDiscriminator
from mien.models.facer import FacerShape


@dataclass(frozen=True, slots=True)
class XharOptions:
    """What fixes XHAR.

    Args:
        network: the trunk (FacER's without attention), its training and augmentation.
        alignment: how it adapts.
        discriminators: one for each class, or one.
        bank_windows: labelled windows kept with the model, evenly of classes and people, so that it can adapt later.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    network: ResidualOptions = field(default_factory=lambda: ResidualOptions(shape=FacerShape(attention="none")))
    alignment: Alignment = field(default_factory=Alignment)
    discriminators: Discriminators = "per-class"
    bank_windows: Annotated[int, Field(ge=16, le=65_536)] = 1024


class XharClassifier(AlignedClassifier):
    """Adversarial adaptation after XHAR: `fit` to labelled people, `adapt` to unlabelled windows of others."""

    def align(self, network: nn.Module, source: Windows, values: np.ndarray, seed: int, run: Run) -> list[dict]:
        """Train as `DomainAdversarial` says; the discriminators are thrown away."""
        how, options = self.options.alignment, self.options.network
        loop = going_on(options.training, how.adaptation_epochs, how.adaptation_learning_rate)
        n_features = 8 * options.shape.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            judge = DomainDiscriminator(n_features, self.n_classes, how.n_hidden, self.options.discriminators)
        n_batches = -(-len(source) // loop.batch_size)
        objective = DomainAdversarial(
            AdversarialNetwork(network, judge),
            Prepared(source.values, self.base.normaliser, options.augmentation),
            labels_of(source),
            Prepared(values, self.base.normaliser, options.augmentation),
            n_steps=loop.epochs * loop.iterations_per_epoch * n_batches,
            weight=how.adversarial_weight,
        )
        return train(objective, loop, seed=seed, label="adapting", run=run).history
