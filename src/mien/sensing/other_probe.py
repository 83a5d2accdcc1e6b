"""Refuse a recording that was made with another probe than the one it was synchronised to.

Neighbouring chirps compress well enough to be found. Three traces tell them apart: arrivals that repeat at another
period; sub-bands that arrive one after the other (another slope); sound that repeats with the periods just outside the
band, or none where the sweep begins (another band). Each is judged against the recording's own noise, as measured from
what does not repeat; where noise leaves it open, nothing is refused. A device that cuts off the band's upper end
passes: falls of 25 to 37 dB at 22-23 kHz were measured on phones. So does a file that was resampled: the sweep's mirror
image above the band is told from a sweep that goes on (`band.mirror_hz`).

Reference: Richards, Fundamentals of Radar Signal Processing, chapter 4 (range-Doppler coupling of a chirp).
"""

from functools import lru_cache

import numpy as np
from scipy import fft

from mien.errors import ProbeMismatch
from mien.probe import Chirp, Composite, describe
from mien.recording import Recording
from mien.sensing.band import mirror_hz
from mien.sensing.period_grid import PeriodGrid

LONGEST_S = 10.0
"""So much of a recording is judged: a probe does not change within it."""

OTHER_PERIOD = 0.5
"""Arrivals repeat at the probe's own period at least by this share of how they repeat at any other."""

PART_OF_PERIOD = 0.7
"""Arrivals repeat at no part of the period by this share; two arrivals of equal strength make a half."""

SLOPE_SHARE, SLOPE_S = 0.14, 0.0015
"""The band's two ends arrive together within this share of the sweep, and at least this time: 3.5 of 25 ms. Simulated
phones stay within 0.5 ms, one clipped to a square wave within 3.1 ms."""

OUTSIDE = 0.1
"""Density just outside the band over that just inside: 14 dB below it for a sweep clipped into a square wave, whose
third harmonic folds back; about 1 for a chirp that goes on."""

EMPTY = 0.01
"""Density in the first kilohertz of the band over that of the next, for a sweep that begins later."""

_SURE = 5.0
_SURE_OF_PERIOD = 12.0
"""Times the median over all lags: 8 standard deviations of noise."""

_SUB_BANDS = 8
_LEAST_OF_BAND, _ROUNDING = 1e-4, 1e-5
"""40 dB below the strongest sub-band; the steepest of the measured phones ends 26 dB below."""


def refuse_other_probe(
    recording: Recording, signal: np.ndarray, starts_sample: np.ndarray, spectra: np.ndarray, grid: PeriodGrid
) -> float:
    """Raise ProbeMismatch, naming what was found and what was expected.

    Returns:
        Half the rate about which the sweep is mirrored, as after resampling; 0 where it is not.

    Args:
        recording: one channel.
        signal: (time) its baseband.
        starts_sample: (period) where its periods begin.
        spectra: (period freq) its aligned periods.

    Raises:
        ProbeMismatch: another period, slope or band.
    """
    chirp = grid.chirp
    n_cells = int(recording.n_samples / grid.decimation)  # a period of silence follows them
    found = _other_period(signal[:n_cells], grid) or _other_slope(spectra, grid)
    if found is None:
        others = recording.probe.parts if isinstance(recording.probe, Composite) else ()
        bands = tuple(part.band_hz for part in others if part is not chirp)
        freq_hz, periods = _periods(recording.samples[0], starts_sample, chirp)
        strip, found = _other_band(freq_hz, periods, chirp, bands)
        if strip == "above":
            above = (freq_hz >= _strips(chirp)["above"][0]) & (freq_hz <= _strips(chirp)["above"][1])
            half_hz = mirror_hz(periods[:, above].mean(axis=0), freq_hz[above], grid)
            if half_hz:
                return half_hz
    if found is not None:
        raise ProbeMismatch(
            f"another probe was playing: {found}; expected {describe(chirp)}. "
            "State the probe that was emitted, turn off any other emitter nearby (a second device's chirp looks like "
            "that), or record again with this probe"
        )
    return 0.0


def repetition(signal: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (lag) how much of the compressed envelope repeats after each number of cells, per pair of samples.

    Args:
        signal: (time) baseband.
    """
    n_cells = min(len(signal), round(LONGEST_S / grid.cell_s))
    part, n_sweep = signal[:n_cells], int(np.ceil(grid.chirp.sweep_s / grid.cell_s))
    n_fft = fft.next_fast_len(2 * n_cells + n_sweep)
    sweep = fft.ifft(grid.sweep)
    replica = sweep[:n_sweep]
    envelope = np.abs(fft.ifft(fft.fft(part, n_fft) * fft.fft(replica, n_fft).conj())[:n_cells])
    envelope = np.convolve(envelope, np.ones(3) / 3, "same")
    spectrum = fft.rfft(envelope - envelope.mean(), n_fft)
    return fft.irfft(np.abs(spectrum) ** 2, n_fft)[:n_cells] / np.arange(n_cells, 0, -1)


def _other_period(signal: np.ndarray, grid: PeriodGrid) -> str | None:
    repeats = repetition(signal, grid)
    last = min(round(4.5 * grid.exact_cells), round(0.6 * len(repeats)))
    own = round(grid.exact_cells)
    if last < 1.2 * own:
        return None
    at_own = repeats[own - 1 : own + 2].max()
    lags = np.arange(round(0.3 * own), last)
    peaks = repeats[lags]
    best = int(np.argmax(peaks))
    sure = peaks > _SURE_OF_PERIOD * np.median(np.abs(peaks))
    longer = sure[best] and at_own < OTHER_PERIOD * peaks[best]
    shorter = sure & (lags < 0.85 * own) & (peaks > PART_OF_PERIOD * at_own)
    if not longer and not shorter.any():
        return None
    strong = np.flatnonzero(peaks > 0.8 * peaks[best])
    first = strong[0] + int(np.argmax(peaks[strong[0] : strong[0] + 4]))
    return f"its sweeps repeat every {1000 * lags[first] * grid.cell_s:.0f} ms"


def _other_slope(spectra: np.ndarray, grid: PeriodGrid) -> str | None:
    """Name a slope: the delay of each sub-band is the phase from one frequency to the next, averaged over it."""
    chirp = grid.chirp
    order = np.argsort(grid.freq_hz)
    channel = (spectra.mean(axis=0) * grid.deconvolution)[order]
    freq_hz = grid.freq_hz[order]
    step = channel[1:] * channel[:-1].conj()
    size = 0.5 * (np.abs(channel[1:]) ** 2 + np.abs(channel[:-1]) ** 2)
    margin_hz = chirp.bandwidth_hz / 20
    edges_hz = np.linspace(chirp.low_hz + margin_hz, chirp.high_hz - margin_hz, 1 + _SUB_BANDS)
    first = np.searchsorted(freq_hz, edges_hz)
    if np.diff(first).min() < 3:
        return None
    total, energy = np.add.reduceat(step, first[:-1]), np.add.reduceat(size, first[:-1])
    total[-1], energy[-1] = step[first[-2] : first[-1]].sum(), size[first[-2] : first[-1]].sum()
    # Where a coder or a filter has left next to nothing, what is there is not the sweep.
    clear = (np.abs(total) > 0.6 * energy) & (energy > _LEAST_OF_BAND * energy.max())
    if np.count_nonzero(clear) < _SUB_BANDS / 2:
        return None
    delay_s = -np.angle(total) / (2 * np.pi * (freq_hz[1] - freq_hz[0]))
    center_hz = 0.5 * (edges_hz[1:] + edges_hz[:-1])
    per_hz, offset_s = np.polyfit(center_hz[clear], delay_s[clear], 1)
    rest_s = delay_s[clear] - offset_s - per_hz * center_hz[clear]
    shift_s = per_hz * chirp.bandwidth_hz
    deviation_hz = np.std(center_hz[clear]) * np.sqrt(np.count_nonzero(clear) - 2)
    doubt_s = 3 * float(np.std(rest_s) / deviation_hz) * chirp.bandwidth_hz
    if abs(shift_s) - doubt_s < max(SLOPE_SHARE * chirp.sweep_s, SLOPE_S):
        return None
    sweep_s = chirp.sweep_s + shift_s
    return f"its sweep takes {1000 * sweep_s:.1f} ms for these {chirp.bandwidth_hz:g} Hz"


@lru_cache(maxsize=32)
def _strips(chirp: Chirp) -> dict[str, tuple[float, float]]:
    """Return the strips of the spectrum that are compared; the outer ones lie beyond the skirts of the fades."""
    wide, narrow = min(1_000.0, chirp.bandwidth_hz / 4), min(300.0, chirp.bandwidth_hz / 13)
    low_hz, high_hz, half_hz = chirp.low_hz, chirp.high_hz, 0.995 * chirp.rate_hz / 2
    return {
        "below": (low_hz - wide, low_hz - narrow),
        "first": (low_hz + narrow, low_hz + 0.8 * wide),
        "second": (low_hz + 1.2 * wide, low_hz + 2 * wide),
        "last": (high_hz - wide, high_hz - narrow),
        "above": (high_hz + narrow, min(high_hz + wide, half_hz)),
    }


def _periods(samples: np.ndarray, starts_sample: np.ndarray, chirp: Chirp) -> tuple[np.ndarray, np.ndarray]:
    """Return (freq) frequencies about the band, and (period freq) spectra of the whole periods, from their onsets."""
    n_frame = int(chirp.samples_per_period)
    whole = np.floor(starts_sample).astype(np.int64)
    inside = (whole >= 0) & (whole + n_frame <= len(samples))
    starts, whole = starts_sample[inside], whole[inside]
    keep = min(len(whole), int(LONGEST_S / chirp.period_s))
    freq_hz = fft.rfftfreq(n_frame, 1 / chirp.rate_hz)
    strips = _strips(chirp)
    band = slice(*np.searchsorted(freq_hz, (strips["below"][0], max(strips["above"][1], chirp.high_hz))))
    freq_hz = freq_hz[band]
    if not keep:
        return freq_hz, np.zeros((0, len(freq_hz)), dtype=complex)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_frame)[whole[:keep]]
    rest_s = (starts[:keep] - whole[:keep]) / chirp.rate_hz
    return freq_hz, fft.rfft(frames)[:, band] * np.exp(2j * np.pi * freq_hz * rest_s[:, None])


def _densities(
    freq_hz: np.ndarray, spectra: np.ndarray, chirp: Chirp, others: tuple[tuple[float, float], ...]
) -> dict[str, tuple[float, float]]:
    """Return of each strip the density of what repeats from period to period, and that estimate's deviation."""
    keep, strips = len(spectra), _strips(chirp)
    if keep < 3:
        return {}
    repeating = (spectra[1:] * spectra[:-1].conj()).real.mean(axis=0)
    power = (np.abs(spectra) ** 2).mean(axis=0)
    free = np.ones(len(freq_hz), dtype=bool)
    for low_hz, high_hz in others:
        free &= (freq_hz < low_hz - Composite.guard_hz) | (freq_hz > high_hz + Composite.guard_hz)
    densities = {}
    for name, (low_hz, high_hz) in strips.items():
        chosen = free & (freq_hz >= low_hz) & (freq_hz <= high_hz)
        n_chosen = int(np.count_nonzero(chosen))
        if n_chosen >= 5:
            # The median is not moved by a few tones of other origin.
            deviation = float(np.median(power[chosen])) / np.sqrt((keep - 1) * n_chosen)
            densities[name] = float(np.median(repeating[chosen])), 2 * deviation
    return densities


@lru_cache(maxsize=32)
def _own_densities(chirp: Chirp) -> dict[str, tuple[float, float]]:
    starts = chirp.samples_per_period * np.arange(4)
    sound = chirp.emit(int(np.ceil(5 * chirp.samples_per_period)))
    return _densities(*_periods(sound, starts, chirp), chirp, ())


def _other_band(
    freq_hz: np.ndarray, spectra: np.ndarray, chirp: Chirp, others: tuple[tuple[float, float], ...]
) -> tuple[str, str | None]:
    """Return the strip that another band shows in, and what it shows; None where there is none."""
    found, own = _densities(freq_hz, spectra, chirp, others), _own_densities(chirp)
    # Rounding repeats as well, where a coder has left nothing.
    least = _ROUNDING * max((density for density, _ in found.values()), default=0.0)
    for outer, inner, edge_hz in (("below", "first", chirp.low_hz), ("above", "last", chirp.high_hz)):
        if not {outer, inner} <= (found.keys() & own.keys()) or own[outer][0] > 0.2 * OUTSIDE * own[inner][0]:
            continue
        (density, deviation), (within, spread) = found[outer], found[inner]
        if density > max(_SURE * deviation, least) and density > OUTSIDE * (within + _SURE * spread):
            level_db = 10 * np.log10(density / max(within, 1e-3 * density))
            return outer, f"its sweep goes on {outer} {edge_hz:g} Hz ({level_db:+.0f} dB of what lies within)"
    if {"first", "second"} <= (found.keys() & own.keys()) and own["first"][0] > 0.2 * own["second"][0]:
        (density, deviation), (next_density, spread) = found["first"], found["second"]
        if next_density > _SURE * spread and density + _SURE * deviation < EMPTY * next_density:
            return "first", f"its sweep begins above {_strips(chirp)['first'][1]:g} Hz"
    return "", None
