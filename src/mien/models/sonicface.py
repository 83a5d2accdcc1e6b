"""The `sonicface` baseline's network: one-dimensional convolutions over time, range cells and tones each by themselves.

Y. Gao et al., SonicFace: tracking facial expressions using a commodity microphone array, Proc. ACM IMWUT 5(4), 2021.
Of its network FacER states that "it uses 1D convolution for signal processing" (section VI-B), and we have no more.
Ours: three convolutions for each of the two kinds of signal, mean and maximum over time of both, one linear layer.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from einops import rearrange
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from mien.errors import ModelError
from mien.models.blocks import Outputs


@dataclass(frozen=True, slots=True)
class SonicFaceShape:
    """What fixes the network's weights.

    Args:
        n_tones: how many of a window's last rows are tones; three as in `sonicface_probe`.
        n_filters: channels of each convolution; with 64 there are about 60 thousand weights.
        dropout: share of the pooled features set to zero in training.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    n_tones: Annotated[int, Field(ge=1, le=64)] = 3
    n_filters: Annotated[int, Field(ge=1, le=1024)] = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


def _convolutions(n_in: int, n_filters: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_taps in (5, 3, 3):
        layers += [
            nn.Conv1d(n_in, n_filters, n_taps, padding="same", bias=False),
            nn.BatchNorm1d(n_filters),
            nn.ReLU(),
        ]
        n_in = n_filters
    return nn.Sequential(*layers)


class SonicFaceNetwork(nn.Module):
    """Convolutions over time of range cells and of tones, pooled and joined.

    Shapes:
        (batch channel height time) -> `Outputs`; the last `n_tones` rows of height are tones, the others range cells.

    Raises:
        ModelError: windows that have no range cells beside the tones.

    Example:
        >>> SonicFaceNetwork((2, 15, 20), 6)(torch.zeros(3, 2, 15, 20)).logits.shape
        torch.Size([3, 6])
    """

    def __init__(
        self, image_shape: tuple[int, int, int], n_classes: int, shape: SonicFaceShape = SonicFaceShape()
    ) -> None:
        super().__init__()
        n_channels, height, _ = image_shape
        if height <= shape.n_tones:
            raise ModelError(
                f"windows have {height} rows, of which {shape.n_tones} should be tones and the others range cells; "
                "use the chirp-and-tones front end, or state the number of tones with n_tones"
            )
        self.n_tones = shape.n_tones
        self.cells = _convolutions(n_channels * (height - shape.n_tones), shape.n_filters)
        self.tones = _convolutions(n_channels * shape.n_tones, shape.n_filters)
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(4 * shape.n_filters, n_classes)

    def forward(self, images: Tensor) -> Outputs:
        parts = images[:, :, : -self.n_tones], images[:, :, -self.n_tones :]
        pooled = []
        for part, convolutions in zip(parts, (self.cells, self.tones), strict=True):
            inner = convolutions(rearrange(part, "batch channel height time -> batch (channel height) time"))
            pooled += [inner.mean(dim=2), inner.amax(dim=2)]
        representation = torch.cat(pooled, dim=1)
        return Outputs(self.head(self.dropout(representation)), representation, representation[:, :0])
