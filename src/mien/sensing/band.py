"""How much of the probe's band a recording carries, by the direct path: where it ends, how weak its weakest part is.

Coders end at 16 or 20 kHz, a file that went through 44.1 kHz at 22.05 kHz, and phones fall off: all of them pass as the
probe, and a model that was trained on none of them answers all the same.
"""

import numpy as np
from scipy import fft

from mien.sensing.period_grid import PeriodGrid

HALF_RATES_HZ = (8_000.0, 11_025.0, 12_000.0, 16_000.0, 22_050.0, 24_000.0)
"""Half the rates that sound is resampled through."""

STEP_HZ = 400.0
"""What is compared is so wide, a tenth of the paper's band."""

WALL_DB = 20.0
"""A resampler's filter falls by more about half the rate; the steepest of the measured phones by 5 dB in this span."""

_NEAR_S = 0.004
"""The direct path with what follows it, faded out so that its spectrum leaks by less than 90 dB."""

_EARLY, _MOST_OF_IT = 0.75, 0.9
"""Images of the measured phones' sweeps, by four resamplers, have 0.97 of their power in its first three quarters."""


def direct_power(mean: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (freq) the direct path's power response, from the (freq) mean spectrum of all periods."""
    delay_s = fft.fftfreq(grid.n_cells, 1 / grid.n_cells) * grid.cell_s
    near = np.where(np.abs(delay_s) < _NEAR_S, np.cos(np.pi * delay_s / (2 * _NEAR_S)) ** 2, 0.0)
    return np.abs(fft.fft(fft.ifft(mean * grid.deconvolution) * near)) ** 2


def _level(power: np.ndarray, grid: PeriodGrid, low_hz: float, high_hz: float) -> float:
    inside = (grid.freq_hz >= low_hz) & (grid.freq_hz < high_hz)
    return float(power[inside].mean()) if inside.any() else 0.0


def weakest_db(power: np.ndarray, grid: PeriodGrid) -> float:
    """Return how far a band's weakest tenth lies below its strongest, in decibels; the faded ends are left out."""
    low_hz, high_hz = grid.chirp.band_hz
    margin_hz = grid.chirp.bandwidth_hz / 10
    edges_hz = np.linspace(low_hz + margin_hz, high_hz - margin_hz, 9)
    levels = np.array([_level(power, grid, *pair) for pair in zip(edges_hz, edges_hz[1:], strict=False)])
    levels = levels[levels > 0]
    return float(10 * np.log10(levels.min() / levels.max())) if len(levels) else 0.0


def wall_hz(power: np.ndarray, grid: PeriodGrid) -> float:
    """Return half the rate at which a band ends as resampled sound does; 0 where it does not."""
    low_hz, high_hz = grid.chirp.band_hz
    for half_hz in HALF_RATES_HZ:
        if low_hz + STEP_HZ + 150 < half_hz < high_hz - STEP_HZ - 150:
            before = _level(power, grid, half_hz - 150 - STEP_HZ, half_hz - 150)
            behind = _level(power, grid, half_hz + 150, half_hz + 150 + STEP_HZ)
            if behind < before * 10 ** (-WALL_DB / 10):
                return half_hz
    return 0.0


def mirror_hz(mean: np.ndarray, freq_hz: np.ndarray, grid: PeriodGrid) -> float:
    """Return half the rate at which sound above the band is folded out of it; 0 where the sweep itself goes on.

    A resampler that does not stop its images folds the sweep about half the lower rate: what lies above the band then
    sounds while the sweep is still well below its end, where a sweep that went on would sound after it.

    Args:
        mean: (freq) spectrum of the mean period, from its onset on, of so much above the band as there is.
        freq_hz: (freq) its frequencies.
    """
    chirp = grid.chirp
    power = np.abs(fft.fft(mean, 8 * len(mean))) ** 2  # by time, which runs backwards
    time_s = -fft.fftfreq(len(power), freq_hz[1] - freq_hz[0]) % chirp.period_s
    if power[time_s < _EARLY * chirp.sweep_s].sum() < _MOST_OF_IT * power.sum():
        return 0.0
    shares = {}
    for half_hz in HALF_RATES_HZ:
        first_s, last_s = ((2 * half_hz - edge - chirp.low_hz) / chirp.slope_hz_per_s for edge in freq_hz[[-1, 0]])
        shares[half_hz] = power[(time_s >= first_s) & (time_s <= last_s)].sum() / power.sum()
    best_hz = max(shares, key=lambda half_hz: float(shares[half_hz]))
    return best_hz if shares[best_hz] > 0 else 0.0
