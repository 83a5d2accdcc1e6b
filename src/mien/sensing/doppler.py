"""Front end for continuous tones: what moves shifts the tone, towards the microphone up and away from it down.

A tone of frequency f that returns from a reflector at speed v comes back 2 v f / c higher (19 kHz: 112 Hz at 1 m/s).
The tone itself, heard directly and from all that stands still, is thousands of times stronger and tells nothing: it
is fitted by least squares and taken off, and so is what stands still within each column.

Reference: Gupta et al., "SoundWave: using the Doppler effect to sense gestures", CHI 2012.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from mien.errors import ProbeMismatch, ProbeNotFound, RecordingError
from mien.probe import PureTones, describe
from mien.recording import Recording
from mien.sensing.features import Axis, Features

LEAST_TONE_TO_FLOOR = 8.0
"""A tone must stand this far, in amplitude, above what lies beside it."""

_OFFSET_HZ = 10.0
"""How far another device's clock may move the tone: 500 ppm of 20 kHz."""

_FLOOR_SHARE = 0.8
"""Shifts beyond this share of the largest hold noise alone: no hand is that fast."""


@dataclass(frozen=True, slots=True)
class Baseband:
    """A tone's surroundings brought down to zero frequency, the tone taken off.

    Args:
        samples: (channel time) complex; the tone had mean magnitude 1.
        rate_hz: samples per second.
        offset_hz: by how much the tone lay above its nominal frequency.
    """

    samples: np.ndarray
    rate_hz: float
    offset_hz: float


def baseband(recording: Recording, tone_hz: float, max_shift_hz: float) -> Baseband:
    """Return what a recording holds within `max_shift_hz` of a tone, relative to the tone and without it.

    Raises:
        ProbeNotFound: the tone does not stand above its surroundings on every channel.
        ProbeMismatch: the tone lies too near half the rate.
    """
    rate_hz = recording.rate_hz
    if tone_hz + 2 * max_shift_hz > rate_hz / 2:
        raise ProbeMismatch(
            f"shifts of {max_shift_hz:g} Hz about a tone of {tone_hz:g} Hz cannot be heard in a recording at "
            f"{rate_hz} Hz; a rate of {2 * (tone_hz + 2 * max_shift_hz):.0f} Hz or more is needed"
        )
    slow, slow_rate_hz = _brought_down(recording.samples.astype(np.float64), rate_hz, tone_hz, 4 * max_shift_hz)
    offset_hz = _offset_hz(slow, slow_rate_hz, tone_hz)
    turn = np.exp(2j * np.pi * (offset_hz / slow_rate_hz * np.arange(slow.shape[1]) % 1.0))
    tone = (slow @ turn.conj())[:, None] / slow.shape[1]
    return Baseband((slow * turn.conj() - tone) / tone, slow_rate_hz, offset_hz)


def _brought_down(samples: np.ndarray, rate_hz: int, tone_hz: float, reach_hz: float) -> tuple[np.ndarray, float]:
    """Return (channel time) complex samples of what lies within `reach_hz` of a tone, and their rate.

    The tone's mean is taken off before the Fourier transform, so that the tone, which ends with the take, makes no
    click there, and added again; the outer quarter of the band is faded out.
    """
    n_samples = samples.shape[1]
    period = 1000 * rate_hz // math.gcd(round(1000 * tone_hz), 1000 * rate_hz)
    table = np.exp(-2j * np.pi * (tone_hz / rate_hz * np.arange(min(period, n_samples)) % 1.0))
    turn = np.resize(table, n_samples)
    mean = 2 * (samples @ turn)[:, None] / n_samples
    size = fft.next_fast_len(n_samples, real=True)
    spectrum = fft.rfft(samples - np.real(mean * turn.conj()), size, axis=1)
    center, n_side = round(tone_hz * size / rate_hz), int(reach_hz * size / rate_hz)
    bins = np.fft.ifftshift(np.arange(-n_side, n_side + 1))
    fade = np.clip(4 * (1 - np.abs(bins) / n_side), 0, 1)
    inside = center + bins <= size // 2
    chosen = np.where(inside, spectrum[:, np.where(inside, center + bins, 0)], 0) * fade
    slow = 2 * fft.ifft(chosen, axis=1) * len(bins) / size
    slow_rate_hz = rate_hz * len(bins) / size
    slow = slow[:, : int(n_samples * len(bins) / size)]
    beside_hz = center * rate_hz / size - tone_hz
    return slow * np.exp(2j * np.pi * beside_hz / slow_rate_hz * np.arange(slow.shape[1])) + mean, slow_rate_hz


def _offset_hz(slow: np.ndarray, rate_hz: float, tone_hz: float) -> float:
    """Return by how much the strongest line within 10 Hz of zero lies above it, refined by the phase between halves.

    Raises:
        ProbeNotFound: on some channel it does not stand above what lies 20 to 200 Hz away.
    """
    n_samples = slow.shape[1]
    size = fft.next_fast_len(8 * n_samples)
    level = np.abs(fft.fft(slow * np.hanning(n_samples), size, axis=1))
    line_hz = np.fft.fftfreq(size, 1 / rate_hz)
    near, beside = np.abs(line_hz) <= _OFFSET_HZ, (np.abs(line_hz) > 2 * _OFFSET_HZ) & (np.abs(line_hz) < 200)
    ratio = float((level[:, near].max(axis=1) / np.maximum(np.median(level[:, beside], axis=1), 1e-30)).min())
    if ratio < LEAST_TONE_TO_FLOOR:
        raise ProbeNotFound(
            f"no tone at {tone_hz:g} Hz: the strongest line there is {ratio:.1f} times what lies beside it, "
            f"{LEAST_TONE_TO_FLOOR:g} are needed; play the tone louder or choose the probe that was played"
        )
    coarse_hz = float(line_hz[near][np.argmax(level[:, near].sum(axis=0))])
    n_half = n_samples // 2
    turned = slow * np.exp(-2j * np.pi * (coarse_hz / rate_hz * np.arange(n_samples) % 1.0))
    halves = np.vdot(turned[:, :n_half].sum(axis=1), turned[:, n_half : 2 * n_half].sum(axis=1))
    return coarse_hz + float(np.angle(halves)) / (2 * np.pi * n_half / rate_hz)


MOST_SHIFTS, MOST_COLUMNS = 1_000, 200_000
"""Of one recording. A column takes some 130 numbers while it is made, and one for each shift."""


@dataclass(frozen=True, slots=True)
class Doppler:
    """Short-time spectrum around each tone of `PureTones`: shift over time.

    With `window_s` None, one window per take. Its columns are spread evenly over the take, or over the part of it in
    which something moves, so that a slow gesture and a fast one fill the same image. Every column is a Fourier
    transform of its own stretch of sound: nothing is interpolated.

    Args:
        max_shift_hz: largest shift kept; 130 Hz is 1.2 m/s at 19 kHz.
        step_hz: from one shift to the next.
        column_s: length of the Hann window of each column.
        n_columns: columns per window.
        window_s, hop_s: windows and from one to the next; None is the whole take.
        align: "active" crops a whole take to where something moves, "take" does not.
        values: "level" is decibels above the take's own noise floor (and `above_floor_db`), divided by their root mean
            square: volume and distance drop out. "complex" keeps the phase, divided by the root mean square.
        above_floor_db: what a level must exceed the floor by to count.
    """

    kind: ClassVar[str] = "doppler"

    max_shift_hz: float = 130.0
    step_hz: float = 5.0
    column_s: float = 0.12
    n_columns: int = 48
    window_s: float | None = None
    hop_s: float | None = None
    align: Literal["active", "take"] = "active"
    values: Literal["level", "complex"] = "level"
    above_floor_db: float = 3.0

    def __post_init__(self) -> None:
        lengths = {"max_shift_hz": self.max_shift_hz, "step_hz": self.step_hz, "column_s": self.column_s}
        lengths |= {name: value for name in ("window_s", "hop_s") if (value := getattr(self, name)) is not None}
        for name, value in {**lengths, "n_columns": self.n_columns}.items():
            if not value > 0:
                raise ValueError(f"{name} is {value!r}; a positive number is needed")
        if self.max_shift_hz * max(self.column_s, 1 / self.step_hz) > MOST_SHIFTS or self.n_columns > MOST_SHIFTS:
            raise ValueError(
                f"max_shift_hz {self.max_shift_hz:g} in steps of {self.step_hz:g} and columns of {self.column_s:g} s, "
                f"{self.n_columns} of them: at most {MOST_SHIFTS} shifts and columns are made"
            )
        if self.align not in ("active", "take") or self.values not in ("level", "complex"):
            raise ValueError(
                f"align {self.align!r} and values {self.values!r}: 'active' or 'take', 'level' or 'complex'"
            )

    def features(self, recording: Recording, neutral: Recording | None = None) -> Features:
        """Return (window microphone freq time), float32 levels or complex64; several tones follow within `microphone`.

        Raises:
            ProbeMismatch: the recording's probe is not `PureTones`.
            ProbeNotFound: a tone is not heard.
            RecordingError: shorter than one column or one window.
        """
        probe = recording.probe
        if not isinstance(probe, PureTones):
            found = describe(probe) if probe is not None else "no known probe"
            raise ProbeMismatch(f"a Doppler front end needs pure tones; the recording was made with {found}")
        needed_s = self.column_s if self.window_s is None else max(self.window_s, self.column_s)
        if recording.duration_s < needed_s:
            raise RecordingError(f"the recording lasts {recording.duration_s:.2f} s; {needed_s:g} s are needed")
        parts = [baseband(recording, tone_hz, self.max_shift_hz) for tone_hz in probe.tones_hz]
        samples, rate_hz = np.concatenate([part.samples for part in parts]), parts[0].rate_hz
        shift_hz = self.shifts_hz()
        starts_s, length_s = self._windows(samples, rate_hz, recording.duration_s, shift_hz)
        if len(starts_s) * self.n_columns > MOST_COLUMNS:
            raise RecordingError(
                f"windows of {length_s:g} s with {self.n_columns} columns each make {len(starts_s) * self.n_columns} "
                f"of this recording; at most {MOST_COLUMNS} are kept in memory: choose a larger hop_s"
            )
        columns_s = (np.arange(self.n_columns) + 0.5) * length_s / self.n_columns
        centers_s = (starts_s[:, None] + columns_s).ravel()
        spectrum = self._spectrum(samples, rate_hz, shift_hz, centers_s)
        spectrum = spectrum.reshape(len(samples), len(shift_hz), len(starts_s), self.n_columns)
        values = np.moveaxis(self._scaled(spectrum, samples, rate_hz, recording.duration_s), 2, 0)
        microphones = Axis("microphone", "", np.arange(len(samples)))
        axes = (microphones, Axis("freq", "Hz", shift_hz), Axis("time", "s", columns_s))
        return Features(values, axes, self, np.zeros(len(starts_s), dtype=np.int64), starts_s)

    def shifts_hz(self) -> np.ndarray:
        """Return (freq) the shifts kept, symmetric about 0."""
        n_side = int(self.max_shift_hz / self.step_hz + 1e-9)
        return self.step_hz * np.arange(-n_side, n_side + 1)

    def _windows(
        self, samples: np.ndarray, rate_hz: float, duration_s: float, shift_hz: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Return when each window starts (window) and how long it is."""
        if self.window_s is not None:
            hop_s = self.hop_s or self.window_s
            n_windows = 1 + int((duration_s - self.window_s) / hop_s + 1e-9)
            return hop_s * np.arange(min(n_windows, MOST_COLUMNS + 1)), self.window_s
        if self.align == "take":
            return np.zeros(1), duration_s
        start_s, end_s = self._active_s(samples, rate_hz, duration_s, shift_hz)
        return np.array([start_s]), end_s - start_s

    def _active_s(
        self, samples: np.ndarray, rate_hz: float, duration_s: float, shift_hz: np.ndarray
    ) -> tuple[float, float]:
        """Return where something moves: from the first to the last rise of the shifted energy, and 80 ms on both sides.

        A rise is a tenth of the way from the quietest to the loudest. The whole take, where that is below 0.3 s.
        """
        step_s = 0.02
        centers_s = np.arange(0.0, duration_s, step_s)
        moving = np.abs(shift_hz) >= 0.1 * self.max_shift_hz
        power = np.abs(self._spectrum(samples, rate_hz, shift_hz[moving], centers_s)) ** 2
        energy = gaussian_filter1d(power.sum(axis=(0, 1)), 2)
        quiet, loud = np.percentile(energy, [15, 97])
        active = np.flatnonzero(energy > quiet + 0.1 * (loud - quiet))
        if len(active) < 2 or centers_s[active[-1]] - centers_s[active[0]] < 0.3 - 0.16:
            return 0.0, duration_s
        return max(0.0, centers_s[active[0]] - 0.08), min(duration_s, centers_s[active[-1]] + 0.08)

    def _spectrum(self, samples: np.ndarray, rate_hz: float, shift_hz: np.ndarray, centers_s: np.ndarray) -> np.ndarray:
        """Return (channel freq column), the windowed transform about each centre; a take is mirrored at its ends."""
        n_taps = max(3, round(self.column_s * rate_hz))
        time_s = (np.arange(n_taps) - (n_taps - 1) / 2) / rate_hz
        kernel = np.hanning(n_taps + 2)[1:-1] * np.exp(-2j * np.pi * shift_hz[:, None] * time_s)
        padded = np.pad(
            samples, ((0, 0), (n_taps, n_taps)), mode="reflect" if samples.shape[1] > n_taps else "constant"
        )
        first = np.round(centers_s * rate_hz - (n_taps - 1) / 2).astype(int) + n_taps
        first = np.clip(first, 0, padded.shape[1] - n_taps)
        frames = padded[:, first[:, None] + np.arange(n_taps)]
        frames = frames - frames.mean(axis=-1, keepdims=True)  # what stood still meanwhile
        return np.moveaxis(frames @ kernel.T, -1, 1)

    def _scaled(self, spectrum: np.ndarray, samples: np.ndarray, rate_hz: float, duration_s: float) -> np.ndarray:
        """Return (channel freq window column) levels above the take's floor, or complex values, of unit mean square."""
        tiny = np.finfo(np.float64).tiny
        if self.values == "complex":
            return (spectrum / max(float(np.sqrt(np.mean(np.abs(spectrum) ** 2))), tiny)).astype(np.complex64)
        level_db = 20 * np.log10(np.maximum(np.abs(spectrum), 1e-12))
        shift_hz = self.shifts_hz()
        outer = shift_hz[np.abs(shift_hz) > _FLOOR_SHARE * self.max_shift_hz]
        beyond = np.abs(self._spectrum(samples, rate_hz, outer, np.arange(0.0, duration_s, 0.02)))
        floor_db = 20 * np.log10(np.maximum(np.median(beyond, axis=(1, 2)), 1e-12))
        above_db = np.clip(level_db - floor_db[:, None, None, None] - self.above_floor_db, 0, None)
        return (above_db / max(float(np.sqrt(np.mean(above_db**2))), 1e-9)).astype(np.float32)
