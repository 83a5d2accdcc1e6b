"""Find a chirp in a recording: where its periods start, to a hundredth of a sample, and how the clocks drift.

In three steps. (1) Every period is compressed and the periods are added coherently for each of a few candidate
drifts, so that a probe far below the noise stands out; the candidate with the highest peak is kept. (2) The first
arrival near that peak is taken as the direct path. (3) Its delay is refined as the maximum of the band-limited
envelope, and the drift as the slope of its phase from period to period; the recording is cut anew and both are
refined again.

References: Richards, Fundamentals of Radar Signal Processing, chapters 4 and 7 (matched filter, delay accuracy).
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import fft

from mien.dsp import raised_cosine_step
from mien.errors import ProbeNotFound
from mien.probe import Chirp, describe
from mien.recording import Recording
from mien.sensing.period_grid import (
    PeriodGrid,
    aligned_periods,
    baseband,
    check_length,
    chirp_of,
    frame_spectra,
    period_grid,
)

NEEDED_PEAK_TO_FLOOR = 8.0
"""A peak of noise over 10,000 cells is 3.0 times its root mean square, 3.6 times its median; 8 leaves no doubt."""

LARGEST_DRIFT_PPM = 330.0
"""Clocks of two devices were measured 3 to 270 ppm apart; searched a little beyond 300."""

FIRST_ARRIVAL_RATIO = 0.2
"""An arrival before the strongest counts as the direct path from this part of its amplitude (-14 dB)."""

LOOK_BACK_S = 0.0035
"""How far before the strongest arrival the direct path may lie: 60 cm of distance to the face."""

BLOCK_PERIODS = 16
"""Periods that are added coherently for each candidate drift."""

KNOT_S = 5.0
"""The drift is followed as a line per 5 s; a clock's rate changes by well below 1 ppm in that time."""


@dataclass(frozen=True, slots=True)
class Synchronisation:
    """Where the periods of a recording lie.

    Args:
        start_sample: first onset of the direct path in the recording, 0 <= start < period.
        drift_ppm: how much faster the recorder's clock ticks than the emitter's; a period lasts
            ``samples_per_period (1 + drift_ppm 1e-6)`` samples.
        peak_to_floor: peak of the compressed sum of all periods over its median.
        n_periods: how many columns the recording yields.
        first_period: number of the first column, 0, or -1 if the recording holds more of the sweep before
            `start_sample` than of the last one.
        channel: the channel that was followed, that with the strongest first arrival.
        wander_samples: (period) what the line leaves of each column's start, from the phase of the direct path.
        samples_per_period: by the emitter's clock.
    """

    start_sample: float
    drift_ppm: float
    peak_to_floor: float
    n_periods: int
    first_period: int = 0
    channel: int = 0
    samples_per_period: float = 0.0
    wander_samples: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False)

    @property
    def starts_sample(self) -> np.ndarray:
        """Return (period) the onset of the direct path of every column, in samples of the recording."""
        period = self.samples_per_period * (1 + self.drift_ppm * 1e-6)
        wander = self.wander_samples if len(self.wander_samples) else 0.0
        return self.start_sample + period * (self.first_period + np.arange(self.n_periods)) + wander


def choose_periods(
    start_sample: float, period_samples: float, n_samples: int, needed_samples: float
) -> tuple[int, int]:
    """Return (first_period, n_periods) so that a recording of N periods yields N columns wherever it starts.

    Of the two incomplete periods at the ends, the one that holds more of the `needed_samples` after its onset is kept.

    Example:
        >>> choose_periods(100.0, 2400.0, 48000, 1350.0), choose_periods(2300.0, 2400.0, 48000, 1350.0)
        ((0, 20), (-1, 20))
    """
    # A tenth of a period may be missing: drift, or a recorder that drops its last buffer.
    n_periods = max(1, int(np.floor(n_samples / period_samples + 0.1)))
    tail = min(needed_samples, n_samples - (start_sample + (n_periods - 1) * period_samples))
    head = min(needed_samples, start_sample - period_samples + needed_samples)
    return (-1 if head > tail else 0), n_periods


@lru_cache(maxsize=64)
def _drift_search(grid: PeriodGrid, n_block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return candidates (drift), steering (drift period freq) within a block and (drift freq) from block to block."""
    if n_block == 1:
        one = np.ones((1, 1, grid.n_cells), dtype=complex)
        return np.zeros(1), one, one[:, 0]
    period_s = grid.chirp.period_s
    step = 0.5e6 / (grid.chirp.center_hz * period_s * n_block)
    n_side = int(np.ceil(LARGEST_DRIFT_PPM / step))
    drift_ppm = np.linspace(-LARGEST_DRIFT_PPM, LARGEST_DRIFT_PPM, 2 * n_side + 1)
    turns = grid.freq_hz * period_s * (drift_ppm * 1e-6)[:, None]
    steering = np.exp(2j * np.pi * turns[:, None, :] * np.arange(n_block)[:, None])
    return drift_ppm, steering, np.exp(2j * np.pi * turns * n_block)


def _coarse(compressed: np.ndarray, grid: PeriodGrid) -> tuple[float, float]:
    """Return drift_ppm and delay in cells of the strongest arrival, from (channel period freq) compressed spectra."""
    n_block = min(BLOCK_PERIODS, compressed.shape[1])
    drift_ppm, steering, block_step = _drift_search(grid, n_block)
    power = np.zeros((len(drift_ppm), grid.n_cells))
    shift = np.ones_like(block_step)
    for start in range(0, compressed.shape[1] - n_block + 1, n_block):
        block = np.einsum("cmf,dmf->cdf", compressed[:, start : start + n_block], steering) * shift
        power += (np.abs(fft.ifft(block)) ** 2).sum(axis=0)
        shift = shift * block_step
    best, cell = np.unravel_index(np.argmax(power), power.shape)
    return float(drift_ppm[best]), float(cell)


def _refined_drift(arrival: np.ndarray, around_ppm: float, grid: PeriodGrid) -> float:
    """Return the drift in ppm at the peak of the spectrum of (period) complex amplitudes of one arrival."""
    n_periods = len(arrival)
    if n_periods < 3:
        return around_ppm
    n_fft = fft.next_fast_len(8 * n_periods)
    power = np.abs(fft.fft(arrival, n_fft)) ** 2
    ppm = -fft.fftfreq(n_fft) / (grid.chirp.center_hz * grid.chirp.period_s) * 1e6
    reach = 1e6 / (grid.chirp.center_hz * grid.chirp.period_s * min(BLOCK_PERIODS, n_periods))
    return around_ppm + float(ppm[np.argmax(np.where(np.abs(ppm) <= reach, power, 0))])


def _first_arrival(profile: np.ndarray, look_back: int) -> int:
    """Return the index of the first arrival: the earliest peak of some weight at most `look_back` before the strongest.

    The direct path is nearly always the strongest arrival and then the first. Where a face or a hand echoes more
    strongly, an earlier peak of at least `FIRST_ARRIVAL_RATIO` of it is the direct path; anything weaker could be a
    sidelobe of an uneven loudspeaker and is passed over.

    Args:
        profile: (time) magnitudes, periodic.
    """
    strongest = int(np.argmax(profile))
    back = profile[(strongest - np.arange(look_back + 1)) % len(profile)]
    later, earlier = back[:-2], back[2:]
    peak = np.flatnonzero((back[1:-1] >= later) & (back[1:-1] > earlier) & (back[1:-1] > FIRST_ARRIVAL_RATIO * back[0]))
    peak = peak[back[1:-1][peak] > 4 * np.median(profile)]
    return strongest - (int(peak[-1]) + 1 if len(peak) else 0)


@lru_cache(maxsize=32)
def _smooth_deconvolution(grid: PeriodGrid) -> np.ndarray:
    """Return (freq) the deconvolution with a Hann taper over the band: sidelobes below -31 dB, falling fast."""
    low_hz, high_hz = grid.chirp.band_hz
    middle = (low_hz + high_hz) / 2
    rise = raised_cosine_step(grid.freq_hz, low_hz, middle)
    return grid.deconvolution * rise * (1 - raised_cosine_step(grid.freq_hz, middle, high_hz))


def envelope_peak(spectrum: np.ndarray, offset_hz: np.ndarray, delay_s: float) -> float:
    """Return the delay at which ``|sum_f X(f) exp(j 2 pi f delay)|`` is largest, by Newton's method from `delay_s`.

    The sum is the exact band-limited interpolation of the compressed signal, so no parabola biases the result.

    Args:
        spectrum: (freq) of a compressed signal.
        offset_hz: (freq) frequencies, any origin.
    """
    turn = 2j * np.pi * offset_hz
    for _ in range(6):
        value = spectrum * np.exp(turn * delay_s)
        zeroth, first, second = value.sum(), (turn * value).sum(), (turn**2 * value).sum()
        slope = (zeroth.conj() * first).real
        curvature = abs(first) ** 2 + (zeroth.conj() * second).real
        if curvature >= 0:
            break
        delay_s -= slope / curvature
    return delay_s


def _not_found(recording: Recording, chirp: Chirp, ratio: float) -> ProbeNotFound:
    if not np.any(recording.samples):
        return ProbeNotFound(f"no probe found: all {recording.n_samples} samples are zero; check the microphone")
    band = f"{chirp.low_hz / 1000:g}-{chirp.high_hz / 1000:g} kHz"
    remedy = "check that the probe was playing, that the volume is up and nothing covers loudspeaker or microphone"
    spectrum = np.abs(fft.rfft(recording.samples[0].astype(np.float64))) ** 2
    step_hz = recording.rate_hz / recording.n_samples
    inside = spectrum[int(chirp.low_hz / step_hz) : int(chirp.high_hz / step_hz)].mean()
    if inside < 1e-3 * spectrum[int(1000 / step_hz) : int(chirp.low_hz / step_hz)].mean():
        remedy = (
            f"hardly any sound lies at {band}: the device may cut it off, or the file was resampled or compressed; "
            "run `mien probe` to see what the device carries, or choose a lower band"
        )
    return ProbeNotFound(
        f"no probe found: correlation peak {ratio:.1f}x the floor, need {NEEDED_PEAK_TO_FLOOR:g}x. "
        f"Looked for {describe(chirp)} in {recording.duration_s:.3g} s; {remedy}"
    )


def _drift_track(arrival: np.ndarray, weight: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (period) the delay in samples of one arrival from its phase, a continuous line per `KNOT_S`.

    Args:
        arrival: (period) complex amplitudes whose phase turns little from one to the next.
        weight: (period) zero for periods that are not wholly recorded.
    """
    n_periods = len(arrival)
    if n_periods < 2 or np.count_nonzero(weight) < 2:
        return np.zeros(n_periods)
    phase = np.unwrap(np.angle(arrival))
    n_knots = max(2, 1 + round(n_periods * grid.chirp.period_s / KNOT_S))
    knots = np.linspace(0, n_periods - 1, n_knots)
    basis = np.stack([np.interp(np.arange(n_periods), knots, unit) for unit in np.eye(n_knots)], axis=1)
    scale = weight * np.abs(arrival)
    line = basis @ np.linalg.lstsq(basis * scale[:, None], phase * scale, rcond=None)[0]
    line -= np.average(line, weights=weight)
    return -line / (2 * np.pi * grid.chirp.center_hz) * grid.chirp.rate_hz


def synchronise_baseband(recording: Recording, signal: np.ndarray, grid: PeriodGrid) -> Synchronisation:
    """Do the work of `synchronise` on a recording's `baseband`, for callers that go on with it."""
    chirp, n_samples = grid.chirp, recording.n_samples
    nominal = grid.samples_per_period
    matched = grid.sweep.conj() * grid.gain
    n_whole = max(1, int(n_samples // nominal))
    frames = frame_spectra(signal, nominal * np.arange(n_whole), grid)
    drift_ppm, cell = _coarse(frames * matched, grid)
    delay_s = cell * grid.cell_s
    turns = grid.freq_hz * (delay_s + np.arange(n_whole) * chirp.period_s * drift_ppm * 1e-6)[:, None]
    arrivals = (frames * matched * np.exp(2j * np.pi * turns)).sum(axis=-1)
    channel = int(np.argmax(np.abs(arrivals).sum(axis=-1)))
    drift_ppm = _refined_drift(arrivals[channel], drift_ppm, grid)
    sync = Synchronisation(cell * grid.decimation, drift_ppm, 0.0, n_whole, 0, channel, nominal)
    ratio = 0.0
    for attempt in range(3):
        sync, found = _improved(sync, signal, n_samples, grid)
        ratio = found if attempt == 0 else ratio
        if ratio < NEEDED_PEAK_TO_FLOOR:
            raise _not_found(recording, chirp, ratio)
    return sync


def _improved(
    sync: Synchronisation, signal: np.ndarray, n_samples: int, grid: PeriodGrid
) -> tuple[Synchronisation, float]:
    """Return the synchronisation after one more cut, first arrival and phase fit; and peak to floor of the sum."""
    chirp = grid.chirp
    starts = sync.starts_sample
    spectra = aligned_periods(signal, starts, sync.drift_ppm, n_samples, grid)[sync.channel]
    folded = spectra.mean(axis=0)
    matched = np.abs(fft.ifft(folded * grid.sweep.conj() * grid.gain))
    floor = np.median(matched)
    ratio = float(matched.max() / floor) if floor > 0 else 0.0
    smooth = folded * _smooth_deconvolution(grid)
    oversample = 8
    fine = fft.fftshift(smooth)
    side = (oversample - 1) * grid.n_cells
    fine = fft.ifft(fft.ifftshift(np.pad(fine, (side // 2, side - side // 2))))
    look_back = int(min(LOOK_BACK_S, chirp.period_s / 2) / grid.cell_s * oversample)
    index = _first_arrival(np.abs(fine), look_back)
    half = oversample * grid.n_cells // 2
    delay_s = ((index + half) % (2 * half) - half) * grid.cell_s / oversample
    offset_hz = grid.offset_hz
    delay_s = envelope_peak(smooth, offset_hz, delay_s)
    arrival = (spectra * _smooth_deconvolution(grid) * np.exp(2j * np.pi * offset_hz * delay_s)).sum(axis=-1)
    whole = (starts >= 0) & (starts + chirp.samples_per_sweep <= n_samples)
    track = starts + _drift_track(arrival, whole if whole.sum() > 1 else np.ones(len(starts)), grid)
    return _from_track(track + delay_s * chirp.rate_hz, sync, ratio, n_samples, grid), ratio


def _from_track(
    track: np.ndarray, sync: Synchronisation, ratio: float, n_samples: int, grid: PeriodGrid
) -> Synchronisation:
    """Return the synchronisation whose columns follow `track` (period), onsets of the periods found so far."""
    chirp = grid.chirp
    number = sync.first_period + np.arange(len(track))
    nominal = grid.samples_per_period
    slope, start = np.polyfit(number, track, 1) if len(track) > 1 else (nominal, track[0] - number[0] * nominal)
    wraps = np.floor(start / slope)
    start, number = start - wraps * slope, number + int(wraps)
    needed = chirp.samples_per_sweep + LOOK_BACK_S * chirp.rate_hz
    first, n_periods = choose_periods(start, slope, n_samples, needed)
    columns = first + np.arange(n_periods)
    wander = np.interp(columns, number, track - (start + slope * number))
    drift_ppm = (slope / nominal - 1) * 1e6
    return Synchronisation(
        float(start), float(drift_ppm), ratio, n_periods, first, sync.channel, nominal, wander_samples=wander
    )


def synchronise(recording: Recording) -> Synchronisation:
    """Find the probe's periods in a recording and the drift between the two clocks.

    At high signal-to-noise ratio the start is right to 0.02 sample and the drift to 2 ppm; drifts up to 300 ppm are
    searched. An arrival that moves (a face without a direct path) cannot be told from a clock that drifts.

    Raises:
        ProbeNotFound: the compressed sum of all periods has no peak of 8 times its floor; says how much it has.
        ProbeMismatch: the recording's rate is not the probe's.
        ProbeError: the probe is unknown or holds no chirp.
        RecordingError: the recording is shorter than one period.

    Example:
        >>> chirp = Chirp()
        >>> sound = chirp.at((np.arange(24000) - 777.25) / 48000)[None].astype(np.float32)
        >>> found = synchronise(Recording(sound, 48000, chirp))
        >>> round(found.start_sample, 2), found.n_periods, abs(found.drift_ppm) < 0.5
        (777.25, 10, True)
    """
    chirp = chirp_of(recording)
    check_length(recording, chirp)
    grid = period_grid(chirp)
    return synchronise_baseband(recording, baseband(recording.samples, grid), grid)
