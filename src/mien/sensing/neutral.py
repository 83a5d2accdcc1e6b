"""The face at rest, against which a profile is measured: a take's own beginning, a clip, or a running baseline."""

from dataclasses import dataclass

import numpy as np

from mien.recording import Recording
from mien.sensing.echoes import Echoes
from mien.sensing.windows import known_fact

NEUTRAL_UNTIL_S = 0.15
"""Until when a take is taken as neutral if its facts do not say: the first three periods, before the onset."""

RUNNING_S = 10.0
"""How long a running baseline remembers: several times the longest look that is held."""


@dataclass(frozen=True, slots=True, eq=False)
class NeutralProfile:
    """A person's neutral face as a front end has heard it, kept so that it need not be heard again.

    Args:
        values: (microphone range), before any level is divided by.
    """

    values: np.ndarray


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


def neutral_periods(echoes: Echoes, recording: Recording) -> int:
    """Return how many periods at a take's start show the neutral face, at least one.

    A period counts if the middle of its sweep lies before ``facts["neutral_until_s"]``.
    """
    until_s = known_fact(recording, "neutral_until_s", NEUTRAL_UNTIL_S)
    middle_s = echoes.period_start_s + echoes.grid.chirp.sweep_s / 2
    return max(1, int(np.count_nonzero(middle_s < until_s)))
