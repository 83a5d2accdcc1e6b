"""A small residual network of time: a second of an echo's complex profile says more than any single moment of it.

No paper: `mien`'s own. A 3-tap convolution over the periods of the probe, every range cell's real and imaginary part a
feature, then residual blocks of two 3-tap convolutions, then mean and maximum over time.
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
        n_blocks: residual blocks; three see 13 periods around each, 0.65 s with the paper's probe.
        block_dropout: share of features set to zero within each block, in training.
        dropout: share of the pooled features set to zero in training.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    n_filters: Annotated[int, Field(ge=1, le=1024)] = 96
    n_blocks: Annotated[int, Field(ge=0, le=32)] = 3
    block_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


class TemporalBlock(nn.Module):
    """Two 3-tap convolutions over time with a shortcut.

    Shapes:
        (batch feature time) -> (batch feature time)
    """

    def __init__(self, n_filters: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv1d(n_filters, n_filters, 3, padding="same", bias=False),
            nn.BatchNorm1d(n_filters),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(n_filters, n_filters, 3, padding="same", bias=False),
            nn.BatchNorm1d(n_filters),
        )

    def forward(self, moments: Tensor) -> Tensor:
        return torch.relu(moments + self.inner(moments))


class TemporalNetwork(nn.Module):
    """Convolution and residual blocks over time, mean and maximum over time, one linear layer.

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
        self.stem = nn.Sequential(
            nn.Conv1d(n_channels * height, shape.n_filters, 3, padding="same", bias=False),
            nn.BatchNorm1d(shape.n_filters),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(
            *[TemporalBlock(shape.n_filters, shape.block_dropout) for _ in range(shape.n_blocks)]
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(2 * shape.n_filters, n_classes)

    def forward(self, images: Tensor) -> Outputs:
        moments = rearrange(images, "batch channel height time -> batch (channel height) time")
        inner = self.blocks(self.stem(moments))
        representation = torch.cat([inner.mean(dim=2), inner.amax(dim=2)], dim=1)
        return Outputs(self.head(self.dropout(representation)), representation, representation[:, :0])
