"""A recording's periods, cleaned: what every front end for chirps starts from, and how good it is."""

from dataclasses import dataclass

import numpy as np

from mien.recording import Recording
from mien.sensing.band import direct_power, wall_hz, weakest_db
from mien.sensing.direct_path import remove_direct_path
from mien.sensing.period_grid import PeriodGrid, aligned_periods, baseband, check_recording, chirp_of, period_grid
from mien.sensing.range_gate import RangeGate, compress, gate_echoes, waveforms
from mien.sensing.synchronise import Synchronisation, synchronise, synchronised_periods


@dataclass(frozen=True, eq=False, slots=True)
class Echoes:
    """Periods of a recording, aligned to the direct path, by the emitter's clock, band-passed.

    Args:
        raw: (channel period freq) spectra with the direct path.
        cleaned: (channel period freq) spectra without it.
        cancellation_db: energy of the direct path before over after its removal.
        sync: where the periods lie.
        grid: what the frequencies are.
        rate_hz: of the recording.
    """

    raw: np.ndarray
    cleaned: np.ndarray
    cancellation_db: float
    sync: Synchronisation
    grid: PeriodGrid
    rate_hz: int

    @property
    def direct_amplitude(self) -> complex:
        """Return the complex amplitude of the direct path in the channel that was synchronised to."""
        mean = self.raw[self.sync.channel].mean(axis=0)
        return complex(compress(mean, self.grid, (0.0,))[0])

    @property
    def period_start_s(self) -> np.ndarray:
        """Return (period) when each period begins in its recording."""
        return self.sync.starts_sample / self.rate_hz


def periods(recording: Recording, sync: Synchronisation | None = None) -> np.ndarray:
    """Cut a recording into its periods: aligned to the direct path, drift-corrected, band-passed without phase error.

    Args:
        sync: where they lie; found if not given.

    Returns:
        (channel period time) float64 sound. A period that the recording's ends cut is completed from its neighbour.

    Raises:
        MienError: as `synchronise`.
    """
    chirp = chirp_of(recording)
    check_recording(recording, chirp)
    grid = period_grid(chirp)
    sync = sync or synchronise(recording)
    signal = baseband(recording.samples, grid)
    spectra = aligned_periods(signal, sync.starts_sample, sync.drift_ppm, recording.n_samples, grid)
    return waveforms(spectra, grid)


def find_echoes(recording: Recording, gate: RangeGate | None = None, reference: Recording | None = None) -> Echoes:
    """Synchronise, cut into periods and remove the direct path.

    Args:
        gate: says where echoes of interest begin and the speed of sound; 25 to 50 cm by default.
        reference: a recording of the direct path alone, same device and probe; by default what stands still near the
            device in this recording.

    Raises:
        ProbeNotFound, ProbeMismatch, ProbeError, RecordingError: as `synchronise`, also for the reference.
    """
    gate = gate or RangeGate()
    sync, spectra = synchronised_periods(recording)
    grid = period_grid(chirp_of(recording))
    template = None if reference is None else synchronised_periods(reference)[1].mean(axis=1)
    cleaned, cancellation_db = remove_direct_path(spectra, grid, gate, template)
    return Echoes(spectra, cleaned, cancellation_db, sync, grid, recording.rate_hz)


@dataclass(frozen=True, slots=True)
class EchoQuality:
    """How far a recording's echoes can be trusted.

    Args:
        snr_db: mean power of compressed periods within the gate over that of noise, less one.
        peak_to_floor: of the correlation, at least 8 or no probe would have been found.
        drift_ppm: of the recorder's clock against the emitter's.
        cancellation_db: of the direct path.
        echo_db: power within the gate relative to the direct path's.
        n_periods: columns that the recording yields.
        n_jumps: how often samples were lost or doubled.
        n_spoilt: columns in which the probe is silent or cut into.
        weakest_db: the direct path in the band's weakest tenth relative to its strongest.
        resampled_hz: half the rate through which the sound was resampled; 0 where nothing tells.
    """

    snr_db: float
    peak_to_floor: float
    drift_ppm: float
    cancellation_db: float
    echo_db: float
    n_periods: int
    n_jumps: int = 0
    n_spoilt: int = 0
    weakest_db: float = 0.0
    resampled_hz: float = 0.0


def late_delays_s(grid: PeriodGrid, gate: RangeGate) -> np.ndarray:
    """Return delays after the gate that no sweep overlaps: there, what stands still is clutter, what changes noise."""
    first_s, last_s = gate.delay_s(gate.far_m) + 0.004, max(grid.chirp.period_s / 2, 0.008)
    return np.arange(first_s, last_s, 0.5 / grid.chirp.bandwidth_hz)


def snr_db(signal: float, noise: float) -> float:
    """Return the power of echoes over that of noise, given that of echoes with noise and of noise, in decibels."""
    tiny = np.finfo(float).tiny
    return float(10 * np.log10(max(signal - noise, 1e-3 * noise, tiny) / max(noise, 1e-12 * signal, tiny)))


def quality_of_echoes(echoes: Echoes, gate: RangeGate) -> EchoQuality:
    """Return the quality of echoes already found; see `echo_quality`."""
    grid = echoes.grid
    late = compress(echoes.cleaned, grid, late_delays_s(grid, gate))
    if echoes.sync.spoilt:
        late = np.delete(late, echoes.sync.spoilt, axis=1)
    change = np.diff(late, axis=1) / np.sqrt(2) if late.shape[1] > 1 else late
    noise = float(np.median(np.abs(change) ** 2) / np.log(2))
    inside_s = gate.delay_s(gate.cells_m(grid, 1))
    signal = float(np.mean(np.abs(compress(echoes.cleaned, grid, inside_s)) ** 2))
    tiny = np.finfo(float).tiny
    power = direct_power(echoes.raw[echoes.sync.channel].mean(axis=0), grid)
    return EchoQuality(
        snr_db=snr_db(signal, noise),
        peak_to_floor=echoes.sync.peak_to_floor,
        drift_ppm=echoes.sync.drift_ppm,
        cancellation_db=echoes.cancellation_db,
        echo_db=float(10 * np.log10(max(signal, tiny) / max(abs(echoes.direct_amplitude) ** 2, tiny))),
        n_periods=echoes.sync.n_periods,
        n_jumps=len(echoes.sync.jumps),
        n_spoilt=len(echoes.sync.spoilt),
        weakest_db=weakest_db(power, grid),
        resampled_hz=echoes.sync.mirror_hz or wall_hz(power, grid),
    )


def echo_quality(recording: Recording, gate: RangeGate | None = None) -> EchoQuality:
    """Return how good a recording's echoes are: echo to noise after compression, synchronisation, cancellation.

    Noise is what changes from one period to the next at delays beyond the gate (median over cells), so that walls do
    not count as noise and a moving face does not either.

    Raises:
        ProbeNotFound, ProbeMismatch, ProbeError, RecordingError: as `synchronise`.
    """
    gate = gate or RangeGate()
    return quality_of_echoes(find_echoes(recording, gate), gate)


def gated_waveforms(echoes: Echoes, gate: RangeGate) -> np.ndarray:
    """Return (channel period time) sound of the echoes from the gate's distances, for listening and figures."""
    return waveforms(gate_echoes(echoes.cleaned, echoes.grid, gate), echoes.grid)
