"""What can be wrong with a recorded sweep, each fault from its own trace; a function returns it in words, or None.

Clipping: flat tops. Dropouts: held samples, or a step in the arrival time of successive bands. Gain control: the same
sweep at another level. Resampling: a wall below half the rate with nothing behind it, a mirror image of the sweep, or a
sweep at another pace.
"""

import numpy as np
from scipy.signal import fftconvolve
from scipy.stats import theilslopes

from mien.device.sweep import JUMP_S, LEAST_PEAK_TO_FLOOR, PEAK_S, Pulses, mean_between, peak_to_floor, response, snr_db

PROBLEMS = ("clipped", "no-sweep", "resampled", "gain-control", "dropout", "low-snr")

_FULL_SCALE = 1 - 1.5 / 32_768
_FLAT = 0.999
"""Samples this near to the largest lie on a flat top."""

_FLAT_SHARE = 0.08
"""A sine spends 2.8 % of its time within 0.1 % of its crest; one cut at 95 % of its height spends a fifth."""

_HELD_S = 0.001
_GAIN_DRIFT_DB = 2.0
_PACE, _PACE_S = 0.002, 0.003
"""A sweep that is 1000 ppm off (clocks differ by up to 300), and whose ends are shifted by more than a device does."""

_WALL_DB = 32.0
_WALL_HZ = 600.0
"""The steepest of the recorded phones falls by itself by 28.9 to 30.3 dB within 600 Hz in single sweeps; these phones
resampled by a brick wall through 44.1 kHz fall by 32.2 to 39.2 dB."""

_BEHIND_WALL_SNR_DB = 10.0
_LEAST_GAIN = 500.0
"""Band times length from which a mirrored sweep stands clear of the sweep itself: sweeps of about a second or more."""

_STANDARD_RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)


def clipped_share(samples: np.ndarray) -> float:
    """Return the share of samples at full scale. Shape (time)."""
    return float(np.mean(np.abs(samples) >= _FULL_SCALE))


def find_clipping(samples: np.ndarray, pulses: Pulses) -> str | None:
    """Name samples at full scale, or flat tops below it. Shape (time)."""
    at_scale = int(np.count_nonzero(np.abs(samples) >= _FULL_SCALE))
    if at_scale >= 3:
        return f"{at_scale} samples at full scale"
    peak = float(np.abs(samples).max())
    steps = np.abs(samples[samples != 0]).min() if peak else 1.0
    if peak < 100 * steps:
        return None  # so coarsely stepped that every crest is flat
    share = max(_flat_share(side, pulses) for side in (samples, -samples))
    if share > _FLAT_SHARE / 2:
        top_db = 20 * np.log10(peak)
        return f"flat tops at {top_db:.1f} dB of full scale: {100 * share:.0f} % of the samples there are the largest"
    return None


def _flat_share(samples: np.ndarray, pulses: Pulses) -> float:
    """Return the largest share of a short window that lies within 0.1 % of the channel's maximum (one polarity).

    The first kilohertz of each sweep is left out: its crests are long.
    """
    flat = np.where(samples >= _FLAT * samples.max(), 1.0, 0.0) * (samples.max() > 0)
    sweep = pulses.sweep
    for start in pulses.starts:
        until = start + round(max(1_000 - sweep.low_hz, 0) / sweep.slope_hz_per_s * pulses.rate_hz)
        flat[max(0, start) : max(0, until)] = 0
    window = round(max(0.05, sweep.length_s / 80) * pulses.rate_hz)
    totals = np.concatenate([[0.0], np.cumsum(flat)])
    if len(totals) <= window:
        return float(flat.mean())
    return float((totals[window:] - totals[:-window]).max() / window)


def find_dropouts(samples: np.ndarray, pulses: Pulses) -> str | None:
    """Name held samples inside a sweep, or a jump in the arrival of its bands. Shape (time)."""
    held = [s for start in pulses.starts for s in _held_runs(samples, int(start), pulses)]
    if held:
        longest = max(n for _, n in held)
        return (
            f"{len(held)} runs of identical samples within a sweep, the longest "
            f"{1000 * longest / pulses.rate_hz:.1f} ms, the first at {min(at for at, _ in held) / pulses.rate_hz:.3f} s"
        )
    jumps = _jumps_s(pulses)
    if jumps is not None and np.abs(jumps).max() > 0.001:
        worst = int(np.argmax(np.abs(jumps)))
        return (
            f"samples lost or repeated within sweep {worst + 1}: its bands arrive {1000 * jumps[worst]:+.1f} ms apart"
        )
    return None


def _held_runs(samples: np.ndarray, start: int, pulses: Pulses) -> list[tuple[int, int]]:
    """Return (sample, length) of each run of identical samples in one sweep, with sound on both sides of it."""
    n_sweep, rate_hz = round(pulses.sweep.length_s * pulses.rate_hz), pulses.rate_hz
    begin = max(0, start + n_sweep // 100)
    part = samples[begin : start + n_sweep - n_sweep // 100]
    same = np.diff(np.concatenate([[0], (np.diff(part) == 0).astype(np.int8), [0]]))
    first, last = np.flatnonzero(same == 1), np.flatnonzero(same == -1)
    side = round(0.005 * rate_hz)
    nonzero = np.abs(part[part != 0])
    least = 4 * float(nonzero.min()) if nonzero.size else np.inf
    runs = []
    for at, end in zip(first, last, strict=True):
        if end - at + 1 < _HELD_S * rate_hz:
            continue
        sides = [part[max(0, at - side) : at], part[end + 1 : end + 1 + side]]
        if all(s.size and np.sqrt(np.mean(np.square(s, dtype=np.float64))) >= least for s in sides):
            runs.append((begin + int(at), int(end - at + 1)))
    return runs


def _clear_bands(pulses: Pulses, least_db: float, reach_s: tuple[float, float] = PEAK_S) -> list[tuple[float, float]]:
    """Return the 1 kHz bands from 1 kHz to the end of the sweep that stand clear of the noise."""
    top_hz = min(pulses.sweep.high_hz, pulses.rate_hz / 2)
    bands = [(low * 1000.0, low * 1000.0 + 1000) for low in range(1, int(top_hz // 1000))]
    return [band for band in bands if snr_db(pulses, *band, reach_s=reach_s) >= least_db]


def band_arrivals_s(pulses: Pulses, least_db: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres (band) of the clear bands, and when each peaks beside the whole sweep (sweep band)."""
    bands = _clear_bands(pulses, least_db, (-JUMP_S, JUMP_S))
    near = pulses.lags_between(-JUMP_S, JUMP_S)
    lag_s = pulses.lag_s[near]
    arrivals = [lag_s[np.argmax(pulses.band_power(*band)[:, near], axis=1)] for band in bands]
    return np.array([sum(band) / 2 for band in bands]), np.array(arrivals).T.reshape(len(pulses), -1)


def _jumps_s(pulses: Pulses) -> np.ndarray | None:
    """Return (sweep) by how much the arrival of the bands steps within each sweep, a steady trend taken off.

    At least two bands on each side of the step are needed, so that one band with a strong echo makes none.
    """
    centres_hz, arrivals = band_arrivals_s(pulses)
    if len(centres_hz) < 6:
        return None
    trend = pace_trend(pulses)
    arrivals = arrivals - trend * (centres_hz - centres_hz.mean())
    if len(pulses) >= 3:
        arrivals = arrivals - np.median(arrivals, axis=0)
    steps = [
        np.median(arrivals[:, cut:], axis=1) - np.median(arrivals[:, :cut], axis=1)
        for cut in range(2, len(centres_hz) - 1)
    ]
    spread = np.array(steps)
    return spread[np.argmax(np.abs(spread), axis=0), np.arange(len(pulses))]


def pace_trend(pulses: Pulses) -> float:
    """Return the steady delay of the bands in seconds per hertz (Theil-Sen: the median slope over pairs of bands)."""
    centres_hz, arrivals = band_arrivals_s(pulses)
    if len(centres_hz) < 6:
        return 0.0
    arrival = np.median(arrivals, axis=0)
    first, second = np.triu_indices(len(centres_hz), k=4)
    return float(np.median((arrival[second] - arrival[first]) / (centres_hz[second] - centres_hz[first])))


def find_gain_control(pulses: Pulses) -> str | None:
    """Name a change of level between repetitions of the sweep, or a ramp within one against the others.

    One sweep alone cannot tell gain control from the device's response.
    """
    bands = _clear_bands(pulses, least_db=25.0)
    if len(pulses) < 2 or len(bands) < 4:
        return None
    frequency_hz, power = response(pulses)
    level_db = 10 * np.log10(np.array([mean_between(frequency_hz, power, *band) for band in bands]).T)
    beside = level_db - np.median(level_db, axis=0)
    between = np.median(beside, axis=1)
    drift_db = float(np.ptp(between))
    if drift_db > _GAIN_DRIFT_DB:
        return f"the level changes by {drift_db:.1f} dB between {len(pulses)} sweeps"
    centres = np.array([low for low, _ in bands])
    # The median of all pairs' slopes: a band far down, at the end of the response for the most part, has a level of its
    # own and the longest lever (Theil 1950, Sen 1968).
    slopes = [theilslopes(sweep, centres).slope * np.ptp(centres) for sweep in beside - between[:, None]]
    ramp_db = float(np.ptp(slopes))
    if ramp_db > _GAIN_DRIFT_DB:
        return f"the level ramps by {ramp_db:.1f} dB within a sweep, unlike in the others"
    return None


def find_resampling(samples: np.ndarray, pulses: Pulses) -> str | None:
    """Name a sweep at another pace, a wall below half the rate, or a mirror image at half of another rate."""
    trend = pace_trend(pulses)
    slow = trend * pulses.sweep.slope_hz_per_s
    if abs(slow) > _PACE and abs(trend) * 20_000 > _PACE_S:
        pace = f"{abs(50 * slow):.2f} % too {'slow' if slow > 0 else 'fast'}"
        return f"the sweep runs {pace}: resampled, or labelled with a wrong rate"
    wall_hz = find_wall_hz(pulses)
    if wall_hz is not None:
        rate_hz = min(_STANDARD_RATES_HZ, key=lambda rate: abs(rate / 2 - wall_hz))
        cause = f", as after resampling through {rate_hz} Hz" if abs(rate_hz / 2 - wall_hz) < 0.04 * wall_hz else ""
        return f"the response ends in a wall at {wall_hz / 1000:.1f} kHz with nothing behind it{cause}"
    for rate_hz in _STANDARD_RATES_HZ:
        ratio = mirror_to_floor(samples, pulses, rate_hz / 2)
        if ratio > LEAST_PEAK_TO_FLOOR:
            cause = f"resampled through {rate_hz} Hz"
            return f"the sweep is mirrored at {rate_hz / 2000:g} kHz, {ratio:.0f} times above the floor: {cause}"
    return None


def mirror_to_floor(samples: np.ndarray, pulses: Pulses, half_rate_hz: float) -> float:
    """Return how far the sweep's mirror image at `half_rate_hz` stands above the floor; 0 where it cannot be sought.

    A converter of rates that does not stop all of what lies about half the lower rate folds it over: while the sweep
    rises through that frequency, a second one falls through it at the same instant. No device does this by itself.
    """
    sweep, rate_hz = pulses.sweep, pulses.rate_hz
    reach_hz = min(2_000.0, 0.99 * rate_hz / 2 - half_rate_hz, sweep.high_hz - half_rate_hz)
    if reach_hz < 1_000 or half_rate_hz < 5_000:
        return 0.0
    begin_s, end_s = ((half_rate_hz + side * reach_hz - sweep.low_hz) / sweep.slope_hz_per_s for side in (-1, 1))
    if 2 * reach_hz * (end_s - begin_s) < _LEAST_GAIN:
        return 0.0
    n_mirror, side = round((end_s - begin_s) * rate_hz), round(JUMP_S * rate_hz)
    time_s = np.arange(n_mirror) / rate_hz
    mirror = np.exp(2j * np.pi * ((half_rate_hz + reach_hz) * time_s - sweep.slope_hz_per_s * time_s**2 / 2))
    mirror *= np.hanning(n_mirror)
    envelopes = []
    for start in pulses.starts:
        begin = int(start) + round(begin_s * rate_hz) - side
        if begin >= 0 and begin + n_mirror + 2 * side <= len(samples):
            envelopes.append(
                np.abs(fftconvolve(samples[begin : begin + n_mirror + 2 * side], mirror[::-1].conj(), "valid")) ** 2
            )
    if not envelopes:
        return 0.0
    envelope = np.sqrt(np.mean(envelopes, axis=0))
    near = round(0.003 * rate_hz)
    peak = side - near + int(np.argmax(envelope[side - near : side + near]))
    return peak_to_floor(envelope, peak, side)


def find_wall_hz(pulses: Pulses) -> float | None:
    """Return where the response falls by 32 dB within 600 Hz, for good, at most at 95 % of half the rate."""
    frequency_hz, power = response(pulses)
    top_hz = min(pulses.sweep.high_hz, pulses.rate_hz / 2)
    centres_hz = np.arange(4_000.0, 0.95 * top_hz, 100.0)
    level_db = [10 * np.log10(mean_between(frequency_hz, power, c - 100, c + 100).mean()) for c in centres_hz]
    reach = round(_WALL_HZ / 100)
    if len(level_db) <= reach:
        return None
    fall_db = np.array(level_db[:-reach]) - np.array(level_db[reach:])
    at = int(np.argmax(fall_db))
    behind_hz = centres_hz[at] + _WALL_HZ
    if fall_db[at] < _WALL_DB:
        return None
    edges = np.arange(behind_hz, top_hz - 200, 500.0)
    if any(snr_db(pulses, low, min(low + 500, top_hz)) > _BEHIND_WALL_SNR_DB for low in edges):
        return None
    return float(behind_hz)
