"""The face at rest, against which a profile is measured: a take's own beginning, a clip, or a running baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mien.errors import ModelError, RecordingError
from mien.recording import Recording
from mien.sensing.echoes import Echoes
from mien.sensing.windows import Windows, known_fact

NEUTRAL_UNTIL_S = 0.15
"""How long a take is taken as neutral if its facts do not say: the probe's first three periods, before the onset."""

RUNNING_S = 10.0
"""How long a running baseline remembers: several times the longest look that is held."""


@dataclass(frozen=True, slots=True, eq=False)
class NeutralProfile:
    """A person's neutral face as a front end has heard it, kept so that it need not be heard again.

    Args:
        values: (microphone range), before any level is divided by.
    """

    values: np.ndarray

    def tensors(self) -> dict[str, np.ndarray]:
        """Return real and imaginary part, as a model's folder keeps them; magnitudes have no imaginary part."""
        parts = {"neutral.real": self.values.real}
        return parts | ({"neutral.imaginary": self.values.imag} if np.iscomplexobj(self.values) else {})

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], n_microphones: int) -> Self | None:
        """Return the neutral profile among a model's tensors; None where there is none.

        Raises:
            ModelError: parts that do not fit each other or the microphones.
        """
        if not any(name.startswith("neutral.") for name in tensors):
            return None
        real, imaginary = tensors.get("neutral.real"), tensors.get("neutral.imaginary")
        if real is None or real.ndim != 2 or len(real) != n_microphones:
            found = None if real is None else real.shape
            raise ModelError(f"the neutral profile is {found}; (microphone range) of {n_microphones} is needed")
        if imaginary is not None and imaginary.shape != real.shape:
            raise ModelError(f"the neutral profile's parts are of shapes {real.shape} and {imaginary.shape}")
        return cls(real if imaginary is None else real + 1j * imaginary)


def against(values: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return (channel window time range) values less their (channel window range) neutral, by its level and phase."""
    size = np.abs(references)
    turn = np.where(size > 0, references.conj() / np.maximum(size, np.finfo(float).tiny), 1)
    level = np.maximum(np.sqrt(np.mean(size**2, axis=2, keepdims=True)), np.finfo(float).tiny)
    return (values - references[:, :, None]) * turn[:, :, None] / level[:, :, None]


def running_references(profile: np.ndarray, first: np.ndarray, n_first: int, n_past: int) -> np.ndarray:
    """Return the running baseline of windows: the median profile of the calm periods lately heard before each.

    What a window is measured against hangs only on periods before it and on its own first `n_first`, so that live use
    has the same. Of the last `n_past` of them the calmer half counts: those that differ least from the one before. A
    face at rest is calm, and comes back to the same place; an expression that is held longer than rest is taken for
    rest. At a recording's start there is no past, and the baseline is that of "take".

    Args:
        profile: (channel period range). first: (window) first period of each window.
        n_first: periods that a window begins with at rest. n_past: periods remembered.

    Returns:
        (channel window range)
    """
    change = np.abs(np.diff(profile, axis=1, prepend=profile[:, :1])).sum(axis=(0, 2))
    found = []
    for start in first:
        past = np.arange(max(0, start + n_first - n_past), start + n_first)
        if start == 0:
            found.append(profile[:, past].mean(axis=1))
            continue
        calm = past[change[past] <= np.median(change[past])]
        heard = profile[:, calm]
        middle = np.median(heard.real, axis=1)
        found.append(middle + 1j * np.median(heard.imag, axis=1) if np.iscomplexobj(heard) else middle)
    return np.stack(found, axis=1)


def neutral_periods(echoes: Echoes, recording: Recording) -> slice:
    """Return the periods that show the neutral face, from the first in which the probe is heard; at least one.

    A period counts if the middle of its sweep lies before ``facts["neutral_until_s"]``, which counts from the
    recording's beginning; where that is not known or was before the probe began, within `NEUTRAL_UNTIL_S` of that.
    """
    first = echoes.sync.first_heard
    middle_s = echoes.period_start_s[first:] + echoes.grid.chirp.sweep_s / 2
    begins_s = max(float(echoes.period_start_s[first]), 0.0) if first else 0.0
    assumed_s = begins_s + NEUTRAL_UNTIL_S
    for until_s in (known_fact(recording, "neutral_until_s", assumed_s), assumed_s):
        n_periods = int(np.count_nonzero(middle_s < until_s))
        if n_periods:
            break
    return slice(first, first + max(1, n_periods))


def mean_profile(profiles: Sequence[np.ndarray]) -> NeutralProfile:
    """Return what several recordings of one neutral face, each (channel period range), are taken to be: their mean.

    Raises:
        RecordingError: none, or of other channels or cells.
    """
    means = [profile.mean(axis=1) for profile in profiles]
    if len({mean.shape for mean in means}) != 1:
        raise RecordingError(
            f"{len(means)} neutral clips with {[len(mean) for mean in means]} channels; at least one is needed, and "
            "all alike"
        )
    return NeutralProfile(np.mean(means, axis=0))


def references(
    neutral: str,
    profile: np.ndarray,
    windows: Windows,
    echoes: Echoes,
    recording: Recording,
    known: NeutralProfile | None,
) -> np.ndarray:
    """Return (channel window range) what each window is measured against; one for all where that is one.

    Args:
        neutral: "take", "clip" or "running". profile: (channel period range). known: the clip's, where one was given.

    Raises:
        RecordingError: a clip is asked for and not given, or has other channels.
    """
    still = neutral_periods(echoes, recording)
    if neutral == "take":
        return profile[:, still].mean(axis=1, keepdims=True)
    if neutral == "running":
        begin = min(still.start, int(windows.first[0]))
        n_past = round(RUNNING_S / echoes.grid.chirp.period_s)
        return running_references(profile[:, begin:], windows.first - begin, still.stop - still.start, n_past)
    if known is None:
        raise RecordingError(
            "neutral='clip' needs a recording of the person's neutral face and none was given; "
            "give features(recording, neutral=...) one or choose neutral='take'"
        )
    if known.values.shape != profile[:, 0].shape:
        raise RecordingError(
            f"the neutral clip has {len(known.values)} channels of {known.values.shape[1]} cells, the recording "
            f"{len(profile)} of {profile.shape[2]}; record both alike"
        )
    return known.values[:, None]
