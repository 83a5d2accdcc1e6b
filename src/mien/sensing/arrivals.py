"""The first arrival in a compressed period, its delay to a hundredth of a sample, its phase from period to period."""

from functools import lru_cache

import numpy as np
from scipy import fft

from mien.dsp import raised_cosine_step
from mien.sensing.period_grid import PeriodGrid

FIRST_ARRIVAL_RATIO = 0.2
"""An arrival before the strongest counts as the direct path from this part of its amplitude (-14 dB)."""

LOOK_BACK_S = 0.0035
"""How far before the strongest arrival the direct path may lie: 60 cm of distance to the face."""

OVERSAMPLING = 8
"""Of the profile in which the first arrival is sought."""

KNOT_S = 5.0
"""The clock is followed by a line per 5 s; its rate changes by well below 1 ppm in that time."""


@lru_cache(maxsize=32)
def smooth_compression(grid: PeriodGrid) -> np.ndarray:
    """Return (freq) the deconvolution with a Hann taper over the band: sidelobes below -31 dB, falling fast."""
    low_hz, high_hz = grid.chirp.band_hz
    middle_hz = grid.chirp.center_hz
    rise = raised_cosine_step(grid.freq_hz, low_hz, middle_hz)
    return grid.deconvolution * rise * (1 - raised_cosine_step(grid.freq_hz, middle_hz, high_hz))


def envelope_peak(spectrum: np.ndarray, offset_hz: np.ndarray, delay_s: float) -> float:
    """Return the delay at which ``|sum_f X(f) exp(j 2 pi f delay)|`` is largest, by Newton's method from `delay_s`.

    The sum is the exact band-limited interpolation of the compressed signal, so no parabola biases the result.

    Args:
        spectrum: (freq) of a compressed signal.
        offset_hz: (freq) frequencies, any origin.
    """
    turn = 2j * np.pi * offset_hz
    powers = np.stack([np.ones_like(turn), turn, turn**2])
    for _ in range(8):
        zeroth, first, second = powers @ (spectrum * np.exp(turn * delay_s))
        slope = (zeroth.conj() * first).real
        curvature = abs(first) ** 2 + (zeroth.conj() * second).real
        if curvature >= 0:
            break
        step_s = slope / curvature
        delay_s -= step_s
        if abs(step_s) < 1e-10:
            break
    return float(delay_s)


def first_peak(profile: np.ndarray, look_back: int) -> int:
    """Return the index of the first arrival: the earliest peak of some weight at most `look_back` before the strongest.

    The direct path is nearly always the strongest arrival and then the first. Where a face or a hand echoes more
    strongly, an earlier peak of at least `FIRST_ARRIVAL_RATIO` of it is the direct path; anything weaker could be a
    sidelobe of an uneven loudspeaker and is passed over.

    Args:
        profile: (time) magnitudes, periodic.

    Returns:
        The index, which may be negative.

    Example:
        >>> profile = np.zeros(100)
        >>> profile[[5, 20, 30]] = 0.1, 0.4, 1.0
        >>> first_peak(profile, look_back=40)
        20
    """
    strongest = int(np.argmax(profile))
    back = profile[(strongest - np.arange(look_back + 2)) % len(profile)]
    here = back[1:-1]
    least = max(FIRST_ARRIVAL_RATIO * back[0], 4 * float(np.median(profile)))
    peaks = np.flatnonzero((here >= back[:-2]) & (here > back[2:]) & (here > least))
    return strongest - (int(peaks[-1]) + 1 if len(peaks) else 0)


def _fine_profile(spectrum: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (time) magnitudes of a compressed (freq) spectrum, `OVERSAMPLING` to a cell."""
    padded = np.zeros(OVERSAMPLING * grid.n_cells, dtype=complex)
    half = (grid.n_cells + 1) // 2
    padded[:half] = spectrum[:half]
    padded[half - grid.n_cells :] = spectrum[half:]
    return np.abs(fft.ifft(padded))


def _refined_s(index: int, spectrum: np.ndarray, grid: PeriodGrid) -> float:
    """Return the delay of the peak next to an index of a fine profile, between half a period before and after."""
    n_fine = OVERSAMPLING * grid.n_cells
    index = (index + n_fine // 2) % n_fine - n_fine // 2
    return envelope_peak(spectrum, grid.offset_hz, index * (grid.cell_s / OVERSAMPLING))


def first_arrival_s(spectrum: np.ndarray, grid: PeriodGrid) -> float:
    """Return the delay of the first arrival in a compressed (freq) spectrum, between half a period before and after."""
    look_back = int(min(LOOK_BACK_S, grid.chirp.period_s / 2) / (grid.cell_s / OVERSAMPLING))
    return _refined_s(first_peak(_fine_profile(spectrum, grid), look_back), spectrum, grid)


def strongest_arrival_s(spectrum: np.ndarray, grid: PeriodGrid) -> float:
    """Return the delay of the strongest arrival in a compressed (freq) spectrum, within half a period of zero."""
    return _refined_s(int(np.argmax(_fine_profile(spectrum, grid))), spectrum, grid)


@lru_cache(maxsize=64)
def _line_basis(n_periods: int, n_knots: int) -> np.ndarray:
    knots = np.linspace(0, n_periods - 1, n_knots)
    return np.stack([np.interp(np.arange(n_periods), knots, unit) for unit in np.eye(n_knots)], axis=1)


def phase_track(arrival: np.ndarray, weight: np.ndarray, period_s: float) -> np.ndarray:
    """Return (period) the phase of one arrival less its mean, as a continuous line per `KNOT_S`.

    Args:
        arrival: (period) complex amplitudes whose phase turns by less than half a turn from one to the next.
        weight: (period) zero for periods that do not count.
    """
    n_periods = len(arrival)
    if n_periods < 2 or np.count_nonzero(weight) < 2:
        return np.zeros(n_periods)
    phase = np.unwrap(np.angle(arrival))
    basis = _line_basis(n_periods, max(2, 1 + round(n_periods * period_s / KNOT_S)))
    weighted = basis * (weight * np.abs(arrival) ** 2)[:, None]
    normal = weighted.T @ basis
    normal += 1e-9 * np.trace(normal) * np.eye(len(normal))
    line = basis @ np.linalg.solve(normal, weighted.T @ phase)
    return line - weight @ line / weight.sum()
