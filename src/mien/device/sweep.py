"""A recorded sweep: where it lies in a recording, and what it says of the channel once compressed.

The matched filter turns a sweep of bandwidth B and length T into a pulse B T times stronger than the noise beside it.
Everything is read from that pulse: the response from the pulse gated around the direct path, the noise from the lags
before it, where neither echoes nor (see `NOISE_LAGS`) the loudspeaker's harmonics fall.

References: Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine technique",
AES 108 (2000); Müller and Massarani, "Transfer-function measurement with sweeps", JAES 49 (2001).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import ifft, irfft, next_fast_len, rfft

from mien.errors import DeviceError

GATE_S = (-0.003, 0.020)
"""The direct path and reflections up to 3.4 m: what a device's response is measured over."""

GATE_TAPER_S = 0.001
PEAK_S = (-0.003, 0.005)
"""Where a band's pulse may peak beside the sweep's own: a resonance delays its band by a millisecond or two."""

NOISE_LAGS = (-0.20, -0.02)
"""Noise is read this far before the pulse, in sweep lengths. The second harmonic of 7-12 kHz, which falls into
14-24 kHz, is compressed 0.29 to 0.5 sweep lengths before the pulse (Farina), clear of it."""

JUMP_S = 0.05
"""How far from the sweep's pulse the pulse of one band is looked for."""

LEAST_PEAK_TO_FLOOR = 8.0
_CURVE_STEP_HZ = 50.0
_EDGE_HZ = 200.0
_BEFORE, _AFTER = 0.03, 0.01
"""A sweep may begin before, or end after, the recording by this share of its length: a recording that was started a
little late has all that is measured, from 1 kHz upwards."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A linear sweep as it was played.

    Args:
        low_hz, high_hz: it rises from one to the other.
        length_s: how long that takes.

    Raises:
        DeviceError: a falling sweep, or one that is too short or too long.
    """

    low_hz: float = 0.0
    high_hz: float = 24_000.0
    length_s: float = 4.0

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low_hz, self.high_hz, self.length_s]).all() and 0 <= self.low_hz < self.high_hz):
            raise DeviceError(
                f"a sweep from {self.low_hz:g} to {self.high_hz:g} Hz was asked for; it must rise from 0 or more"
            )
        if not 0.02 <= self.length_s <= 150:
            raise DeviceError(f"a sweep of {self.length_s:g} s was asked for; from 0.1 to 60 s are allowed (--sweep-s)")

    @property
    def slope_hz_per_s(self) -> float:
        return (self.high_hz - self.low_hz) / self.length_s

    def paced(self, pace: float) -> "Sweep":
        """Return the sweep as it sounds when its samples are played `pace` times too fast."""
        return Sweep(self.low_hz * pace, self.high_hz * pace, self.length_s / pace)

    def samples(self, rate_hz: int) -> np.ndarray:
        """Return the sweep, shape (time); zero where it passes half the rate."""
        time_s = np.arange(round(self.length_s * rate_hz)) / rate_hz
        frequency_hz = self.low_hz + self.slope_hz_per_s * time_s
        phase = 2 * np.pi * (self.low_hz * time_s + self.slope_hz_per_s * time_s**2 / 2)
        return np.where(frequency_hz <= rate_hz / 2, np.sin(phase), 0.0)


@dataclass(frozen=True, slots=True)
class Pulses:
    """The compressed sweeps of one channel.

    Args:
        starts: (sweep) sample at which each complete sweep begins; may lie a little before the recording.
        values: (sweep lag) compressed output around each.
        lag_s: (lag) of `values`, 0 at the sweep's strongest arrival.
        peak_to_floor: of the strongest peak, the one that is reported when nothing is found.
        rate_hz: samples per second.
        sweep: the sweep they were compressed with.
    """

    starts: np.ndarray
    values: np.ndarray
    lag_s: np.ndarray
    peak_to_floor: float
    rate_hz: int
    sweep: Sweep

    def __len__(self) -> int:
        return len(self.starts)

    def gated(self) -> np.ndarray:
        """Return (sweep lag) the direct path and near reflections alone, with tapered edges."""
        inside = (self.lag_s >= GATE_S[0]) & (self.lag_s <= GATE_S[1])
        lag_s = self.lag_s[inside]
        edge = np.clip(np.minimum(lag_s - GATE_S[0], GATE_S[1] - lag_s) / GATE_TAPER_S, 0, 1)
        return self.values[:, inside] * np.sin(np.pi / 2 * edge) ** 2

    def band_power(self, low_hz: float, high_hz: float) -> np.ndarray:
        """Return (sweep lag) the squared envelope of one band, whose edges are tapered so that it does not ring."""
        n_lags = self.values.shape[1]
        frequency_hz = np.arange(n_lags // 2 + 1) * self.rate_hz / n_lags
        edge = np.clip(np.minimum(frequency_hz - low_hz, high_hz - frequency_hz) / _EDGE_HZ, 0, 1)
        spectrum = np.zeros((len(self), n_lags), dtype=np.complex128)
        spectrum[:, : n_lags // 2 + 1] = 2 * rfft(self.values, axis=1) * np.sin(np.pi / 2 * edge) ** 2
        return np.abs(ifft(spectrum, axis=1)) ** 2

    def lags_between(self, low_s: float, high_s: float) -> np.ndarray:
        """Return (lag) which lags lie in an interval."""
        return (self.lag_s >= low_s) & (self.lag_s <= high_s)


def compress(samples: np.ndarray, rate_hz: int, sweep: Sweep) -> Pulses:
    """Find every complete sweep of a channel by matched filter, and return the compressed output around each.

    Sweeps may be joined, have gaps between them, and begin anywhere.

    Args:
        samples: (time) one channel.
    """
    template = sweep.samples(rate_hz)
    n_fft = next_fast_len(len(samples) + 2 * len(template), real=True)
    spectrum = rfft(samples, n_fft) * np.conj(rfft(template, n_fft))
    starts, peak_to_floor = _locate(spectrum, n_fft, len(samples), rate_hz, sweep)
    lags = _lags(sweep, rate_hz)
    output = irfft(spectrum, n_fft)
    values = output[(starts[:, None] + lags) % n_fft]
    return Pulses(starts, values, lags / rate_hz, peak_to_floor, rate_hz, sweep)


def _lags(sweep: Sweep, rate_hz: int) -> np.ndarray:
    """Return (lag) the samples kept around a pulse: the gate, the noise before it, and where a band may have jumped."""
    before_s, after_s = max(0.24 * sweep.length_s, 1.2 * JUMP_S), max(0.06 * sweep.length_s, 1.2 * JUMP_S)
    return np.arange(round(-before_s * rate_hz), round(after_s * rate_hz))


def _locate(spectrum: np.ndarray, n_fft: int, n_samples: int, rate_hz: int, sweep: Sweep) -> tuple[np.ndarray, float]:
    """Return the sample at which each complete sweep begins, in order, and the strongest peak over its floor."""
    n_sweep = round(sweep.length_s * rate_hz)
    before, after = round(_BEFORE * n_sweep), round(_AFTER * n_sweep)
    lags = np.arange(-before, max(n_samples - n_sweep + after, -before + 1))
    full = np.zeros(n_fft, dtype=np.complex128)
    frequency_hz = np.arange(len(spectrum)) * rate_hz / n_fft
    full[: len(spectrum)] = spectrum * np.clip(frequency_hz / 500 - 1, 0, 1)  # rumble and speech only raise the floor
    envelope = np.abs(ifft(full))[lags % n_fft]
    if n_samples < n_sweep - before - after or not envelope.any():
        return np.zeros(0, dtype=np.int64), 0.0
    starts: list[int] = []
    left, strongest, best = envelope.copy(), 0.0, envelope.max()
    while True:
        peak = int(np.argmax(left))
        ratio = peak_to_floor(envelope, peak, round(0.1 * n_sweep))
        strongest = max(strongest, ratio if not starts else 0.0)
        if left[peak] < best / 30 or ratio < LEAST_PEAK_TO_FLOOR:
            break
        starts.append(int(lags[peak]))
        left[max(0, peak - round(0.9 * n_sweep)) : peak + round(0.9 * n_sweep)] = 0
    return np.array(sorted(starts), dtype=np.int64), strongest


def peak_to_floor(envelope: np.ndarray, peak: int, reach: int) -> float:
    """Return an envelope's value at `peak` over the median within `reach` samples on both sides.

    The floor is local because a sweep compressed with a wrong description is smeared over a part of its length: it
    stands above the distant floor, but not above its own surroundings.
    """
    floor = float(np.median(envelope[max(0, peak - reach) : peak + reach + 1]))
    return float(envelope[peak] / floor) if floor > 0 else 0.0


@lru_cache(maxsize=8)
def _own_response(sweep: Sweep, rate_hz: int, n_fft: int) -> np.ndarray:
    """Return (freq) the gated power spectrum of the sweep compressed with itself: what a perfect device would give."""
    template = sweep.samples(rate_hz)
    size = next_fast_len(2 * len(template), real=True)
    lags = _lags(sweep, rate_hz)
    values = irfft(np.abs(rfft(template, size)) ** 2, size)[lags % size]
    perfect = Pulses(np.zeros(1, dtype=np.int64), values[None], lags / rate_hz, np.inf, rate_hz, sweep)
    power = np.abs(rfft(perfect.gated()[0], n_fft)) ** 2
    return np.maximum(power, 1e-3 * power.max())


def response(pulses: Pulses) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (freq) and the power response (sweep freq), gated and free of the sweep's own shape."""
    n_fft = next_fast_len(round(pulses.rate_hz / _CURVE_STEP_HZ), real=True)
    n_fft = max(n_fft, pulses.gated().shape[1])
    power = np.abs(rfft(pulses.gated(), n_fft, axis=1)) ** 2
    return np.arange(n_fft // 2 + 1) * pulses.rate_hz / n_fft, power / _own_response(
        pulses.sweep, pulses.rate_hz, n_fft
    )


def mean_between(frequency_hz: np.ndarray, power: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Return the mean over frequency (last axis) of a power response between two frequencies."""
    return power[..., (frequency_hz >= low_hz) & (frequency_hz <= high_hz)].mean(axis=-1)


def snr_db(pulses: Pulses, low_hz: float, high_hz: float, *, reach_s: tuple[float, float] = PEAK_S) -> float:
    """Return a band's signal-to-noise ratio after compression: its pulse's peak over the mean before it, in one sweep.

    Powers are averaged over the sweeps before the peak is read; the noise under the peak is taken off. Kept within
    -10 and 120 dB.
    """
    power = pulses.band_power(low_hz, high_hz).mean(axis=0)
    sweep_s = pulses.sweep.length_s
    noise = float(power[pulses.lags_between(NOISE_LAGS[0] * sweep_s, NOISE_LAGS[1] * sweep_s)].mean())
    peak = float(power[pulses.lags_between(*reach_s)].max())
    if noise <= 1e-12 * peak:
        return 120.0 if peak > 0 else -10.0
    return float(np.clip(10 * np.log10(max(peak / noise - 1, 0.1)), -10.0, 120.0))
