"""Periods of a recording as complex baseband: the common ground of synchronisation, gate and front ends.

A recording is band-passed, made analytic and decimated in one step (a crop of its spectrum), then cut into periods
which start on the direct path, tick by the emitter's clock, and lie on one fixed grid of frequencies per probe.
Everything that follows is a small product per period.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from mien.dsp import band_gain
from mien.errors import ProbeError, ProbeMismatch, RecordingError
from mien.probe import Chirp, Composite, describe
from mien.recording import Recording

SKIRT_HZ = Composite.guard_hz
"""Width of the band-pass's skirts: the distance that a composite keeps between its parts."""

LARGEST_LEAD_S = 0.005
"""A frame begins at most this long before its onset: in the silence between sweeps, where a cut does no harm."""

GUARD_S = 1 / SKIRT_HZ
"""Beside a cut through a sweep the band-pass rings for as long as its skirts are narrow; so much is not believed.
With 5 ms a period completed from its neighbour differs from it by at most -25 dB of a face's echo (-30 dB below the
direct path), with 0.4 ms by -3 dB, because the direct path is what is cut."""


@dataclass(frozen=True, eq=False, slots=True)
class PeriodGrid:
    """One period of a chirp on a grid of decimated time and baseband frequency.

    Args:
        chirp: the probe, or the chirp of a composite.
        samples_per_period: of the probe, whole or not.
        decimation: samples per cell; the rate of the baseband is ``rate_hz / decimation``.
        n_cells: decimated samples in a frame, also the number of frequencies.
        base_hz: what the baseband's zero stands for, a whole number of grid steps.
        freq_hz: (freq) absolute frequencies, in the order of an FFT.
        cell: (time) number of each cell of a frame from the onset; the last few lie before it, in the silence.
        gain: (freq) gain of the zero-phase band-pass.
        sweep: (freq) spectrum of one sweep.
        deconvolution: (freq) ``conj(S) / max(|S|^2, 1 % of its largest)`` inside the band, 0 outside: turns a period's
            spectrum into its channel where the probe is strong, a matched filter in its faded edges.
    """

    chirp: Chirp
    samples_per_period: float
    decimation: int
    n_cells: int
    base_hz: float
    freq_hz: np.ndarray
    cell: np.ndarray
    gain: np.ndarray
    sweep: np.ndarray
    deconvolution: np.ndarray

    @property
    def n_time(self) -> int:
        """Return the length of a frame in samples: the period, rounded up to whole cells."""
        return self.n_cells * self.decimation

    @property
    def exact_cells(self) -> float:
        """Return the period in decimated samples, whole or not."""
        return self.samples_per_period / self.decimation

    @property
    def cell_s(self) -> float:
        return self.decimation / self.chirp.rate_hz

    @property
    def offset_hz(self) -> np.ndarray:
        """Return (freq) frequencies of the baseband."""
        return self.freq_hz - self.base_hz


def chirp_of(recording: Recording) -> Chirp:
    """Return the chirp that a recording was made with; of several emitted together the first.

    Raises:
        ProbeError: the probe is unknown or holds no chirp.
        ProbeMismatch: the recording's rate is not the probe's.
    """
    probe = recording.probe
    if probe is None:
        raise ProbeError("the recording does not say which probe was emitted; give it one, such as Chirp()")
    chirp = probe.part("chirp", 0) if isinstance(probe, Composite) else probe
    if not isinstance(chirp, Chirp):
        raise ProbeError(f"a chirp is needed to sense distance; this recording was made with {describe(probe)}")
    if recording.rate_hz != chirp.rate_hz:
        raise ProbeMismatch(
            f"the recording is {recording.rate_hz} Hz but its probe is {describe(chirp)}"
            f"{_rate_remedy(recording, chirp)}"
        )
    return chirp


def _rate_remedy(recording: Recording, chirp: Chirp) -> str:
    half_hz = recording.rate_hz / 2
    if chirp.high_hz > half_hz:
        band = f"{chirp.low_hz / 1000:g}-{chirp.high_hz / 1000:g} kHz chirp"
        remedy = f"record at {chirp.rate_hz} Hz or choose Chirp(high_hz={half_hz // 1000 * 1000 - 1000:g})"
        return f": a {band} is cut at {half_hz / 1000:g} kHz; {remedy}"
    return f"; record at {chirp.rate_hz} Hz, or state the probe at {recording.rate_hz} Hz if that is how it was played"


def _decimation(chirp: Chirp) -> int:
    limit = int(chirp.rate_hz / (chirp.bandwidth_hz + 2 * SKIRT_HZ))
    smooth = [factor for factor in range(1, max(limit, 1) + 1) if fft.next_fast_len(factor) == factor]
    # A period of whole cells keeps a frame periodic, so that a sweep may fill its whole period.
    whole = [factor for factor in smooth if chirp.samples_per_period % factor == 0 and 2 * factor > limit]
    return max(whole or smooth)


@lru_cache(maxsize=32)
def period_grid(chirp: Chirp) -> PeriodGrid:
    """Return the grid of a chirp; computed once per probe."""
    decimation = _decimation(chirp)
    exact_cells = chirp.samples_per_period / decimation
    n_cells = fft.next_fast_len(int(np.ceil(exact_cells - 1e-9)))
    step_hz = chirp.rate_hz / (n_cells * decimation)
    base_hz = round(chirp.center_hz / step_hz) * step_hz
    freq_hz = base_hz + fft.fftfreq(n_cells, decimation / chirp.rate_hz)
    time_s = np.arange(chirp.samples_per_sweep) / chirp.rate_hz
    sweep = chirp.sweep() @ np.exp(-2j * np.pi * time_s[:, None] * freq_hz)
    power = np.abs(sweep) ** 2
    inside = (freq_hz >= chirp.low_hz) & (freq_hz <= chirp.high_hz)
    lead = int(min(LARGEST_LEAD_S, (chirp.period_s - chirp.sweep_s) / 2) * chirp.rate_hz / decimation)
    return PeriodGrid(
        chirp=chirp,
        samples_per_period=chirp.samples_per_period,
        decimation=decimation,
        n_cells=n_cells,
        base_hz=base_hz,
        freq_hz=freq_hz,
        cell=(np.arange(n_cells) + lead) % n_cells - lead,
        gain=band_gain(freq_hz, chirp.low_hz, chirp.high_hz, SKIRT_HZ) * (freq_hz < chirp.rate_hz / 2),
        sweep=sweep,
        deconvolution=np.where(inside, sweep.conj() / np.maximum(power, 0.01 * power.max()), 0),
    )


@lru_cache(maxsize=64)
def _crop(grid: PeriodGrid, n_frames: int) -> tuple[int, np.ndarray]:
    """Return the first bin of the band in a spectrum of so many frames, and the band-pass's (freq) gain from there."""
    step_hz = grid.chirp.rate_hz / (n_frames * grid.n_time)
    n_cells = n_frames * grid.n_cells
    lower = round(grid.base_hz / step_hz) - n_cells // 2
    freq_hz = (lower + np.arange(n_cells)) * step_hz
    gain = band_gain(freq_hz, grid.chirp.low_hz, grid.chirp.high_hz, SKIRT_HZ)
    return lower, gain * (freq_hz > 0) * (freq_hz < grid.chirp.rate_hz / 2) / grid.decimation


def baseband(samples: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Band-pass without phase error, make analytic and decimate: one crop of the spectrum.

    Args:
        samples: (channel time) at the probe's rate.

    Returns:
        (channel time) complex128 at ``rate / decimation``; sample i stands at sample ``i * decimation`` and at
        frequency zero for `base_hz`. At least one period of silence follows the end.
    """
    n_frames = fft.next_fast_len(-(-samples.shape[-1] // grid.n_time) + 1)
    spectrum = fft.rfft(np.asarray(samples, dtype=np.float64), n_frames * grid.n_time)
    lower, gain = _crop(grid, n_frames)
    first, last = max(lower, 0), min(lower + len(gain), spectrum.shape[-1])
    cropped = np.zeros((*samples.shape[:-1], len(gain)), dtype=complex)
    cropped[..., first - lower : last - lower] = spectrum[..., first:last]
    return fft.ifft(fft.ifftshift(cropped * gain, axes=-1))


def phase_ramp(turns: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return ``exp(j 2 pi k turns)`` for the grid's frequencies k = 0, 1, .. (-2, -1), shape (... freq).

    A product of two short ramps, ten times as fast as as many exponentials.

    Args:
        turns: (...) per grid step.
    """
    n_fine = 16
    n_coarse = -(-grid.n_cells // n_fine)
    lowest = -(grid.n_cells // 2)
    fine = np.exp(2j * np.pi * turns[..., None] * np.arange(n_fine))
    coarse = np.exp(2j * np.pi * turns[..., None] * (lowest + n_fine * np.arange(n_coarse)))
    ramp = (coarse[..., :, None] * fine[..., None, :]).reshape(*np.shape(turns), -1)[..., : grid.n_cells]
    return np.concatenate([ramp[..., -lowest:], ramp[..., :-lowest]], axis=-1)


def delay_phases(delay_samples: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return ``exp(j 2 pi f delay)``, shape (... freq), for delays (...) in samples: what undoes them."""
    delay_s = np.asarray(delay_samples) / grid.chirp.rate_hz
    step_hz = grid.chirp.rate_hz / grid.n_time
    return phase_ramp(delay_s * step_hz, grid) * np.exp(2j * np.pi * grid.base_hz * delay_s)[..., None]


def frame_spectra(signal: np.ndarray, starts_sample: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (channel period freq) spectra of frames of one period that start at any fraction of a sample.

    A spectrum's phase is that of the frame's start: an echo after tau has ``exp(-j 2 pi f tau)``. Where a frame
    reaches beyond the signal it holds silence.

    Args:
        signal: (channel time) from `baseband`.
        starts_sample: (period) starts in samples of the recording.
    """
    starts = np.asarray(starts_sample, dtype=np.float64)
    whole = np.floor(starts / grid.decimation).astype(np.int64)
    index = whole[:, None] + grid.cell
    frames = signal[:, np.clip(index, 0, signal.shape[-1] - 1)]
    # Cells beyond the period, where its length is no fast one, would hold the next sweep's onset.
    outside = (index < 0) | (index >= signal.shape[-1]) | (grid.cell - grid.cell.min() >= grid.exact_cells - 1e-9)
    if outside.any():
        frames[:, outside] = 0
    rest = starts - whole * grid.decimation
    carrier = np.exp(2j * np.pi * grid.base_hz / grid.chirp.rate_hz * (starts - rest)) * grid.decimation
    return fft.fft(frames) * (delay_phases(rest, grid) * carrier[:, None])


def undo_drift(spectra: np.ndarray, drift_ppm: float, grid: PeriodGrid) -> np.ndarray:
    """Return frames as they would have been recorded by the emitter's own clock.

    ``y(u) = x(u (1 + drift))``: the carrier is turned exactly, the envelope moved by its Taylor series about the
    middle of the sweep, with as many terms as 1e-6 asks for.

    Args:
        spectra: (... freq) from `frame_spectra`.

    Returns:
        (... time) complex baseband of one period.
    """
    drift = drift_ppm * 1e-6
    offset_hz = grid.offset_hz
    time_s = grid.cell * grid.cell_s
    center_s = grid.chirp.sweep_s / 2
    moved = spectra * np.exp(2j * np.pi * offset_hz * drift * center_s)
    size = np.pi / grid.cell_s * abs(drift) * (grid.n_time / grid.chirp.rate_hz)
    total, order, error = fft.ifft(moved), 0, size
    while error > 1e-6:
        order += 1
        moved = moved * (2j * np.pi * offset_hz) / order
        total = total + fft.ifft(moved) * (drift * (time_s - center_s)) ** order
        error *= size / (order + 1)
    return total * np.exp(2j * np.pi * grid.base_hz * drift * time_s)


def aligned_periods(
    signal: np.ndarray, starts_sample: np.ndarray, drift_ppm: float, n_samples: int, grid: PeriodGrid
) -> np.ndarray:
    """Return (channel period freq) spectra of the periods that start at `starts_sample`, by the emitter's clock.

    A period that reaches beyond either end of the recording is completed from its neighbour: the face moves little
    in one period, and a sweep with a hole would look like another face.

    Args:
        signal: (channel time) from `baseband`.
        starts_sample: (period) equally spaced starts; only the first and the last may reach beyond the recording.
        n_samples: length of the recording.
    """
    starts = np.asarray(starts_sample, dtype=np.float64)
    if len(starts) == 1:  # its only neighbours are the parts of the periods before and after
        step = grid.samples_per_period * (1 + drift_ppm * 1e-6)
        return aligned_periods(signal, starts[0] + step * np.arange(-1, 2), drift_ppm, n_samples, grid)[:, 1:2]
    waves = undo_drift(frame_spectra(signal, starts, grid), drift_ppm, grid)
    cell = starts[:, None] / grid.decimation + grid.cell
    guard = GUARD_S / grid.cell_s
    before = cell < guard
    after = cell > n_samples / grid.decimation - guard
    last = len(starts) - 1
    for period in np.flatnonzero(after.any(axis=1) & (np.arange(last + 1) > 0)):
        waves[:, period] = np.where(after[period], waves[:, period - 1], waves[:, period])
    for period in np.flatnonzero(before.any(axis=1) & (np.arange(last + 1) < last))[::-1]:
        waves[:, period] = np.where(before[period], waves[:, period + 1], waves[:, period])
    return fft.fft(waves)


def check_recording(recording: Recording, chirp: Chirp) -> None:
    """Refuse a recording that is shorter than one period or holds samples that are not numbers.

    Raises:
        RecordingError: naming both lengths, or how many samples.
    """
    if recording.n_samples < np.floor(chirp.samples_per_period):
        raise RecordingError(
            f"the recording lasts {recording.duration_s:.4g} s, less than one period of its probe "
            f"({describe(chirp)}); at least {chirp.period_s:g} s are needed, better 1 s: record longer"
        )
    n_wrong = int(np.count_nonzero(~np.isfinite(recording.samples)))
    if n_wrong:
        raise RecordingError(
            f"{n_wrong} of {recording.samples.size} samples are not finite numbers; sound between -1 and 1 is needed: "
            "record again, or find out which program wrote them"
        )
