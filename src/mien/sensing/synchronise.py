"""Find a chirp in a recording: where its periods start, to a hundredth of a sample, and how the clocks drift.

In three steps. (1) Every period is compressed and the periods are added coherently for each of a few candidate
drifts, so that a probe far below the noise stands out; the candidate with the highest peak is kept. (2) The first
arrival near that peak is taken as the direct path. (3) Its delay is refined as the maximum of the band-limited
envelope, and the drift as the slope of its phase from period to period; the recording is cut anew and both are
refined again. Where the direct path does not stay from one period to the next, its jumps are found (`seams`), and the
periods are cut where it then lies.

References: Richards, Fundamentals of Radar Signal Processing, chapters 4 and 7 (matched filter, delay accuracy).
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from scipy import fft

from mien.errors import ProbeNotFound
from mien.probe import Chirp, describe
from mien.recording import Recording
from mien.sensing.arrivals import LOOK_BACK_S, envelope_peak, first_arrival_s, phase_track, smooth_compression
from mien.sensing.other_probe import refuse_other_probe
from mien.sensing.period_grid import (
    PeriodGrid,
    aligned_periods,
    baseband,
    check_recording,
    chirp_of,
    delay_phases,
    frame_spectra,
    period_grid,
    undo_drift,
)
from mien.sensing.seams import Jump, completed, follow, moved_samples, spoilt_periods

NEEDED_PEAK_TO_FLOOR = 8.0
"""A peak of noise over 10,000 cells is 3.0 times its root mean square, 3.6 times its median; 8 leaves no doubt."""

LARGEST_DRIFT_PPM = 330.0
"""Clocks of two devices were measured 3 to 270 ppm apart; searched a little beyond 300."""

BLOCK_PERIODS = 16
"""Periods that are added coherently for each candidate drift."""


@dataclass(frozen=True, slots=True)
class Synchronisation:
    """Where the periods of a recording lie.

    Args:
        start_sample: first onset of the direct path in the recording, 0 <= start < period.
        drift_ppm: how much faster the recorder's clock ticks than the emitter's; a period lasts
            ``samples_per_period (1 + drift_ppm 1e-6)`` samples.
        peak_to_floor: peak of the compressed sum of all periods over its floor.
        n_periods: how many columns the recording yields.
        first_period: the first column's period, counted from `start_sample`: 0, or -1 if the recording holds more of
            the sweep before `start_sample` than of its last one.
        channel: the channel that was followed, that with the strongest arrivals.
        samples_per_period: by the emitter's clock.
        wander_samples: (period) what a constant drift leaves of each column's start, from the direct path's phase;
            empty stands for zeros.
        jumps: where samples were lost or doubled.
        spoilt: the columns, rising, in which the probe is silent or cut into by a jump; the nearest whole one stands
            in for each.
        mirror_hz: half the rate about which the sweep is mirrored, as after resampling; 0 where it is not.
    """

    start_sample: float
    drift_ppm: float
    peak_to_floor: float
    n_periods: int
    first_period: int = 0
    channel: int = 0
    samples_per_period: float = 0.0
    wander_samples: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False)
    jumps: tuple[Jump, ...] = ()
    spoilt: tuple[int, ...] = ()
    mirror_hz: float = 0.0

    @property
    def starts_sample(self) -> np.ndarray:
        """Return (period) the onset of the direct path of every column, in samples of the recording."""
        wander = self.wander_samples if len(self.wander_samples) else 0.0
        starts = self._even_starts + wander
        return starts + self.moved_samples if self.jumps else starts

    @property
    def _even_starts(self) -> np.ndarray:
        period = self.samples_per_period * (1 + self.drift_ppm * 1e-6)
        return self.start_sample + period * (self.first_period + np.arange(self.n_periods))

    @property
    def moved_samples(self) -> np.ndarray:
        """Return (period) by how many samples the jumps so far have moved each column."""
        return moved_samples(self.jumps, self._even_starts)

    @property
    def behind_jumps(self) -> np.ndarray:
        """Return the columns, rising, that are the first behind a jump."""
        return np.flatnonzero(np.diff(self.moved_samples)) + 1

    @property
    def first_heard(self) -> int:
        """Return the first column in which the probe is heard."""
        return int(np.setdiff1d(np.arange(self.n_periods), self.spoilt)[0]) if 0 in self.spoilt else 0

    def holds_seam(self, first: np.ndarray, n_periods: int) -> np.ndarray:
        """Return (window) whether windows of so many columns from (window) `first` on hold silence or a jump."""
        last = first + n_periods
        spoilt, behind = (_n_before(np.array(columns, dtype=np.int64), self.n_periods) for columns in
                          (self.spoilt, self.behind_jumps))  # fmt: skip
        return (spoilt[last] > spoilt[first]) | (behind[last] > behind[np.minimum(first + 1, last)])


def _n_before(columns: np.ndarray, n_periods: int) -> np.ndarray:
    """Return how many of some columns lie before column 0, 1, .. n."""
    return np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=n_periods))])


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


def _not_found(recording: Recording, chirp: Chirp, ratio: float) -> ProbeNotFound:
    if not np.any(recording.samples):
        return ProbeNotFound(f"no probe found: all {recording.n_samples} samples are zero; check the microphone")
    band = f"{chirp.low_hz / 1000:g}-{chirp.high_hz / 1000:g} kHz"
    remedy = "check that the probe was playing, that the volume is up and nothing covers loudspeaker or microphone"
    spectrum = np.abs(fft.rfft(recording.samples[0].astype(np.float64))) ** 2
    lowest, low, high = (int(edge_hz * recording.duration_s) for edge_hz in (0.1 * chirp.low_hz, *chirp.band_hz))
    if spectrum[low:high].mean() < 1e-3 * spectrum[lowest:low].mean():
        remedy = (
            f"hardly any sound lies at {band}: the device may cut it off, or the file was resampled or compressed; "
            "run `mien probe` to see what the device carries, or choose a lower band"
        )
    return ProbeNotFound(
        f"no probe found: correlation peak {ratio:.1f}x the floor, need {NEEDED_PEAK_TO_FLOOR:g}x. "
        f"Looked for {describe(chirp)} in {recording.duration_s:.3g} s; {remedy}"
    )


def _cut(sync: Synchronisation, signal: np.ndarray, n_samples: int, grid: PeriodGrid) -> np.ndarray:
    return aligned_periods(signal, sync.starts_sample, sync.drift_ppm, n_samples, grid)


def _peak_to_floor(mean: np.ndarray, grid: PeriodGrid) -> float:
    """Return the peak of the matched filter's output over its floor, from the (freq) mean spectrum of all periods.

    The floor is the median, or a higher quantile scaled to the median of noise where that is more: a click in silence
    leaves most of a period empty, yet is smeared by the filter over as much of it as the sweep lasts.
    """
    compressed = np.abs(fft.ifft(mean * grid.sweep.conj() * grid.gain))
    smeared = 1 - min(max(0.5 * grid.chirp.sweep_s / grid.chirp.period_s, 0.1), 0.5)
    middle, upper = np.quantile(compressed, (0.5, smeared))
    floor = max(float(middle), float(upper) * np.sqrt(np.log(0.5) / np.log(1 - smeared)))
    return float(compressed.max()) / floor if floor > 0 else 0.0


def _onsets(sync: Synchronisation, spectra: np.ndarray, n_samples: int, grid: PeriodGrid, search: bool) -> np.ndarray:
    """Return (period) better onsets in samples, from (period freq) spectra cut by `sync`.

    Args:
        search: look for the first arrival; otherwise it is the peak next to the onsets known.
    """
    chirp, starts = grid.chirp, sync.starts_sample
    smooth = smooth_compression(grid)
    folded = _mean(spectra, sync) * smooth
    delay_s = first_arrival_s(folded, grid) if search else envelope_peak(folded, grid.offset_hz, 0.0)
    arrival = spectra @ (smooth * np.exp(2j * np.pi * grid.offset_hz * delay_s))
    whole = (starts >= 0) & (starts + chirp.samples_per_sweep <= n_samples)
    whole[list(sync.spoilt)] = False
    weight = whole.astype(float) if whole.sum() > 1 else np.ones(len(starts))
    track_s = -phase_track(arrival, weight, chirp.period_s) / (2 * np.pi * chirp.center_hz)
    return starts + (delay_s + track_s) * chirp.rate_hz


def _mean(spectra: np.ndarray, sync: Synchronisation) -> np.ndarray:
    """Return (freq) the mean of (period freq) spectra in which the probe is heard."""
    return (np.delete(spectra, sync.spoilt, axis=0) if sync.spoilt else spectra).mean(axis=0)


def _line(onsets: np.ndarray, nominal: float) -> tuple[float, float, np.ndarray]:
    """Return the onset of column 0, the period, and the (period) rest of onsets that lie nearly on a line."""
    number = np.arange(len(onsets))
    if len(onsets) == 1:
        return float(onsets[0]), nominal, np.zeros(1)
    centered = number - number.mean()
    period = float(centered @ onsets / (centered @ centered))
    start = float(onsets.mean() - period * number.mean())
    return start, period, onsets - start - period * number


def _same_columns(sync: Synchronisation, onsets: np.ndarray) -> Synchronisation:
    """Return the synchronisation with better onsets for the same columns."""
    start, period, wander = _line(onsets - sync.moved_samples, sync.samples_per_period)
    first = int(np.floor(start / period))
    drift_ppm = (period / sync.samples_per_period - 1) * 1e6
    return replace(
        sync, start_sample=start - first * period, first_period=first, drift_ppm=drift_ppm, wander_samples=wander
    )


def _new_columns(sync: Synchronisation, onsets: np.ndarray, n_samples: int, grid: PeriodGrid) -> Synchronisation:
    """Return the synchronisation with better onsets and with the columns that then fit best into the recording."""
    better = _same_columns(sync, onsets)
    period = better.samples_per_period * (1 + better.drift_ppm * 1e-6)
    n_samples -= round(sum(jump.n_samples for jump in sync.jumps))
    needed = grid.chirp.samples_per_sweep + LOOK_BACK_S * grid.chirp.rate_hz
    first, n_periods = choose_periods(better.start_sample, period, n_samples, needed)
    number = better.first_period + np.arange(better.n_periods)
    wander = np.interp(first + np.arange(n_periods), number, better.wander_samples)
    return replace(better, first_period=first, n_periods=n_periods, wander_samples=wander)


def synchronised_periods(recording: Recording) -> tuple[Synchronisation, np.ndarray]:
    """Do the work of `synchronise`; return also the periods, (channel period freq) spectra by the emitter's clock.

    Raises:
        MienError: as `synchronise`.
    """
    chirp = chirp_of(recording)
    check_recording(recording, chirp)
    grid, n_samples = period_grid(chirp), recording.n_samples
    signal = baseband(recording.samples, grid)
    sync = _found(signal, n_samples, grid)
    spectra = _cut(sync, signal, n_samples, grid)
    if not np.any(spectra[sync.channel]):
        raise _not_found(recording, chirp, 0.0)
    sync, spectra = _refined(sync, spectra, signal, n_samples, grid)
    mended = _mended(sync, spectra, signal, n_samples, grid)
    sync, spectra = mended or (sync, spectra)
    if not sync.peak_to_floor >= NEEDED_PEAK_TO_FLOOR:
        raise _not_found(recording, chirp, sync.peak_to_floor)
    onsets = _onsets(sync, spectra[sync.channel], n_samples, grid, search=False)
    channel = replace(recording, samples=recording.samples[sync.channel, None])
    mirror_hz = refuse_other_probe(channel, signal[sync.channel], sync.starts_sample, spectra[sync.channel], grid)
    sync = replace(sync, mirror_hz=mirror_hz)
    # What is left to move is far less than a cell: a turn of the phases does it, no third cut.
    return _same_columns(sync, onsets), spectra * delay_phases(onsets - sync.starts_sample, grid)


def _refined(
    sync: Synchronisation, spectra: np.ndarray, signal: np.ndarray, n_samples: int, grid: PeriodGrid
) -> tuple[Synchronisation, np.ndarray]:
    """Return the synchronisation to the first arrival, and the (channel period freq) spectra that it cuts.

    Args:
        spectra: as the synchronisation to the strongest arrival cuts them.
    """
    ratio = _peak_to_floor(_mean(spectra[sync.channel], sync), grid)
    onsets = _onsets(sync, spectra[sync.channel], n_samples, grid, search=True)
    sync = _new_columns(replace(sync, peak_to_floor=ratio), onsets, n_samples, grid)
    return sync, _cut(sync, signal, n_samples, grid)


def _mended(
    sync: Synchronisation, spectra: np.ndarray, signal: np.ndarray, n_samples: int, grid: PeriodGrid
) -> tuple[Synchronisation, np.ndarray] | None:
    """Return the same with jumps undone and silent periods filled in; None where there are none."""
    even = replace(sync, wander_samples=np.zeros(0))
    channel = signal[sync.channel, None]

    def cut(numbers: np.ndarray, moved: np.ndarray) -> np.ndarray:
        starts = even.starts_sample[numbers] + moved
        return fft.fft(undo_drift(frame_spectra(channel, starts, grid), even.drift_ppm, grid))[0]

    track = follow(spectra[sync.channel], cut, grid)
    if track is None:
        return None
    period = sync.samples_per_period
    drift_ppm = sync.drift_ppm + 1e6 * track.step_samples / period
    step = period * (1 + 1e-6 * drift_ppm)
    start = even.starts_sample[0] + track.moved_samples[0]
    behind = np.flatnonzero(np.diff(track.moved_samples)) + 1
    jumps = tuple(
        Jump(start + step * (column - 0.25), float(np.diff(track.moved_samples)[column - 1])) for column in behind
    )
    first = int(np.floor(start / step))
    sync = replace(even, start_sample=start - first * step, first_period=first, drift_ppm=drift_ppm, jumps=jumps)
    spectra = _cut(sync, signal, n_samples, grid)
    sync = replace(sync, spoilt=tuple(spoilt_periods(spectra[sync.channel], sync.behind_jumps, grid).tolist()))
    sync, spectra = _refined(sync, spectra, signal, n_samples, grid)
    spoilt = spoilt_periods(spectra[sync.channel], sync.behind_jumps, grid)
    spectra = completed(spectra, spoilt)
    # A last period that is cut alone is what a recording's end does; `aligned_periods` completes it as well.
    if len(spoilt) and spoilt[-1] == sync.n_periods - 1 and sync.n_periods - 2 not in spoilt:
        spoilt = spoilt[:-1]
    return replace(sync, spoilt=tuple(spoilt.tolist())), spectra


def _found(signal: np.ndarray, n_samples: int, grid: PeriodGrid) -> Synchronisation:
    """Return the synchronisation to the strongest arrival, to a cell and a few ppm."""
    n_whole = max(1, int(n_samples // grid.samples_per_period))
    frames = frame_spectra(signal, grid.samples_per_period * np.arange(n_whole), grid)
    compressed = frames * (grid.sweep.conj() * grid.gain)
    drift_ppm, cell = _coarse(compressed, grid)
    delay_samples = cell * grid.decimation + grid.samples_per_period * drift_ppm * 1e-6 * np.arange(n_whole)
    arrivals = np.einsum("cmf,mf->cm", compressed, delay_phases(delay_samples, grid))
    channel = int(np.argmax(np.abs(arrivals).sum(axis=-1)))
    drift_ppm = _refined_drift(arrivals[channel], drift_ppm, grid)
    return Synchronisation(
        cell * grid.decimation, drift_ppm, 0.0, n_whole, channel=channel, samples_per_period=grid.samples_per_period
    )


def synchronise(recording: Recording) -> Synchronisation:
    """Find the probe's periods in a recording and the drift between the two clocks.

    At high signal-to-noise ratio the start is right to 0.02 sample and the drift to 2 ppm; drifts up to 300 ppm are
    searched. An arrival that moves (a face without a direct path) cannot be told from a clock that drifts.

    Raises:
        ProbeNotFound: the compressed sum of all periods has no peak of 8 times its floor; says how much it has.
        ProbeMismatch: the recording's rate is not the probe's, or another chirp was playing; where noise or a
            recording of few periods leaves that open, nothing is refused.
        ProbeError: the probe is unknown or holds no chirp.
        RecordingError: the recording is shorter than one period.

    Example:
        >>> chirp = Chirp()
        >>> sound = chirp.at((np.arange(24000) - 777.25) / 48000)[None].astype(np.float32)
        >>> found = synchronise(Recording(sound, 48000, chirp))
        >>> round(found.start_sample, 2), found.n_periods, abs(found.drift_ppm) < 0.5
        (777.25, 10, True)
    """
    return synchronised_periods(recording)[0]
