"""Networks that are taught not to know where a window comes from: gradient reversal and domain discriminators.

Y. Ganin, E. Ustinova, H. Ajakan, P. Germain, H. Larochelle, F. Laviolette, M. Marchand, V. Lempitsky,
Domain-adversarial training of neural networks, JMLR 17(59), 2016.
Z. Pei, Z. Cao, M. Long, J. Wang, Multi-adversarial domain adaptation, AAAI 2018: one discriminator per class.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mien.models.blocks import Outputs

Discriminators = Literal["one", "per-class"]


class _GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradients[0], None


def reverse_gradient(values: Tensor, strength: float) -> Tensor:
    """Return the values as they are; their gradient comes back times minus `strength` (Ganin et al., Eq. 14 and 15).

    Example:
        >>> values = torch.ones(2, requires_grad=True)
        >>> reverse_gradient(values, 0.5).sum().backward()
        >>> values.grad.tolist()
        [-0.5, -0.5]
    """
    return _GradientReversal.apply(values, strength)


def ramp(progress: float, steepness: float = 10.0) -> float:
    """Return how strongly the gradient is reversed after a share of the training, ``2 / (1 + exp(-10 p)) - 1``.

    At first the discriminators are noise, and must not disturb what the network knows (Ganin et al., section 5.2.2).

    Example:
        >>> ramp(0.0), round(ramp(0.5), 3)
        (0.0, 0.987)
    """
    return 2 / (1 + math.exp(-steepness * progress)) - 1


class DomainDiscriminator(nn.Module):
    """Say of a representation whether it comes from the target: one hidden layer, one logit.

    With "per-class" there is one discriminator for each class, and class k's sees the representation times the
    network's probability of class k: domains are aligned class by class, and none is drawn over another's.

    Args:
        n_features: of the representation.
        n_classes: of the labels.
        n_hidden: width of the hidden layer; 100 as in Ganin et al. for small images.
        kind: how many there are.

    Shapes:
        representation (batch feature), probabilities (batch class) -> logits (batch discriminator)

    Example:
        >>> DomainDiscriminator(8, 3, 16, "per-class")(torch.zeros(2, 8), torch.full((2, 3), 1 / 3)).shape
        torch.Size([2, 3])
    """

    def __init__(self, n_features: int, n_classes: int, n_hidden: int = 100, kind: Discriminators = "per-class"):
        super().__init__()
        self.kind = kind
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(n_features, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1))
            for _ in range(n_classes if kind == "per-class" else 1)
        )

    def forward(self, representation: Tensor, probabilities: Tensor) -> Tensor:
        if self.kind == "one":
            return self.heads[0](representation)
        weighted = [representation * probabilities[:, k, None] for k in range(len(self.heads))]
        return torch.cat([head(part) for head, part in zip(self.heads, weighted, strict=True)], dim=1)


class AdversarialNetwork(nn.Module):
    """A network and the discriminators that it is to deceive; called alone it is that network.

    Shapes:
        (batch channel height time) -> `Outputs`
    """

    def __init__(self, network: nn.Module, discriminator: DomainDiscriminator) -> None:
        super().__init__()
        self.network = network
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Outputs:
        return self.network(images)

    def domain_logits(self, outputs: Outputs, strength: float) -> Tensor:
        """Return (batch discriminator) logits of the target, the gradient of the representation reversed."""
        # The probabilities only weigh: were they reversed too, the head could hide a class by never naming it.
        probabilities = outputs.logits.detach().softmax(dim=1)
        return self.discriminator(reverse_gradient(outputs.representation, strength), probabilities)
