"""FacER's network: ResNet-18 with external attention (FacER section IV-B-3, Fig. 4).

G. Wang, Q. Yan, S. Patrarungrong, J. Wang, H. Zeng, FacER: Contrastive attention based expression recognition via
smartphone earpiece speaker, IEEE INFOCOM 2023.

The paper leaves open where attention stands and how wide things are. Here: after the last stage (as in the reference
[36]), then the mean over all elements is the representation g(x); h is linear (Eq. 6); the projection of Eq. 3 is
linear, to 128 features of unit length (its reference [32]). With a spectrogram of 41 x 60 the last feature map is
2 x 2: Eq. 8 then attends over N = 4 elements. Before the last stage, or with a last stage of stride 1, it is 3 x 4.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from mien.models.blocks import (
    ExternalAttention,
    Outputs,
    ResNet18Trunk,
    SelfAttention,
    as_elements,
    as_map,
    unit_length,
)

Attention = Literal["external", "self", "none"]


@dataclass(frozen=True, slots=True)
class FacerShape:
    """What fixes the network's weights.

    Args:
        width: channels of ResNet-18's first stage; 64 in ResNet-18, 16 here by default for the sake of CPUs.
        attention: Eq. 8, Eq. 2, or none (the paper's ResNet baseline).
        attention_units: S of Eq. 8.
        attention_place: after the last stage, or before it.
        last_stride: of the last stage; 2 in ResNet-18, 1 gives attention a feature map twice as fine along both sides.
        projection_size: features of z in Eq. 3 and 9.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    width: Annotated[int, Field(ge=1, le=128)] = 16
    attention: Attention = "external"
    attention_units: Annotated[int, Field(ge=1, le=1024)] = 64
    attention_place: Literal["after", "before"] = "after"
    last_stride: Annotated[int, Field(ge=1, le=2)] = 2
    projection_size: Annotated[int, Field(ge=1, le=1024)] = 128


class Facer(nn.Module):
    """ResNet-18 trunk, attention, mean over elements, linear head and projection.

    Shapes:
        (batch channel height time) -> `Outputs`

    Example:
        >>> network = Facer((1, 40, 90), 6, FacerShape(width=4))
        >>> network(torch.zeros(2, 1, 40, 90)).logits.shape
        torch.Size([2, 6])
    """

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int, shape: FacerShape = FacerShape()) -> None:
        super().__init__()
        self.trunk = ResNet18Trunk(image_shape, shape.width, shape.last_stride)
        n_features = self.trunk.n_features
        self.attends_before = shape.attention_place == "before"
        self.attention = _attention(n_features // 2 if self.attends_before else n_features, shape)
        self.head = nn.Linear(n_features, n_classes)
        self.project = nn.Linear(n_features, shape.projection_size)

    def forward(self, images: Tensor) -> Outputs:
        feature_map = self.trunk.before_last(images)
        if self.attends_before:
            feature_map = as_map(self.attention(as_elements(feature_map)), feature_map)
        elements = as_elements(self.trunk.last(feature_map))
        if not self.attends_before:
            elements = self.attention(elements)
        representation = elements.mean(dim=1)
        return Outputs(self.head(representation), representation, unit_length(self.project(representation)))


def _attention(n_features: int, shape: FacerShape) -> nn.Module:
    if shape.attention == "external":
        return ExternalAttention(n_features, shape.attention_units)
    return SelfAttention(n_features) if shape.attention == "self" else nn.Identity()


class TwoLayerClassifier(nn.Module):
    """The classifier trained on source representations: hidden layers of 1,024 and 256 (FacER section VI-A, case 1b).

    The paper gives these two sizes alone. The non-linearity after each, the third layer to the classes and the
    optimiser (that of the network) are ours.

    Shapes:
        (batch feature) -> `Outputs`
    """

    def __init__(self, n_features: int, n_classes: int, hidden: tuple[int, ...] = (1024, 256)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in zip((n_features, *hidden), hidden, strict=False):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear((n_features, *hidden)[-1], n_classes)

    def forward(self, representation: Tensor) -> Outputs:
        inner = self.hidden(representation)
        return Outputs(self.head(inner), inner, torch.zeros_like(inner[:, :0]))
