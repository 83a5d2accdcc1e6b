"""Windows that begin anywhere in an expression, made of takes that begin before it."""

from dataclasses import replace

import numpy as np

from mien.sensing.features import Features
from mien.sensing.neutral import NEUTRAL_UNTIL_S

HELD_FROM_S = 0.85
"""From when on simulated expressions are held, all but a few: onsets of version 2 take up to 0.7 s."""

LEAST_EXPRESSION_S = 0.45
"""How much of an expression a window has at least: half of the slowest onset and more."""


def slid(features: Features, rng: np.random.Generator) -> Features:
    """Return windows moved along time at random: into the expression, up to all of it held,
    or back into the neutral before.

    A take has neither later nor earlier sound, so its own is mirrored at its ends: the held part to and fro where the
    expression would be held on, the neutral beginning where that was longer. Noise and tremor stay what they are; that
    they come twice is untrue to a stream, and `experiments/live` scores on true ones.

    Example:
        >>> moved_periods(20, 0.05, np.array([0, 12, -4]))[:, [0, 1, 18, 19]].tolist()
        [[0, 1, 18, 19], [12, 13, 16, 17], [0, 1, 14, 15]]
    """
    period_s = float(np.diff(features.axis("time").values).mean())
    n_periods = features.values.shape[-1]
    least = round(LEAST_EXPRESSION_S / period_s) + round(NEUTRAL_UNTIL_S / period_s)
    moves = rng.integers(least - n_periods, n_periods, len(features))
    index = moved_periods(n_periods, period_s, moves)
    values = np.take_along_axis(features.values, index[:, None, None, :], axis=-1)
    return replace(features, values=values)


def moved_periods(n_periods: int, period_s: float, moves: np.ndarray) -> np.ndarray:
    """Return (window period) which period of the take stands where, for windows moved by so many periods."""
    wanted = moves[:, None] + np.arange(n_periods)
    n_rest, first_held = round(NEUTRAL_UNTIL_S / period_s), round(HELD_FROM_S / period_s)
    later = n_periods - 1 - _to_and_fro(wanted - (n_periods - 1), n_periods - first_held)
    earlier = _to_and_fro(-wanted, n_rest)
    return np.where(wanted >= n_periods, later, np.where(wanted < 0, earlier, wanted))


def _to_and_fro(steps: np.ndarray, n_places: int) -> np.ndarray:
    """Return the place 0 .. n_places - 1 after so many steps away from 0, turning round at either end."""
    around = np.abs(steps) % max(1, 2 * (n_places - 1))
    return np.minimum(around, max(1, 2 * (n_places - 1)) - around)
