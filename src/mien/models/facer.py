"""FacER's network: ResNet-18 with external attention (FacER section IV-B-3, Fig. 4).

G. Wang, Q. Yan, S. Patrarungrong, J. Wang, H. Zeng, FacER: Contrastive attention based expression recognition via
smartphone earpiece speaker, IEEE INFOCOM 2023.

The paper leaves open where attention stands and how wide things are. Here: before the last stage or after it or after
every one (`mien.learning.methods` chooses), then the mean over all elements is the representation g(x); h is linear
(Eq. 6); the projection of Eq. 3 is linear, to 128 features of unit length (its reference [32]). With a spectrogram of
41 x 60 the last feature map is 2 x 2: Eq. 8 then attends over N = 4 elements. Before the last stage, or with a last
stage of stride 1, it is 3 x 4.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from mien.models.blocks import (
    AttentionNorm,
    ExternalAttention,
    Outputs,
    ResNet18Trunk,
    SelfAttention,
    as_elements,
    as_map,
    unit_length,
)

Attention = Literal["external", "self", "none"]

ATTENDED = {"before": (2,), "after": (3,), "every": (0, 1, 2, 3)}
"""`attention_place` -> stages after which attention stands."""


@dataclass(frozen=True, slots=True)
class FacerShape:
    """What fixes the network's weights.

    Args:
        width: channels of ResNet-18's first stage; 64 in ResNet-18, 16 here by default for the sake of CPUs.
        attention: Eq. 8, Eq. 2, or none (the paper's ResNet baseline).
        attention_units: S of Eq. 8.
        attention_place: "after" the last stage, "before" it, or after "every" one.
        attention_norm: what Eq. 8's Norm is taken over, see `ExternalAttention`. Models without a word of it are of
            "double".
        attention_batch_norm: whether what external attention adds is brought to the feature map's scale.
        last_stride: of the last stage; 2 in ResNet-18, 1 gives attention a feature map twice as fine along both sides.
        projection_size: features of z in Eq. 3 and 9.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    width: Annotated[int, Field(ge=1, le=128)] = 16
    attention: Attention = "external"
    attention_units: Annotated[int, Field(ge=1, le=1024)] = 64
    attention_place: Literal["after", "before", "every"] = "after"
    attention_norm: AttentionNorm = "double"
    attention_batch_norm: bool = False
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
        self.attended = ATTENDED[shape.attention_place]
        modules = [_attention(self.trunk.features_of_stages[stage], shape) for stage in self.attended]
        self.attention = modules[0] if len(modules) == 1 else nn.ModuleList(modules)
        self.head = nn.Linear(n_features, n_classes)
        self.project = nn.Linear(n_features, shape.projection_size)

    def attention_of_stages(self) -> dict[int, nn.Module]:
        """Return number of a stage -> the attention after it."""
        modules = self.attention if isinstance(self.attention, nn.ModuleList) else (self.attention,)
        return dict(zip(self.attended, modules, strict=True))

    def added_by_attention(self, images: Tensor) -> Tensor:
        """Return what the last attention adds to the feature map it stands on, (batch feature height time)."""
        stage, module = list(self.attention_of_stages().items())[-1]
        added: list[Tensor] = []

        def keep(_: nn.Module, given: tuple[Tensor], result: Tensor) -> None:
            added.append(result - given[0])

        handles = [
            module.register_forward_hook(keep),
            self.trunk.stages[2 * stage + 1].register_forward_hook(lambda _, given, result: added.append(result)),
        ]
        try:
            self(images)
        finally:
            for handle in handles:
                handle.remove()
        feature_map, elements = added
        return as_map(elements, feature_map)

    def forward(self, images: Tensor) -> Outputs:
        representation = as_elements(self.trunk(images, self.attention_of_stages())).mean(dim=1)
        return Outputs(self.head(representation), representation, unit_length(self.project(representation)))


def _attention(n_features: int, shape: FacerShape) -> nn.Module:
    if shape.attention == "external":
        return ExternalAttention(n_features, shape.attention_units, shape.attention_norm, shape.attention_batch_norm)
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
