"""A face at rest, and a look that is held: what a model that knows six expressions cannot say by itself.

Two things are added to what a model answers, and both hang on how far the face is from rest: on the root mean square
change of its profile, relative to the neutral one (`LiveWindows.away`).

- **Neutral.** Models learn expressions and no neutral face. How likely a face is at rest follows from its distance by
  a logistic curve, fitted to simulated streams (`experiments/live`).
- **Holding.** A model whose training takes are as long as its window has heard every look from rest into it; of a
  window that lies wholly within a held look it knows little, the `builtin` model too, though it has learnt from windows
  that were continued by mirroring: on version 1 of the levels it named 48 % of held looks at `medium` right by such
  windows alone. So the answer is taken of windows that begin at rest, and stands for as long as the face stays away
  from rest: then it was 74 %.
"""

import numpy as np

from mien.recognizer import Recognizer
from mien.sensing.front_ends import RangeProfile

REST_AWAY = 0.69
"""How far from rest a face is as likely at rest as showing something: fitted to streams of ten simulated people of
level `hard` (levels version 2, seed 4000), rest and looks counting alike."""

STEEPNESS = 3.3

MOST_FROM_REST = 4.0
"""Windows per take of a model that has heard no look held for long: two of the take's beginning and, in `builtin`, two
moved by less than the take; takes of 3 s have more."""


def neutral_probability(away: float) -> float:
    """Return how likely a face is at rest that is so far away from its neutral profile.

    A logistic curve over the logarithm of the distance.

    Example:
        >>> neutral_probability(0.0), round(neutral_probability(REST_AWAY), 3)
        (1.0, 0.5)
    """
    return 1 / (1 + (max(away, 0.0) / REST_AWAY) ** STEEPNESS)


def knows_onsets_alone(recognizer: Recognizer) -> bool:
    """Return whether all windows that a model learnt from began at rest, as far as its description tells."""
    told, front_end = recognizer.training, recognizer.front_end
    if not (isinstance(front_end, RangeProfile) and front_end.neutral != "none" and told.n_takes):
        return False
    return bool(told.n_windows <= MOST_FROM_REST * told.n_takes)


class Holding:
    """The answer that stands while a look is held."""

    def __init__(self) -> None:
        self._held: np.ndarray | None = None

    def forget(self) -> None:
        """Begin anew, after a gap."""
        self._held = None

    def answer(
        self, expressions: np.ndarray, foreignness: float, away_at_first: float, away_at_last: float
    ) -> tuple[np.ndarray, float]:
        """Return (class) probabilities given that the face is not at rest, and how foreign what they were taken of is.

        Args:
            expressions: (class) what the model says of the window. foreignness: how foreign it is to the model.
            away_at_first, away_at_last: how far from rest the face is when the window begins and when it ends.
        """
        if neutral_probability(away_at_last) > 0.5:
            self._held = None
            return expressions, foreignness
        if neutral_probability(away_at_first) > 0.5:
            new = np.append(expressions, foreignness)
            self._held = new if self._held is None else (self._held + new) / 2
        if self._held is None:  # it began before anything was heard, or the face does not come back to rest
            return np.full(len(expressions), 1 / len(expressions)), foreignness
        return self._held[:-1], float(self._held[-1])
