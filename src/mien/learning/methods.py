"""The methods by name: one row each. A further method is a further row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mien.errors import ModelError
from mien.learning.augmentation import Augmentation
from mien.learning.classical import ClassicalClassifier
from mien.learning.dann import DannClassifier, DannOptions
from mien.learning.facer import FacerClassifier, FacerOptions
from mien.learning.loop import Training
from mien.learning.machines import LinearOptions, SvmOptions
from mien.learning.network import NetworkClassifier, ResidualOptions, SonicFaceOptions, TemporalOptions
from mien.learning.xhar import XharClassifier, XharOptions
from mien.models.facer import FacerShape
from mien.probe import Chirp, Probe, sonicface_probe
from mien.sensing.features import FrontEnd
from mien.sensing.front_ends import ChirpAndTones, RangeProfile, Spectrogram


@dataclass(frozen=True, slots=True)
class Method:
    """One way to get from windows to probabilities.

    Args:
        summary: one line for people.
        estimator: the class, made of (options, seed).
        options: its defaults.
        hears: the front end it is meant for.
        probe: what must be emitted for that.
        adapts: whether it can learn from unlabelled windows of new people.
        by_chance: whether another seed, or another processor, gives other answers; else one training stands for all.
    """

    summary: str
    estimator: Any
    options: Any
    hears: FrontEnd
    probe: Probe = Chirp()
    adapts: bool = False
    by_chance: bool = True


DECIDING = FacerShape(attention_place="before", attention_norm="units", attention_batch_norm=True)
"""The reading of FacER's Eq. 8 under which attention decides answers (`docs/methods.md`).

`FacerShape`'s own defaults stay as they were: a folder of a model from before these options says nothing of them.
"""

PROFILE = RangeProfile(neutral="take")
"""Complex profiles over 1 s against the person's neutral face."""


METHODS: dict[str, Method] = {
    "facer": Method(
        "ResNet-18 with external attention and contrastive adaptation (FacER)",
        FacerClassifier,
        FacerOptions(network=ResidualOptions(shape=DECIDING)),
        Spectrogram(),
        adapts=True,
    ),
    "resnet": Method(
        "ResNet-18 by cross-entropy (FacER's backbone alone)",
        NetworkClassifier,
        ResidualOptions(shape=FacerShape(attention="none")),
        Spectrogram(),
    ),
    "xhar": Method(
        "ResNet-18 with domain discriminators behind a reversed gradient (after XHAR)",
        XharClassifier,
        XharOptions(),
        Spectrogram(),
        adapts=True,
    ),
    "dann": Method(
        "ResNet-18 with domain-adversarial training (skada's DANN)",
        DannClassifier,
        DannOptions(),
        Spectrogram(),
        adapts=True,
    ),
    "sonicface": Method(
        "1-D convolutions on changes of range profile and pure tones (after SonicFace)",
        NetworkClassifier,
        SonicFaceOptions(
            training=Training(
                optimizer="adamw", learning_rate=2e-3, weight_decay=1e-3, schedule="cosine", epochs=60, patience=20
            ),
            augmentation=Augmentation(gain_spread=0.1, distance_spread=0.0, noise_spread=0.3),
        ),
        ChirpAndTones(),
        probe=sonicface_probe(),
    ),
    "svm": Method("support vector machine, radial kernel", ClassicalClassifier, SvmOptions(), PROFILE, by_chance=False),
    "linear": Method("logistic regression", ClassicalClassifier, LinearOptions(), PROFILE, by_chance=False),
    "mien": Method(
        "small network of time on complex range profiles against the person's neutral face",
        NetworkClassifier,
        TemporalOptions(
            training=Training(
                optimizer="adamw", learning_rate=2e-3, weight_decay=1e-3, schedule="cosine", epochs=60, patience=20
            ),
            augmentation=Augmentation(gain_spread=0.1, distance_spread=0.0, shift_cells=1, noise_spread=0.3),
        ),
        PROFILE,
    ),
}


def method_named(name: str) -> Method:
    """Return a method.

    Raises:
        ModelError: an unknown name.
    """
    try:
        return METHODS[name]
    except KeyError:
        raise ModelError(f"method {name!r} is unknown; known are {', '.join(METHODS)}") from None


def option_names(options: Any) -> list[str]:
    """Return the names that `with_changes` takes, those of nested options included."""
    names: list[str] = []
    for each in fields(options):
        value = getattr(options, each.name)
        names += option_names(value) if is_dataclass(value) else [each.name]
    return names


def with_changes(options: Any, changes: Mapping[str, Any]) -> Any:
    """Return options with fields changed by name, wherever in them they stand; validated.

    A name that stands twice (FacER's `temperature`, of Eq. 3 and of Eq. 9) changes both.

    Raises:
        ModelError: an unknown name, or a value that is not allowed, naming what is.

    Example:
        >>> with_changes(METHODS["facer"].options, {"width": 8, "epochs": 2}).network.training.epochs
        2
    """
    known = option_names(options)
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise ModelError(f"option {', '.join(unknown)} is unknown here; known are {', '.join(known)}")
    return options_from_json(type(options), asdict(_changed(options, changes)))


def _changed(options: Any, changes: Mapping[str, Any]) -> Any:
    new = {}
    for each in fields(options):
        value = getattr(options, each.name)
        if is_dataclass(value):
            new[each.name] = _changed(value, changes)
        elif each.name in changes:
            new[each.name] = changes[each.name]
    return replace(options, **new)


def options_to_json(options: Any) -> dict[str, Any]:
    """Return options as plain JSON values."""
    return TypeAdapter(type(options)).dump_python(options, mode="json")


def options_from_json(kind: type, values: Any) -> Any:
    """Return options of a kind from JSON values.

    Raises:
        ModelError: unknown fields or values that are not allowed.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
        raise ModelError(f"option {place} is {first.get('input')!r}: {first['msg'].lower()}") from None


def parse_options(method: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return a method's options from texts like "epochs=20"; values are JSON, or else words.

    Raises:
        ModelError: no "=", an unknown name or a value that is not allowed.

    Example:
        >>> parse_options("facer", ["width=8", "attention=self"])
        {'width': 8, 'attention': 'self'}
    """
    changes: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ModelError(f"option {text!r} has no value; write NAME=VALUE, for example epochs=20")
        try:
            changes[name.strip()] = json.loads(value)
        except ValueError:
            changes[name.strip()] = value.strip()
    with_changes(method_named(method).options, changes)
    return changes
