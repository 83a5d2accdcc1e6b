"""Every chirp of a device check on its own: when it arrived by the direct path, how loud, and the noise around it."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve

from mien.capture import CheckEmission
from mien.dsp import analytic, band_pass
from mien.probe import Chirp

CLEAR = 4.0
"""A chirp counts as heard from this many times the root mean square of the silent matched filter's output."""

REACH_S = 0.02
"""How far from its expected arrival a chirp is looked for: less than half a period, so that no other is taken."""

NOISE_FRAME_S = 0.05
NOISE_STEP_S = 0.5
NO_NOISE = 10 ** (-120 / 10)
"""No microphone is as quiet as this power: it is a digital silence, and what filters leave of it."""

_QUIETEST = 0.2
"""Noise is the quiet fifth of half a second: a word or a step in the room does not count."""


@dataclass(frozen=True, slots=True, eq=False)
class ChirpTrack:
    """What one microphone heard of each chirp.

    Args:
        time_s: (chirp) of the emission.
        emitted: (chirp) amplitude played.
        heard: (chirp) amplitude of the direct path, full scale 1.
        delay_s: (chirp) arrival beside the time expected.
        clear: (chirp) whether it stood clear of the noise.
        floor: root mean square of the matched filter's output in silence, full scale 1; 0 where nothing was recorded.
    """

    time_s: np.ndarray
    emitted: np.ndarray
    heard: np.ndarray
    delay_s: np.ndarray
    clear: np.ndarray
    floor: float

    @property
    def gain_db(self) -> np.ndarray:
        """Return (chirp) the level heard over the level played."""
        return 20 * np.log10(np.maximum(self.heard, 1e-9) / self.emitted)

    @property
    def is_heard(self) -> bool:
        """Return whether most chirps were heard."""
        return bool(self.clear.mean() >= 0.5) if len(self.clear) else False


def track_chirps(samples: np.ndarray, rate_hz: int, emission: CheckEmission, start_s: float) -> ChirpTrack:
    """Return what became of each chirp.

    Args:
        samples: (time) of one microphone.
        start_s: when the emission's first sample arrived, in the recording.
    """
    output = np.abs(_compressed(samples, rate_hz, emission.probe))
    onsets_s, emitted = emission.chirps()
    inside = onsets_s + start_s + emission.probe.period_s < len(samples) / rate_hz
    inside &= onsets_s + start_s > REACH_S
    onsets_s, emitted = onsets_s[inside], emitted[inside]
    floor = _silent_rms(output, rate_hz, emission, start_s)
    heard, delay_s = np.zeros(len(onsets_s)), np.zeros(len(onsets_s))
    clear = np.zeros(len(onsets_s), bool)
    recent: list[float] = [0.0]
    for number, onset_s in enumerate(onsets_s):
        expected = (start_s + onset_s + float(np.median(recent[-5:]))) * rate_hz
        heard[number], at = _peak(output, expected, round(REACH_S * rate_hz))
        delay_s[number] = at / rate_hz - start_s - onset_s
        clear[number] = heard[number] > max(CLEAR * floor, 1e-7)
        if clear[number]:
            recent.append(float(delay_s[number]))
    return ChirpTrack(onsets_s, emitted, heard, delay_s, clear, floor)


def _compressed(samples: np.ndarray, rate_hz: int, chirp: Chirp) -> np.ndarray:
    """Return (time) the complex matched filter's output: a chirp's amplitude at the sample where it begins."""
    time_s = np.arange(int(chirp.sweep_s * rate_hz)) / rate_hz
    sounding = chirp.low_hz + chirp.slope_hz_per_s * time_s < rate_hz / 2
    replica = analytic(np.pad(np.where(sounding, chirp.at(time_s), 0.0), len(time_s)))[len(time_s) : -len(time_s)]
    energy = float(np.sum(replica.real**2))
    return oaconvolve(samples.astype(np.float64), replica.conj()[::-1])[len(time_s) - 1 :] / energy


def _peak(output: np.ndarray, expected: float, reach: int) -> tuple[float, float]:
    """Return height and place of the largest value near a place, to a fraction of a sample (parabola through three)."""
    begin = max(1, int(expected) - reach)
    window = output[begin : int(expected) + reach + 1]
    if not window.size:
        return 0.0, expected
    at = begin + int(np.argmax(window))
    if at + 1 >= len(output):
        return float(output[at]), float(at)
    left, middle, right = (float(value) for value in output[at - 1 : at + 2])
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return middle - 0.25 * (left - right) * shift, at + float(np.clip(shift, -1, 1))


def _silent_rms(output: np.ndarray, rate_hz: int, emission: CheckEmission, start_s: float) -> float:
    """Return the root mean square of the output where nothing is played, before the first sweep."""
    first = emission.sweep_starts_s[0]
    # The matched filter looks one sweep ahead.
    end = int((start_s + first - emission.probe.sweep_s) * rate_hz)
    silent = output[max(0, int(start_s * rate_hz)) : max(0, end)]
    if silent.size < 0.1 * rate_hz:
        last = emission.parts[-1]
        silent = output[int((start_s + last.start_s + 0.3) * rate_hz) : int((start_s + last.end_s) * rate_hz)]
    return float(np.sqrt(np.mean(silent**2))) if silent.size else 0.0


def noise_course(
    samples: np.ndarray, rate_hz: int, emission: CheckEmission, start_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (step) times of the emission and (step) the noise in dB of full scale below the chirps' band.

    Sweeps, and 0.3 s after each, are left out. -inf stands for a digital silence.
    """
    low_hz, high_hz = 500.0, min(emission.probe.low_hz - 2_000.0, 16_000.0)
    quiet = band_pass(samples, rate_hz, low_hz, high_hz)
    frame = round(NOISE_FRAME_S * rate_hz)
    n_frames = len(quiet) // frame
    power = np.mean(quiet[: n_frames * frame].reshape(n_frames, frame) ** 2, axis=1)
    middle_s = (np.arange(n_frames) + 0.5) * NOISE_FRAME_S - start_s
    used = np.zeros(n_frames, bool)
    for part in emission.parts:
        if part.kind != "sweep":
            used |= (middle_s >= part.start_s + 0.05) & (middle_s < part.end_s - 0.05)
    for begin_s in emission.sweep_starts_s:
        used &= ~((middle_s > begin_s - 0.05) & (middle_s < begin_s + emission.sweep_s + 0.3))
    times, levels = [], []
    for step in np.arange(np.floor(middle_s[0] / NOISE_STEP_S) if n_frames else 0, emission.duration_s / NOISE_STEP_S):
        these = used & (middle_s >= step * NOISE_STEP_S) & (middle_s < (step + 1) * NOISE_STEP_S)
        if np.count_nonzero(these) >= 4:
            times.append((step + 0.5) * NOISE_STEP_S)
            level = float(np.quantile(power[these], _QUIETEST))
            levels.append(10 * np.log10(level) if level > NO_NOISE else -np.inf)
    return np.array(times), np.array(levels)
