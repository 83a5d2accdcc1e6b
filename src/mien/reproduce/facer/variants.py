"""The ablations: one change each to a method or to what it hears, screened on one split of people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mien.learning.facer import Adaptation
from mien.probe import Chirp
from mien.reproduce.cohort import Ear
from mien.reproduce.facer.plan import Scale
from mien.sensing.front_ends import RangeProfile, Spectrogram

WIDE = Chirp(low_hz=15_000.0)
"""8 kHz of band that ends where the paper's does; its lower half is audible to some."""

ADAPTING_OPTIONS = {option.name for option in fields(Adaptation)}
"""Options of Algorithm 1: `fit` knows nothing of them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A method with one thing changed.

    Args:
        group: what is varied; name: how; usual: whether this is how the method stands in the cases.
        method: by its name in `METHODS`.
        ear: what it hears.
        changes: all of its options that are not defaults.
        protocol: the split it is scored on.
        in_adaptation: what is changed acts in adaptation alone: as trained, nothing differs.
    """

    group: str
    name: str
    method: str
    ear: Ear
    changes: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = "subjects:12/3/5"
    usual: bool = False
    in_adaptation: bool = False

    @property
    def title(self) -> str:
        return f"{self.method} | {self.group} | {self.name}"


def variants(scale: Scale) -> tuple[Variant, ...]:
    """Return all variants of a scale."""
    split = "subjects:{}/{}/{}".format(*scale.screened)
    every = [*_of_facer(scale), *_of_sound(scale), *_of_profiles(scale)]
    found = [each for each in every if each.usual or scale.varied is None or each.group in scale.varied]
    return tuple(replace(each, protocol=split) for each in found) + tuple(_of_people(scale))


def _of_facer(scale: Scale) -> Iterator[Variant]:
    """Yield what the paper's own parts are worth."""
    rows: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("as in the cases", "external attention, S = 64", {}),
        ("attention", "none", {"attention": "none"}),
        ("attention", "self", {"attention": "self"}),
        ("attention", "external, S = 16", {"attention_units": 16}),
        ("attention", "external, S = 256", {"attention_units": 256}),
        (
            "attention",
            "external, after the last stage, softmax over elements",
            {"attention_place": "after", "attention_norm": "double", "attention_batch_norm": False},
        ),
        ("attention", "external, after a last stage of stride 1", {"attention_place": "after", "last_stride": 1}),
        ("contrastive loss of Eq. 9", "weight 0", {"contrastive_weight": 0.0}),
        ("pseudo-labels", "iterated K-means", {"pseudo_labels": "k-means"}),
        ("pseudo-labels", "the confident alone, 0.4 or more", {"pseudo_labels": "confident", "least_confidence": 0.4}),
        ("augmentation", "off", {"gain_spread": 0.0, "distance_spread": 0.0}),
    )
    usual = scale.options.get("facer", {})
    for group, name, changes in rows:
        late = bool(changes) and set(changes) <= ADAPTING_OPTIONS
        ear, full = scale.ear("facer"), {**usual, **changes}
        yield Variant(group, name, "facer", ear, full, usual=not changes, in_adaptation=late)


def _of_sound(scale: Scale) -> Iterator[Variant]:
    """Yield what the paper's cleaning is worth."""
    usual = scale.spectrogram
    rows: tuple[tuple[str, str, Spectrogram], ...] = (
        ("range gate", "off", replace(usual, gate=False)),
        ("direct path", "kept", replace(usual, direct_path="kept")),
        ("direct path", "kept, no gate", replace(usual, direct_path="kept", gate=False)),
        ("values", "complex", replace(usual, values="complex")),
        ("window", "0.1 s", replace(usual, window_s=0.1)),
        ("window", "0.5 s", replace(usual, window_s=0.5)),
    )
    for group, name, front_end in rows:
        yield Variant(group, name, "facer", Ear(front_end), scale.options.get("facer", {}))


def _of_profiles(scale: Scale) -> Iterator[Variant]:
    """Yield what reference, time, microphones and band are worth to methods that hear complex profiles."""
    usual = RangeProfile(neutral="take")
    # A take of one window has no past: a running baseline would be the take's own beginning once more.
    has_past = scale.duration_s > usual.window_s
    running = [("neutral reference", "a running baseline", Ear(replace(usual, neutral="running")))] * has_past
    rows: tuple[tuple[str, str, Ear], ...] = (
        ("as in the cases", "against the take's own beginning, 1 s, one microphone, 4 kHz", Ear(usual)),
        ("neutral reference", "none", Ear(replace(usual, neutral="none"))),
        ("neutral reference", "a stored clip", Ear(replace(usual, neutral="clip"))),
        *running,
        ("values", "magnitude", Ear(replace(usual, values="magnitude"))),
        ("window", "0.25 s", Ear(replace(usual, window_s=0.25, hop_s=0.25))),
        ("window", "0.5 s", Ear(replace(usual, window_s=0.5))),
        ("microphones", "two", Ear(usual, n_microphones=2)),
        ("band", "15-23 kHz", Ear(usual, WIDE)),
    )
    for method in ("mien", "svm"):
        for group, name, ear in rows:
            yield Variant(group, name, method, ear, scale.options.get(method, {}), usual=ear == scale.ear(method))


def _of_people(scale: Scale) -> Iterator[Variant]:
    """Yield the curve over training people; the people who are scored are the same as in the other screens."""
    _, n_stop, n_test = scale.screened
    for n_people in scale.training_people:
        for method in ("facer", "mien", "svm"):
            split = f"subjects:{n_people}/{n_stop}/{n_test}"
            changes = scale.options.get(method, {})
            yield Variant("training people", str(n_people), method, scale.ear(method), changes, split)
