"""A small network of time: what an echo's complex profile does over a second says more than any single moment of it.

No paper: `mien`'s own. Two 3-tap and one 5-tap convolutions over the periods of the probe, every range cell's real
and imaginary part a feature, then mean and maximum over time. About 100 thousand weights.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from einops import rearrange
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from mien.models.blocks import Outputs


@dataclass(frozen=True, slots=True)
class TemporalShape:
    """What fixes the network's weights.

    Args:
        n_filters: channels of each convolution.
        dropout: share of the pooled features set to zero in training.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    n_filters: Annotated[int, Field(ge=1, le=1024)] = 96
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


class TemporalNetwork(nn.Module):
    """Three convolutions over time with batch normalisation, mean and maximum over time, one linear layer.

    Shapes:
        (batch channel height time) -> `Outputs`; channels and heights (real and imaginary parts of range cells)
        are features of each moment, which convolutions mix from the first layer on.

    Example:
        >>> network = TemporalNetwork((2, 12, 20), 6)
        >>> network(torch.zeros(3, 2, 12, 20)).logits.shape
        torch.Size([3, 6])
    """

    def __init__(
        self, image_shape: tuple[int, int, int], n_classes: int, shape: TemporalShape = TemporalShape()
    ) -> None:
        super().__init__()
        n_channels, height, _ = image_shape
        layers: list[nn.Module] = []
        n_in = n_channels * height
        for n_taps in (3, 3, 5):
            layers += [
                nn.Conv1d(n_in, shape.n_filters, n_taps, padding="same", bias=False),
                nn.BatchNorm1d(shape.n_filters),
                nn.ReLU(),
            ]
            n_in = shape.n_filters
        self.convolutions = nn.Sequential(*layers)
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(2 * shape.n_filters, n_classes)

    def forward(self, images: Tensor) -> Outputs:
        moments = rearrange(images, "batch channel height time -> batch (channel height) time")
        inner = self.convolutions(moments)
        representation = torch.cat([inner.mean(dim=2), inner.amax(dim=2)], dim=1)
        return Outputs(self.head(self.dropout(representation)), representation, representation[:, :0])
