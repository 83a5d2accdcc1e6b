"""Pulse compression and the range gate: from a period's spectrum to echoes by distance, and back to a chirp echo.

The direct path and the face overlap inside a 25 ms sweep and separate only after compression. So a period is first
turned into its channel impulse response, gated there, and only then, if a waveform is wanted, given back its sweep.
Gating the beat frequency of a dechirped signal is the same cut (FacER Eq. 4: 25 to 50 cm is 235 to 470 Hz at the
paper's 340 m/s, 233 to 466 Hz at our 343.2 m/s of 20 degrees C; for its Fig. 3 the paper sets 500 Hz instead).

References: FacER section IV-A-2, Eq. 1, 4, 5; Richards, Fundamentals of Radar Signal Processing, chapter 4.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
from scipy import fft

from mien.dsp import raised_cosine_step, speed_of_sound
from mien.sensing.period_grid import PeriodGrid

Taper = Literal["matched", "flat", "hann"]
Distance = TypeVar("Distance", float, np.ndarray)


FARTHEST_M = 20.0


@dataclass(frozen=True, slots=True)
class RangeGate:
    """An interval of distances, and what turns a delay into a distance.

    Args:
        near_m, far_m: distances kept; the paper's 25 to 50 cm (FacER section IV-A-2).
        direct_path_m: from loudspeaker to microphone; a delay counts from the direct path's arrival.
        temperature_c: of the air, for the speed of sound.

    Raises:
        ValueError: an interval that does not rise or begins before the direct path.

    Example:
        >>> gate = RangeGate(0.25, 0.50, direct_path_m=0.0)
        >>> [round(1000 * gate.delay_s(distance_m), 2) for distance_m in (0.25, 0.50)]
        [1.46, 2.91]
    """

    near_m: float = 0.25
    far_m: float = 0.50
    direct_path_m: float = 0.01
    temperature_c: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.direct_path_m / 2 <= self.near_m < self.far_m:
            raise ValueError(
                f"a gate from {self.near_m:g} to {self.far_m:g} m with a direct path of {self.direct_path_m:g} m was "
                "asked for; near_m must be below far_m and not before the direct path"
            )
        if self.far_m > FARTHEST_M:
            raise ValueError(f"far_m is {self.far_m:g}; at most {FARTHEST_M:g} m are kept")

    @property
    def speed_m_s(self) -> float:
        return speed_of_sound(self.temperature_c)

    def delay_s(self, distance_m: Distance) -> Distance:
        """Return how long after the direct path an echo from `distance_m` arrives, ``(2 R - direct) / c``."""
        return (2 * distance_m - self.direct_path_m) / self.speed_m_s

    def cells_m(self, grid: PeriodGrid, per_range_cell: int) -> np.ndarray:
        """Return (range) distances from `near_m` to at most `far_m`, so many per range cell."""
        step_m = grid.chirp.range_cell_m(self.speed_m_s) / per_range_cell
        return self.near_m + step_m * np.arange(int((self.far_m - self.near_m) / step_m + 1e-9) + 1)

    def gain(self, grid: PeriodGrid) -> np.ndarray:
        """Return (time) the gate over a period's delays: 1 inside, falling to 0 within one range cell outside.

        The edges are raised cosines because a sharp edge would ring over the whole band.
        """
        edge_m = grid.chirp.range_cell_m(self.speed_m_s)
        delay_s = (
            fft.fftfreq(grid.n_cells, 1 / grid.n_cells) * grid.cell_s
        )  # the second half stands for negative delays
        distance_m = (delay_s * self.speed_m_s + self.direct_path_m) / 2
        rise = raised_cosine_step(distance_m, self.near_m - edge_m, self.near_m)
        return rise * (1 - raised_cosine_step(distance_m, self.far_m, self.far_m + edge_m))


@lru_cache(maxsize=64)
def compression(grid: PeriodGrid, taper: Taper) -> np.ndarray:
    """Return (freq) the gain that compresses a sweep into a pulse of height 1 (divided by their number already).

    Args:
        taper: "matched" weights frequencies as they were emitted, best against noise: -4 dB width 1.1 range cells,
            sidelobes -13 dB next to the pulse and falling fast because the sweep is faded. "flat" weights all alike.
            "hann" trades a pulse twice as wide for sidelobes of -31 dB.
    """
    power = np.abs(grid.sweep) ** 2
    low_hz, high_hz = grid.chirp.band_hz
    middle_hz = grid.chirp.center_hz
    tapers = {
        "matched": power,
        "flat": np.ones_like(power),
        "hann": raised_cosine_step(grid.freq_hz, low_hz, middle_hz)
        * (1 - raised_cosine_step(grid.freq_hz, middle_hz, high_hz)),
    }
    if taper not in tapers:
        raise ValueError(f"taper {taper!r} is unknown; known are {', '.join(tapers)}")
    weight = np.where((grid.freq_hz >= low_hz) & (grid.freq_hz <= high_hz), tapers[taper], 0)
    gain = weight * grid.sweep.conj() / np.maximum(power, 0.01 * power.max())
    return gain / (gain * grid.sweep).real.sum()


@lru_cache(maxsize=64)
def _steering(grid: PeriodGrid, delays_s: tuple[float, ...], taper: Taper) -> np.ndarray:
    offset_hz = grid.freq_hz - grid.chirp.center_hz
    return compression(grid, taper)[:, None] * np.exp(2j * np.pi * offset_hz[:, None] * np.asarray(delays_s))


def compress(
    spectra: np.ndarray, grid: PeriodGrid, delays_s: np.ndarray | tuple[float, ...], taper: Taper = "matched"
) -> np.ndarray:
    """Return the complex baseband of compressed periods at any delays.

    ``p(t) = sum_f X(f) G(f) exp(j 2 pi (f - f_c) t)``: an echo of amplitude a at delay tau gives
    ``a exp(-j 2 pi f_c tau)`` at t = tau, so its phase turns by -4 pi d / wavelength when its reflector recedes by d.

    Args:
        spectra: (... freq) of periods.
        delays_s: (range) any delays.

    Returns:
        (... range) complex128.
    """
    return spectra @ _steering(grid, tuple(np.asarray(delays_s, dtype=float).tolist()), taper)


def gate_echoes(spectra: np.ndarray, grid: PeriodGrid, gate: RangeGate) -> np.ndarray:
    """Keep the echoes from the gate's distances and return them as echoes of the sweep again.

    Args:
        spectra: (... freq) of periods.

    Returns:
        (... freq) spectra of the gated chirp echo.
    """
    response = fft.ifft(spectra * grid.deconvolution)
    return fft.fft(response * gate.gain(grid)) * grid.sweep


def waveforms(spectra: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (... time) real sound of periods at the probe's rate, from (... freq) spectra.

    A period of a fractional number of samples is rounded up.
    """
    n_rate = grid.n_time
    step_hz = grid.chirp.rate_hz / n_rate
    index = np.round(grid.freq_hz / step_hz).astype(int)
    inside = (index > 0) & (index < n_rate // 2)
    full = np.zeros((*spectra.shape[:-1], n_rate // 2 + 1), dtype=complex)
    full[..., index[inside]] = spectra[..., inside]
    n_samples = int(np.ceil(grid.samples_per_period - 1e-9))
    return fft.irfft(full, n_rate)[..., :n_samples]
