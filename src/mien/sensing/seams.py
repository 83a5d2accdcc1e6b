"""Find where a recording's time jumps and where its probe is silent, by the direct path from period to period.

A device's direct path hardly changes: neighbouring periods of 96 simulated takes of all four levels agree to 2e-4 of
their energy near it. Samples lost or doubled between them turn its phase (one sample at 21 kHz by 157 degrees) and move
its envelope; where the phase comes round, as with 7 or 16 samples, the envelope still tells. At any wrong place no two
periods agree by more than 0.86, so that nothing is found where nothing is wrong.

What moves from one period to the next without end is no seam but an arrival that moves: it is left as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from mien.sensing.arrivals import strongest_arrival_s
from mien.sensing.period_grid import PeriodGrid

NEAR_S = (-0.0005, 0.0012)
"""What counts as the direct path: the device itself and the hand that holds it, 20 cm there and back."""

LEAST_AMPLITUDE = 0.35
"""A direct path weaker than this part of what it is elsewhere is not there, as in `stream`."""

LEAST_AGREEMENT = 0.95
"""Between neighbouring periods, as a cosine; 0.86 is the best that a wrong shift reached on the narrowest phone."""

USUAL_AGREEMENT = 0.97
"""Where noise leaves the middle pair of periods less than this, nothing can be said of any."""

SPOILT = 5e-4
"""A period beside a seam, or at an end of the recording, was cut into where it disagrees by more than this, or by more
than four times what is usual."""

LEAST_JUMP_SAMPLES = 0.5
MOST_JUMPS = 0.25
"""Of the periods: beyond that an arrival moves, rather than time."""

_AHEAD = 32


@dataclass(frozen=True, slots=True)
class Jump:
    """Where a recording's time jumps.

    Args:
        at_sample: periods whose onset would lie from here on, had no sample been lost or doubled, are moved.
        n_samples: by how much: negative where samples were lost.
    """

    at_sample: float
    n_samples: float


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """How the direct path moves: (period) samples beside the first period, and its steady move per period."""

    moved_samples: np.ndarray
    step_samples: float


Cut = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Return (period freq) spectra of the periods of some numbers, each moved by so many samples."""


def moved_samples(jumps: Sequence[Jump], onsets_sample: np.ndarray) -> np.ndarray:
    """Return (period) by how much jumps move periods that would begin at (period) onsets without them."""
    total = np.zeros(len(onsets_sample))
    for jump in jumps:
        total += jump.n_samples * (onsets_sample >= jump.at_sample)
    return total


def near_direct(spectra: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (period time) the channel's response near its direct path, from (period freq) spectra."""
    return fft.ifft(spectra * grid.deconvolution) * _near(grid)


def _near(grid: PeriodGrid) -> np.ndarray:
    delay_s = fft.fftfreq(grid.n_cells, 1 / grid.n_cells) * grid.cell_s
    return (delay_s >= NEAR_S[0]) & (delay_s <= NEAR_S[1])


def loud_periods(near: np.ndarray) -> np.ndarray:
    """Return (period) whether the direct path is heard in each, from (period time) responses."""
    power = np.sum(np.abs(near) ** 2, axis=1)
    usual = np.median(power[power >= 0.25 * np.quantile(power, 0.9)])
    return power > LEAST_AMPLITUDE**2 * usual


def _agreement(first: np.ndarray, second: np.ndarray, turn: np.ndarray | float) -> np.ndarray:
    """Return (...) the cosine between responses (... time), the second turned back by (...) radians."""
    product = np.sum(first.conj() * second, axis=-1) * np.exp(-1j * np.asarray(turn))
    size = np.sqrt(np.sum(np.abs(first) ** 2, axis=-1) * np.sum(np.abs(second) ** 2, axis=-1))
    return product.real / np.maximum(size, np.finfo(float).tiny)


def _common_turn(near: np.ndarray, pairs: np.ndarray) -> float:
    """Return by how many radians most pairs of neighbours turn; the few that jump do not move it."""
    product = np.sum(near[:-1].conj() * near[1:], axis=1)[pairs]
    turns = np.angle(product)
    shown = turns[:: max(1, len(turns) // 200)]
    apart = np.abs(np.angle(np.exp(1j * (shown[:, None] - shown))))
    around = shown[np.argmin(np.median(apart, axis=0))]
    beside = np.angle(np.exp(1j * (turns - around)))
    return float(around + np.mean(beside[np.abs(beside) < 0.3]))


@dataclass(frozen=True, slots=True, eq=False)
class Steadiness:
    """How neighbouring periods agree.

    Args:
        loud: (period) whether the direct path is heard.
        agreement: (pair) the cosine between neighbours, after the turn that all share.
        turn: radians from one period to the next.
        least: below this a pair does not agree.
        least_at_ends: the same where a probe that begins or ends within the recording may have been cut into.
    """

    loud: np.ndarray
    agreement: np.ndarray
    turn: float
    least: float
    least_at_ends: float

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is wrong anywhere."""
        ends = min(self.agreement[0], self.agreement[-1])
        return bool(self.loud.all() and (self.agreement >= self.least).all() and ends >= self.least_at_ends)


def steadiness(spectra: np.ndarray, grid: PeriodGrid) -> Steadiness | None:
    """Return how the direct path stays from period to period; None where noise or few periods leave that open.

    Args:
        spectra: (period freq) of the channel that was synchronised to.
    """
    near = near_direct(spectra, grid)
    loud = loud_periods(near)
    pairs = loud[:-1] & loud[1:]
    if np.count_nonzero(pairs) < 3:
        return None
    turn = _common_turn(near, pairs)
    agreement = _agreement(near[:-1], near[1:], turn)
    usual = float(np.median(agreement[pairs]))
    if usual < USUAL_AGREEMENT:
        return None
    least, least_at_ends = 1 - max(1 - LEAST_AGREEMENT, 3 * (1 - usual)), 1 - max(SPOILT, 4 * (1 - usual))
    return Steadiness(loud, agreement, turn, least, least_at_ends)


def follow(spectra: np.ndarray, cut: Cut, grid: PeriodGrid) -> Track | None:
    """Return how the direct path jumps within a recording; None where it does not, or never rests.

    Args:
        spectra: (period freq) of the channel that was synchronised to, cut at even steps.
        cut: cuts periods anew.
    """
    steady = steadiness(spectra, grid)
    if steady is None or steady.is_whole:
        return None
    first, last = _longest_run((steady.agreement >= steady.least) & steady.loud[:-1] & steady.loud[1:])
    n_periods = len(spectra)
    moved = np.zeros(n_periods)
    step = -steady.turn / (2 * np.pi * grid.chirp.center_hz) * grid.chirp.rate_hz
    numbers = np.arange(n_periods)
    # From the longest stretch without a jump to both ends.
    for order in (numbers[last:], numbers[: first + 1][::-1]):
        _walk(order, moved, cut, steady, grid)
    if np.count_nonzero(np.diff(moved)) > max(1, MOST_JUMPS * n_periods):
        return None
    return Track(moved, step)


def _longest_run(true: np.ndarray) -> tuple[int, int]:
    """Return first and last period of the longest run of pairs that agree."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8))).reshape(-1, 2)
    first, last = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    return int(first), int(last)


def _walk(order: np.ndarray, moved: np.ndarray, cut: Cut, steady: Steadiness, grid: PeriodGrid) -> None:
    """Move periods, in an order that begins with one that is known, to where their direct path is found."""
    known, place = int(order[0]), 1
    samples_per_radian = grid.chirp.rate_hz / (2 * np.pi * grid.chirp.center_hz)
    reference = near_direct(cut(order[:1], moved[order[:1]]), grid)[0]
    while place < len(order):
        ahead = order[place : place + _AHEAD]
        spectra = cut(ahead, moved[ahead])
        near = near_direct(spectra, grid)
        for number, period in enumerate(ahead):
            turn = steady.turn * (period - known)
            if _is_there(reference, near[number]) and _agreement(reference, near[number], turn) >= steady.least:
                known, reference = int(period), near[number]
                continue
            turns = steady.turn * (ahead[number : number + 2] - known)
            jump, n_spoilt = _jump(reference, spectra[number : number + 2], turns, steady, grid)
            if jump:
                moved[order[place + number :]] += jump
                place += number + n_spoilt
                # Cut where it now lies, half a period away for example, it tells the rest of the way.
                there = order[place : place + 1]
                left = np.vdot(reference, near_direct(cut(there, moved[there]), grid)[0])
                left_rad = np.angle(left * np.exp(-1j * turns[n_spoilt]))
                moved[order[place - n_spoilt :]] -= left_rad * samples_per_radian
                break
        else:
            place += len(ahead)


def _is_there(reference: np.ndarray, near: np.ndarray) -> bool:
    """Return whether a response (time) is as strong as a direct path must be beside the last one heard."""
    return bool(np.linalg.norm(near) > LEAST_AMPLITUDE * np.linalg.norm(reference))


def _jump(
    reference: np.ndarray, spectra: np.ndarray, turns: np.ndarray, steady: Steadiness, grid: PeriodGrid
) -> tuple[float, int]:
    """Return by how many samples the direct path has jumped, and how many periods lie on the cut; 0 where it has not.

    Args:
        reference: (time) the last response that was heard. spectra: (period freq) the next two periods.
        turns: (period) radians from the reference to each.
    """
    expected = fft.fft(reference)
    for n_spoilt, (spectrum, turn) in enumerate(zip(spectra, turns, strict=True)):
        response = spectrum * grid.deconvolution
        if np.abs(fft.ifft(response)).max() < LEAST_AMPLITUDE * np.abs(reference).max():
            continue
        delay_s = _delay_s(expected.conj() * response, turn, grid)
        there = fft.ifft(response * np.exp(2j * np.pi * grid.freq_hz * delay_s)) * _near(grid)
        jump = delay_s * grid.chirp.rate_hz
        if (
            abs(jump) >= LEAST_JUMP_SAMPLES
            and _is_there(reference, there)
            and _agreement(reference, there, turn) >= steady.least
        ):
            return jump, n_spoilt
    return 0.0, 0


def _delay_s(crossed: np.ndarray, turn: float, grid: PeriodGrid) -> float:
    """Return the delay at which a (freq) product of two responses is largest, of its cycles the nearest to the peak."""
    delay_s = strongest_arrival_s(crossed, grid)
    left = np.sum(crossed * np.exp(2j * np.pi * grid.freq_hz * delay_s)) * np.exp(-1j * turn)
    return delay_s - float(np.angle(left)) / (2 * np.pi * grid.chirp.center_hz)


def spoilt_periods(spectra: np.ndarray, jumps_at: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return the periods, rising, in which the probe is silent or cut into.

    Args:
        spectra: (period freq) of the channel that was synchronised to, every period where its direct path is.
        jumps_at: the first period behind each jump.
    """
    near = near_direct(spectra, grid)
    spoilt = ~loud_periods(near)
    suspect = np.zeros(len(near), dtype=bool)
    suspect[[0, -1]] = True
    suspect[jumps_at] = suspect[jumps_at - 1] = True
    while True:
        suspect[1:] |= spoilt[:-1]
        suspect[:-1] |= spoilt[1:]
        found = spoilt | _disagreeing(near, suspect & ~spoilt, ~suspect & ~spoilt)
        if (found == spoilt).all():
            return np.flatnonzero(spoilt)
        spoilt = found


def _disagreeing(near: np.ndarray, suspect: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Return (period) which of those that are suspect disagree with the nearest that is sure."""
    numbers, found = np.flatnonzero(sure), np.zeros(len(near), dtype=bool)
    if not len(numbers):
        return found
    pairs = numbers[:-1][np.diff(numbers) == 1]
    usual = float(np.median(1 - _agreement(near[pairs], near[pairs + 1], 0.0))) if len(pairs) else 0.0
    chosen = np.flatnonzero(suspect)
    nearest = numbers[[np.argmin(np.abs(numbers - period)) for period in chosen]]
    found[chosen] = 1 - _agreement(near[nearest], near[chosen], 0.0) > max(SPOILT, 4 * usual)
    return found


def completed(values: np.ndarray, spoilt: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return (channel period ...) values with spoilt periods taken from the nearest whole one: a face moves little.

    Example:
        >>> completed(np.arange(5.0)[None], [0, 3]).tolist()
        [[1.0, 1.0, 2.0, 2.0, 4.0]]
    """
    whole = np.setdiff1d(np.arange(values.shape[1]), spoilt)
    if not len(whole) or not len(spoilt):
        return values
    wanted = np.asarray(spoilt)
    after = np.minimum(np.searchsorted(whole, wanted), len(whole) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(whole[before] - wanted) <= np.abs(whole[after] - wanted), whole[before], whole[after])
    filled = values.copy()
    filled[:, wanted] = values[:, nearest]
    return filled
