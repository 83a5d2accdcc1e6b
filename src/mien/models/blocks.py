"""Parts that several networks share: external attention, self-attention, the residual trunk."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

SMALLEST_FOR_LARGE_STEM = 32
"""Images with a side below this keep their resolution at the stem: 32-fold reduction would leave nothing of them."""

N_STAGES = 4
"""Of ResNet-18, two blocks each."""


class Outputs(NamedTuple):
    """What every network returns.

    logits: (batch class); representation: (batch feature); projection: (batch feature) of unit length, for contrast.
    """

    logits: Tensor
    representation: Tensor
    projection: Tensor


AttentionNorm = Literal["double", "units"]
"""How Eq. 8's Norm is read, see `ExternalAttention`."""


class ExternalAttention(nn.Module):
    """Attend to two learnt memories that all samples share (FacER Eq. 8; Guo et al. 2021).

    ``F_out = Norm(Q M_k^T) M_v`` with Q a linear projection of the N elements of the feature map F, both memories of
    S rows. The cost is O(d S N): linear in the number of elements, where self-attention is quadratic.

    FacER writes one "Norm" and does not say over what. Two readings:

    - "double", that of its reference [36]: softmax over the N elements, then division by the sum over the S rows.
    - "units": softmax over the S rows, as in attention to a memory that is not the sample itself.

    Averaged over the elements, a softmax over them is 1 / N whatever the sample: where the mean over elements comes
    next (`attention_place="after"`), "double" adds next to nothing but a constant. The result
    is added to F, the residual of [36].

    S shares that begin nearly even make what is added small beside F, and training leaves it so (`docs/methods.md`).
    `batch_norm` brings it to F's own scale first; FacER's text has no such step.

    Args:
        n_features: d, features of each element.
        n_units: S, rows of each memory; the paper leaves it free, [36] uses 64.
        norm: the reading.
        batch_norm: whether what is added is normalised over elements and samples.

    Shapes:
        (batch element feature) -> (batch element feature)

    Example:
        >>> ExternalAttention(8, 4)(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])

    References:
        M.-H. Guo, Z.-N. Liu, T.-J. Mu, S.-M. Hu, Beyond self-attention: external attention using two linear layers
        for visual tasks, arXiv:2105.02358.
    """

    def __init__(
        self, n_features: int, n_units: int = 64, norm: AttentionNorm = "double", batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.norm = norm
        self.query = nn.Linear(n_features, n_features)
        self.keys = nn.Linear(n_features, n_units, bias=False)
        self.values = nn.Linear(n_units, n_features, bias=False)
        self.scale: nn.Module = nn.Identity()
        if batch_norm:
            self.scale = scale = nn.BatchNorm1d(n_features)
            # torch starts at 1. What is added varies by far less, and some ten steps would leave most of that 1: as
            # trained it would be brought to the map's scale, as asked it would be next to nothing.
            assert scale.running_var is not None
            nn.init.zeros_(scale.running_var)

    def attention(self, elements: Tensor) -> Tensor:
        """Return the normalised map, (batch element unit).

        Every element's row sums to one; under "double", where an element's share of every unit is below the smallest
        float, to less.
        """
        scores = self.keys(self.query(elements))
        if self.norm == "units":
            return scores.softmax(dim=2)
        over_elements = scores.softmax(dim=1)
        smallest = torch.finfo(over_elements.dtype).tiny
        return over_elements / over_elements.sum(dim=2, keepdim=True).clamp_min(smallest)

    def branch(self, elements: Tensor) -> Tensor:
        """Return what is added to the elements, (batch element feature)."""
        added = self.values(self.attention(elements))
        return self.scale(added.flatten(0, 1)).reshape_as(added)

    def forward(self, elements: Tensor) -> Tensor:
        return elements + self.branch(elements)


class SelfAttention(nn.Module):
    """Attend to the other elements of the same sample (FacER Eq. 2), the alternative that FacER argues against.

    ``F_out = softmax(Q K^T / sqrt(d')) V`` plus F. Eq. 2 omits the division, which its reference [31] has.

    Shapes:
        (batch element feature) -> (batch element feature)
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        inner = max(n_features // 2, 1)
        self.query = nn.Linear(n_features, inner, bias=False)
        self.key = nn.Linear(n_features, inner, bias=False)
        self.value = nn.Linear(n_features, n_features, bias=False)

    def forward(self, elements: Tensor) -> Tensor:
        query, key, value = self.query(elements), self.key(elements), self.value(elements)
        return elements + functional.scaled_dot_product_attention(query, key, value)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut (He et al. 2016, Fig. 5 left).

    The shortcut's stride is a slice before its 1 x 1 convolution, the same sums: the backward pass of a strided 1 x 1
    convolution of fewer than 8 channels-last channels corrupts the heap on x86-64 without AVX-512 (torch 2.13, oneDNN).
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(n_out)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(n_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, images: Tensor) -> Tensor:
        inner = functional.relu(self.first_norm(self.first(images)))
        return functional.relu(
            self.second_norm(self.second(inner)) + self.shortcut(images[..., :: self.stride, :: self.stride])
        )


def _stem(n_channels: int, width: int, large: bool) -> nn.Sequential:
    """Return the first layers: ResNet-18's 7 x 7 with pooling, or 3 x 3 at full resolution for small images."""
    if large:
        return nn.Sequential(
            nn.Conv2d(n_channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
    return nn.Sequential(
        nn.Conv2d(n_channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class ResNet18Trunk(nn.Module):
    """ResNet-18 up to its last feature map (He et al. 2016, Table 1, 18-layer).

    Args:
        image_shape: (channel, height, time) of the input. Where the smaller side is below 32, the stem is a 3 x 3
            convolution at full resolution instead of 7 x 7 with stride 2 and pooling.
        width: channels of the first stage, doubled three times; 64 in ResNet-18, 16 is about 16 times cheaper.
        last_stride: of the last stage; 2 in ResNet-18, 1 leaves a feature map twice as fine along both sides.

    Shapes:
        (batch channel height time) -> (batch feature height time), feature = 8 * width
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int = 64, last_stride: int = 2) -> None:
        super().__init__()
        n_channels, *sides = image_shape
        self.stem = _stem(n_channels, width, large=min(sides) >= SMALLEST_FOR_LARGE_STEM)
        stages = []
        for stage in range(N_STAGES):
            n_in, n_out = width * 2 ** max(stage - 1, 0), width * 2**stage
            stride = {0: 1, N_STAGES - 1: last_stride}.get(stage, 2)
            stages += [ResidualBlock(n_in, n_out, stride), ResidualBlock(n_out, n_out)]
        self.stages = nn.Sequential(*stages)
        self.features_of_stages = tuple(width * 2**stage for stage in range(N_STAGES))
        self.n_features = self.features_of_stages[-1]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor, attention: Mapping[int, nn.Module] | None = None) -> Tensor:
        """Return the last feature map.

        Args:
            attention: number of a stage, from 0 -> what the elements of its feature map go through.
        """
        first, *others = self.stem
        # Channels last in memory: a fifth to a third faster on CPUs (torch 2.13, width 8), the same sums.
        feature_map = first(images).contiguous(memory_format=torch.channels_last)
        for layer in others:
            feature_map = layer(feature_map)
        for stage in range(N_STAGES):
            feature_map = self.stages[2 * stage : 2 * stage + 2](feature_map)
            if attention and stage in attention:
                feature_map = as_map(attention[stage](as_elements(feature_map)), feature_map)
        return feature_map


def as_elements(feature_map: Tensor) -> Tensor:
    """Return a feature map as the N elements of Eq. 8: (batch feature height time) -> (batch element feature)."""
    return rearrange(feature_map, "batch feature height time -> batch (height time) feature")


def as_map(elements: Tensor, like: Tensor) -> Tensor:
    """Return elements as a feature map of the sides of another, the inverse of `as_elements`."""
    height = like.shape[2]
    return rearrange(elements, "batch (height time) feature -> batch feature height time", height=height)


def unit_length(vectors: Tensor) -> Tensor:
    """Return vectors scaled to unit length along the last axis, zeros kept zero."""
    return functional.normalize(vectors, dim=-1, eps=torch.finfo(vectors.dtype).tiny)
